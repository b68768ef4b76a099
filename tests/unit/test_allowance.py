"""`NOBREAK_DRAIN_RATE`: the bucket by itself, its clock in our hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.core.allowance import BURST, Allowance

PIECES = st.lists(st.tuples(st.integers(1, 70_000), st.floats(0, 2)), min_size=1, max_size=60)


def sent(pieces: list[tuple[int, float]], rate: int) -> list[tuple[float, int]]:
    """When each piece went, if each asks so many seconds after the one before has gone."""
    allowance, now, gone = Allowance(), 1000.0, []
    for size, pause in pieces:
        now += pause
        allowance, wait = allowance.take(size, rate=rate, now=now)
        now += wait
        gone.append((now, size))
    return gone


@given(PIECES, st.integers(1024, 10_000_000))
def test_over_any_time_no_more_goes_out_than_the_rate_allows(pieces, rate):
    gone = sent(pieces, rate)
    for first in range(len(gone)):
        total = 0
        for at, size in gone[first:]:
            seconds = at - gone[first][0]
            assert total <= (seconds + BURST) * rate * (1 + 1e-9) + 1
            total += size


@given(st.integers(1, 70_000), st.integers(2, 60), st.integers(1024, 10_000_000))
def test_who_always_has_something_to_send_gets_the_whole_rate(size, count, rate):
    gone = sent([(size, 0.0)] * count, rate)
    assert gone[-1][0] - gone[0][0] <= (count - 1) * size / rate + 1e-6


def test_those_who_ask_together_go_one_after_the_other():
    allowance, waits = Allowance(until=10.0), []
    for _ in range(3):
        allowance, wait = allowance.take(1000, rate=1000, now=10.0)
        waits.append(wait)
    assert waits == pytest.approx([0.0, 1.0, 2.0])


def test_what_was_not_used_for_long_is_not_caught_up_on():
    allowance, wait = Allowance(until=10.0).take(5000, rate=1000, now=1000.0)
    assert wait == 0
    assert allowance.until == pytest.approx(1000.0 - BURST + 5.0)
