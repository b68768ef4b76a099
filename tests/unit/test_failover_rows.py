"""core.failover: what single rows of the table do and say, in words that need no drawing."""

from dataclasses import replace

import pytest

from nobreak.core.failover import (
    Announcement,
    Failover,
    Phase,
    Rules,
    Signal,
    hold_down,
    hold_left,
    next_check_in,
    revived,
    step,
)

OK, FAILED, TRAFFIC = Signal.CHECK_OK, Signal.CHECK_FAILED, Signal.TRAFFIC_FAILED
A = Announcement
RULES = Rules()


def said(moves, rules=RULES, state=None):
    """What is announced at each of (signal, seconds later), and the state in the end."""
    state, now, lines = state or Failover(), 0.0, []
    for signal, later in moves:
        now += later
        state, announced = step(state, signal, rules, now)
        lines.append(announced)
    return lines, state


def test_each_failure_is_counted_aloud_until_the_fallback():
    """Seed: "Falha 1/3", "2/3", "3/3", then "SERVIDOR EXTERNO INDISPONÍVEL"."""
    counted = (A.CHECK_FAILED, A.FAILURE_COUNTED)
    lines, _ = said([(FAILED, 60)] * 4)
    assert lines == [counted, counted, (*counted, A.FALLBACK), (A.CHECK_FAILED,)]


def test_one_failure_is_enough_where_one_is_allowed():
    lines, state = said([(FAILED, 60)], Rules(max_failures=1))
    assert lines == [(A.CHECK_FAILED, A.FAILURE_COUNTED, A.FALLBACK)]
    assert state.phase is Phase.OUTAGE


def test_a_suspicion_is_said_once_and_not_again_before_a_check_answers():
    lines, _ = said([(TRAFFIC, 1), (TRAFFIC, 1), (FAILED, 1), (TRAFFIC, 1), (OK, 1), (TRAFFIC, 1)])
    assert [A.SUSPICION in line for line in lines] == [True, False, False, False, False, True]


def test_live_traffic_moves_nothing_once_the_verdict_is_local():
    """I8: in an outage and on the way back only checks count."""
    _, outage = said([(FAILED, 60)] * 3)
    _, returning = said([(OK, 1)], state=outage)
    for state in (outage, returning):
        assert step(state, TRAFFIC, RULES, 500.0) == (state, ())


def test_the_phase_is_what_the_last_check_found():
    _, outage = said([(FAILED, 60)] * 4)
    assert outage.phase is Phase.OUTAGE
    _, returning = said([(OK, 1)], state=outage)
    assert returning.phase is Phase.RETURNING
    _, again = said([(FAILED, 70)], state=returning)
    assert again.phase is Phase.OUTAGE


def test_a_hold_down_is_said_once_and_holds_even_where_one_success_is_enough():
    rules = Rules(min_successes=1)
    _, flapping = said([(FAILED, 1)] * 3 + [(OK, 1)] + [(FAILED, 1)] * 3, rules)
    assert hold_down(flapping, rules) == 10
    lines, state = said([(OK, 1), (OK, 1), (OK, 1)], rules, flapping)
    assert state.phase is Phase.RETURNING, "the success does not outrank the hold-down"
    assert [A.RECOVERY in line for line in lines] == [False, False, False]
    lines, _ = said([(OK, 2)] * 6, Rules(min_successes=3), flapping)
    assert [A.HELD_DOWN in line for line in lines] == [0, 0, 1, 0, 0, 0]
    assert A.RECOVERY in lines[5]


def test_a_failure_starts_the_hold_down_again():
    _, twice = said([(FAILED, 1)] * 3 + [(OK, 1)] * 3 + [(FAILED, 1)] * 3)
    state, _ = step(twice, OK, RULES, 100.0)
    assert hold_left(state, RULES, 109.0) == 1
    state, _ = step(state, FAILED, RULES, 109.0)
    state, _ = step(state, OK, RULES, 110.0)
    assert hold_left(state, RULES, 110.0) == 10
    assert hold_left(state, RULES, 1000.0) == 0


def test_a_failure_on_the_way_back_is_news_at_once():
    """It is counted and logged though the last one was counted less than an interval ago."""
    lines, _ = said([(FAILED, 1)] * 3 + [(OK, 1), (FAILED, 1), (FAILED, 1)])
    assert lines[-2:] == [(A.CHECK_FAILED,), ()]


def test_a_thousand_outages_in_a_row_still_have_a_hold_down():
    many = Failover(phase=Phase.OUTAGE, outages=100_000)
    assert hold_down(many, RULES) == RULES.hold_down_max
    assert hold_down(many, replace(RULES, hold_down=0.0)) == 0


def test_an_outage_just_after_the_flap_window_is_a_first_one():
    healed = Failover(outages=5, recovered_at=100.0, failures=2, phase=Phase.DOUBT)
    inside, _ = step(healed, FAILED, RULES, 100.0 + RULES.flap_window - 0.01)
    outside, _ = step(healed, FAILED, RULES, 100.0 + RULES.flap_window)
    assert (inside.outages, outside.outages) == (6, 1)
    assert inside.recovered_at is None


def test_in_an_outage_looks_come_fast():
    _, outage = said([(FAILED, 60)] * 3)
    assert next_check_in(outage, RULES) == RULES.fast_interval


@pytest.mark.parametrize("phase", Phase)
def test_a_new_monitor_begins_with_counts_it_can_trust(phase):
    """I6: it keeps what is counted and, as its clock is another one, starts all times anew."""
    old = Failover(
        phase, failures=2, successes=2, outages=4, well_since=9e9, recovered_at=9e9, counted_at=9e9
    )
    new = revived(old, 50.0)
    local = phase in {Phase.OUTAGE, Phase.RETURNING}
    assert new.phase is (Phase.OUTAGE if local else phase)
    assert (new.failures, new.outages, new.successes) == (2, 4, 0 if local else 2)
    assert (new.well_since, new.recovered_at, new.counted_at) == (None, 50.0, None)
    assert revived(replace(old, recovered_at=None), 50.0).recovered_at is None
