"""core.failover: the seed's rule of three, as statements about a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.core.failover import (
    TRANSITIONS,
    Announcement,
    Failover,
    Phase,
    Rules,
    Signal,
    hold_down,
    hold_left,
    mode,
    next_check_in,
    pinned,
    revived,
    step,
)
from nobreak.words import Mode, Override

OK, FAILED, TRAFFIC = Signal.CHECK_OK, Signal.CHECK_FAILED, Signal.TRAFFIC_FAILED
RULES = Rules()

signals = st.lists(
    st.tuples(st.sampled_from(Signal), st.floats(min_value=0.01, max_value=120)), max_size=60
)
all_rules = st.builds(
    Rules,
    max_failures=st.integers(1, 6),
    min_successes=st.integers(1, 6),
    hold_down=st.sampled_from([0.0, 5.0, 10.0]),
)


def walk(moves, rules=RULES, state=None):
    """Feed (signal, seconds later) pairs; yields (state before, state after, announcements, now)."""
    state, now = state or Failover(), 0.0
    for signal, later in moves:
        now += later
        after, announced = step(state, signal, rules, now)
        yield state, after, announced, now
        state = after


def last(moves, rules=RULES, state=None):
    return list(walk(moves, rules, state))[-1][1]


def test_three_failures_in_a_row_mean_fallback():
    """Seed: "Se o servidor externo falhar 3 vezes consecutivas"."""
    steps = list(walk([(FAILED, 60)] * 3))
    assert [after.verdict for _, after, _, _ in steps] == [
        Mode.EXTERNAL,
        Mode.EXTERNAL,
        Mode.LOCAL,
    ]
    assert [Announcement.FALLBACK in announced for *_, announced, _ in steps] == [0, 0, 1]


def test_three_successes_in_a_row_mean_recovery():
    """Seed: "estável por 3 checks consecutivos, volta automaticamente"."""
    down = last([(FAILED, 60)] * 3)
    steps = list(walk([(OK, 60)] * 3, state=down))
    assert [after.verdict for _, after, _, _ in steps] == [Mode.LOCAL, Mode.LOCAL, Mode.EXTERNAL]
    assert steps[-1][2][-1] is Announcement.RECOVERY


def test_a_success_between_failures_starts_the_count_again():
    state = last([(FAILED, 60), (FAILED, 60), (OK, 60), (FAILED, 60), (FAILED, 60)])
    assert state.verdict is Mode.EXTERNAL
    assert state.failures == 2


def test_a_failure_between_successes_starts_the_count_again():
    down = last([(FAILED, 60)] * 3)
    state = last([(OK, 60), (OK, 60), (FAILED, 60), (OK, 60), (OK, 60)], state=down)
    assert state.verdict is Mode.LOCAL
    assert state.phase is Phase.RETURNING


def test_live_traffic_alone_never_changes_the_mode():
    """I8: traffic's errors only suggest an outage: a check confirms it."""
    state = last([(TRAFFIC, 0.1)] * 1000)
    assert state.verdict is Mode.EXTERNAL
    assert state.trusted
    assert last([(TRAFFIC, 0.1)] * 9 + [(OK, 0.1)]).phase is Phase.STEADY


def test_checks_come_fast_until_the_verdict_is_clear():
    assert next_check_in(Failover(), RULES) == 60
    assert next_check_in(last([(TRAFFIC, 1)]), RULES) == 1
    assert next_check_in(last([(FAILED, 1)]), RULES) == 1
    assert next_check_in(last([(FAILED, 1)] * 3 + [(OK, 1)]), RULES) == 1
    assert next_check_in(last([(FAILED, 1)] * 3 + [(OK, 1)] * 3), RULES) == 60


def test_the_fast_interval_is_never_slower_than_the_interval():
    rules = Rules(interval=0.5, fast_interval=1.0)
    assert next_check_in(last([(FAILED, 1)], rules), rules) == 0.5


def test_in_an_outage_looks_that_fail_too_soon_are_not_news():
    down = last([(FAILED, 1)] * 3)
    after, announced = step(down, FAILED, RULES, 4.0)
    assert (after, announced) == (down, ())
    after, announced = step(down, FAILED, RULES, 63.0)
    assert announced == (Announcement.CHECK_FAILED,)
    assert after.failures == 4


