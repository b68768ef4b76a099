"""The demo's judge: each promise that is broken in a history makes the demo fail."""

from dataclasses import replace

import pytest

from nobreak.demo.acts import Times
from nobreak.demo.figures import Figures, figures
from nobreak.demo.history import History
from nobreak.demo.record import ABSENT, Action, Operation, Outcome, Version
from nobreak.demo.truth import Breach

OLD, NEW, OTHER = (Version.of(body) for body in (b"old", b"new", b"other"))
PUT, DELETE, READ = Action.PUT, Action.DELETE, Action.READ
DONE, REFUSED, CUT, FAILED = Outcome.DONE, Outcome.REFUSED, Outcome.CUT, Outcome.FAILED
WENT_WELL = Times(struck=10.0, fallback=11.0, returned=20.0, recovered=21.0, drained=25.0)


def operation(action, outcome=DONE, version=None, *, key="k", at=0.0, wait=0.01):
    return Operation(action, key, outcome, at, at + wait, version)


def history(*operations, held=None):
    """The history of these operations; the external store holds `held` in the end."""
    found = History()
    outage = found.outage
    outage.began, outage.known, outage.ended = 10.0, 11.0, 21.0
    for turn, each in enumerate(operations):
        later = 0.02 * turn  # one after another, also those that name no time
        found.add(replace(each, started=each.started + later, ended=each.ended + later))
    found.compare({"k": NEW} if held is None else held)
    return found


def verdict(found: History, times: Times = WENT_WELL) -> Figures:
    return figures("refuse", found, times, 1)


def breaches(found):
    return [finding.breach for finding in found.findings]


def test_a_history_without_breaches_is_well():
    found = history(
        operation(PUT, version=OLD),
        operation(READ, version=OLD),
        operation(PUT, version=NEW, at=12),
        operation(READ, version=NEW, at=13),
        operation(PUT, version=OTHER, key="gone", at=14),
        operation(DELETE, version=ABSENT, key="gone", at=15),
        operation(READ, version=ABSENT, key="gone", at=16),
    )
    assert breaches(found) == []
    assert verdict(found).ok
    assert verdict(found).operations == 7


@pytest.mark.parametrize("held", [{}, {"k": OLD}, {"k": OTHER}])
def test_a_lost_write_fails_the_demo(held):
    """I1."""
    found = history(operation(PUT, version=OLD), operation(PUT, version=NEW), held=held)
    assert breaches(found) == [Breach.LOST]
    assert verdict(found).acked_writes_lost == 1
    assert not verdict(found).ok


def test_a_resurrected_delete_fails_the_demo():
    """I4."""
    found = history(operation(PUT, version=NEW), operation(DELETE, version=ABSENT))
    assert breaches(found) == [Breach.RESURRECTED]
    assert verdict(found).acked_writes_lost == 1
    assert not verdict(found).ok


@pytest.mark.parametrize("seen", [OLD, OTHER, ABSENT])
def test_a_stale_or_wrong_read_fails_the_demo(seen):
    """I2: no stale bytes, no 404 for an object that exists."""
    found = history(
        operation(PUT, version=OLD),
        operation(PUT, version=NEW),
        operation(READ, version=seen, at=12),
    )
    assert breaches(found) == [Breach.WRONG_BYTES]
    assert verdict(found).wrong_bytes_read == 1
    assert not verdict(found).ok


@pytest.mark.parametrize("outcome", [REFUSED, FAILED])
def test_a_write_that_fails_in_the_outage_fails_the_demo(outcome):
    found = history(operation(PUT, outcome, NEW, at=12))
    assert breaches(found) == [Breach.WRITE_FAILED]
    assert verdict(found).failed_writes == verdict(found).client_failures == 1
    assert not verdict(found).ok


@pytest.mark.parametrize(
    "slow",
    [
        operation(PUT, version=NEW, at=12, wait=2.1),
        operation(READ, version=NEW, at=12, wait=2.1),
        operation(READ, REFUSED, at=9.9, wait=2.1),
        operation(READ, REFUSED, at=12, wait=0.6),
    ],
)
def test_a_slow_wait_fails_the_demo(slow):
    """I5; a refusal must come at once when the outage is known."""
    found = history(operation(PUT, version=NEW), slow)
    assert breaches(found) == [Breach.SLOW]
    assert verdict(found).slow_waits == 1
    assert not verdict(found).ok


def test_an_object_that_nobody_wrote_fails_the_demo():
    found = history(operation(PUT, version=NEW), held={"k": NEW, "x": OLD})
    assert breaches(found) == [Breach.UNEXPECTED]
    assert not verdict(found).ok


@pytest.mark.parametrize("outcome", [REFUSED, FAILED, CUT])
@pytest.mark.parametrize("at", [5.0, 12.0, 22.0])
def test_what_was_written_in_the_outage_must_be_readable(outcome, at):
    """I2: neither an error nor a 503, and before and after the outage nothing excuses one."""
    found = history(
        operation(PUT, version=NEW, at=11.5 if at > 10 else 1.0),
        operation(READ, outcome, at=at),
    )
    assert breaches(found) == [Breach.READ_FAILED]
    assert not verdict(found).ok


def test_a_503_for_what_only_the_external_store_has_is_honest_while_it_is_away():
    """I2: it is counted apart, and is no failure."""
    found = history(operation(PUT, version=NEW, at=1), operation(READ, REFUSED, at=12))
    assert breaches(found) == []
    assert verdict(found).reads_refused == 1
    assert verdict(found).ok


def test_only_a_read_that_was_under_way_when_the_outage_began_may_be_cut_short():
    before, later = operation(READ, CUT, at=9.9, wait=0.5), operation(READ, CUT, at=12)
    assert breaches(history(operation(PUT, version=NEW, at=1), before)) == []
    assert breaches(history(operation(PUT, version=NEW, at=1), later)) == [Breach.READ_FAILED]


def test_a_write_of_unknown_outcome_may_have_happened_or_not_but_not_both():
    unknown = [operation(PUT, version=OLD), operation(PUT, FAILED, NEW)]
    for held in (OLD, NEW):
        assert Breach.LOST not in breaches(history(*unknown, held={"k": held}))
    settled = [*unknown, operation(READ, version=NEW)]
    assert Breach.LOST in breaches(history(*settled, held={"k": OLD}))
    assert Breach.WRONG_BYTES in breaches(history(*settled, operation(READ, version=OLD)))


@pytest.mark.parametrize("times", [Times(), Times(struck=1, fallback=2, returned=3)])
def test_a_drain_that_does_not_end_fails_the_demo(times):
    found = history(operation(PUT, version=NEW))
    assert not verdict(found, times).ok
    assert verdict(found, times).seconds_to_drained is None


def test_a_play_that_was_stopped_fails_the_demo():
    found = history(operation(PUT, version=NEW))
    assert not figures("freeze", found, WENT_WELL, 0, trouble="recovery: not within 20 s").ok


def test_the_figures_tell_how_long_it_took():
    found = verdict(history(operation(PUT, version=NEW, wait=0.25)))
    assert (found.seconds_to_fallback, found.seconds_to_drained) == (1.0, 5.0)
    assert found.longest_wait == 0.25
    assert found.as_json()["ok"] is True