def test_flapping_lengthens_the_hold_down():
    outage = [(FAILED, 1)] * 3
    back = [(OK, 1)] * 3
    once = last(outage)
    twice = last(outage + back + outage)
    thrice = last(outage + back + outage + [(OK, 6)] * 3 + outage)
    assert [hold_down(s, RULES) for s in (once, twice, thrice)] == [0, 10, 20]
    held, announced = step(last([(OK, 1)] * 2, state=twice), OK, RULES, 3.0)
    assert held.verdict is Mode.LOCAL
    assert announced == (Announcement.CHECK_OK, Announcement.HELD_DOWN)
    assert hold_left(held, RULES, 3.0) == 8.0
    assert step(held, OK, RULES, 11.0)[0].verdict is Mode.EXTERNAL


def test_the_hold_down_has_a_limit_and_is_forgotten_after_a_quiet_time():
    many = Failover(phase=Phase.OUTAGE, outages=40, failures=3)
    assert hold_down(many, RULES) == RULES.hold_down_max
    calm = [(OK, 100)] * 5
    assert last(calm, state=many).verdict is Mode.EXTERNAL
    soon = [(FAILED, 1)] * 3
    assert last(calm + soon, state=many).outages == 41
    assert last([*calm, (OK, RULES.flap_window), *soon], state=many).outages == 1


@pytest.mark.parametrize(
    ("override", "use_external", "expected"),
    [
        (Override.AUTO, True, None),
        (Override.AUTO, False, Mode.LOCAL),
        (Override.LOCAL, True, Mode.LOCAL),
        (Override.EXTERNAL, True, Mode.EXTERNAL),
        (Override.EXTERNAL, False, Mode.EXTERNAL),
    ],
)
def test_a_person_outranks_the_setting_and_the_setting_the_checks(override, use_external, expected):
    down = last([(FAILED, 1)] * 3)
    pin = pinned(override, use_external=use_external)
    assert pin is expected
    assert mode(down, pin) is (expected or Mode.LOCAL)


def test_every_signal_is_answered_in_every_phase():
    for phase in Phase:
        for signal in Signal:
            rows = [r for r in TRANSITIONS if r.source is phase and r.signal is signal]
            assert rows, (phase, signal)
            assert rows[-1].condition == "", "the last row must always fit"
            assert all(row.condition for row in rows[:-1]), "no row hides behind another"


@given(signals, all_rules)
def test_the_verdict_changes_only_by_checks_and_only_in_full_counts(moves, rules):
    """The rule of three, for all histories: recounted here from the signals alone."""
    failures = successes = 0
    for before, after, announced, now in walk(moves, rules):
        signal_ok = Announcement.CHECK_OK in announced
        if signal_ok:
            failures, successes = 0, successes + 1
        elif Announcement.CHECK_FAILED in announced:
            failures, successes = failures + 1, 0
        assert (after.failures, after.successes) == (failures, successes)
        if before.verdict is Mode.EXTERNAL and after.verdict is Mode.LOCAL:
            assert failures == rules.max_failures
            assert announced[-1] is Announcement.FALLBACK
        elif before.verdict is Mode.LOCAL and after.verdict is Mode.EXTERNAL:
            assert successes >= rules.min_successes
            assert hold_left(after, rules, now) == 0
            assert announced[-1] is Announcement.RECOVERY
        else:
            assert Announcement.FALLBACK not in announced
            assert Announcement.RECOVERY not in announced
        if before.verdict is Mode.EXTERNAL:
            assert after.failures < rules.max_failures or after.verdict is Mode.LOCAL
        assert after.trusted == (failures == 0)


@given(signals, all_rules)
def test_a_healthy_server_is_always_trusted_again(moves, rules):
    """However wild the history, enough checks in a row bring the external store back."""
    calm = [(OK, 30.0)] * (rules.min_successes + 20)
    assert last([*moves, *calm], rules).verdict is Mode.EXTERNAL


@given(signals, all_rules)
def test_a_restart_keeps_the_mode(moves, rules):
    """I6: mode survives a restart, whatever clock the next process has."""
    state = last([*moves, (OK, 1)], rules)
    again = revived(state, now=5.0)
    assert again.verdict is state.verdict
    assert again.outages == state.outages
    assert again.well_since is None
