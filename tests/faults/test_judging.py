"""The judge of the faults, judged: what it forgives after a loss, and what it never does."""

from dataclasses import replace

import pytest
from tests.faults.judging import promised
from tests.faults.scenario import DIVERT_AFTER, GRACE, Report, Scenario
from tests.faults.since import since
from tests.faults.spare_copies import without_spare_copies

from nobreak.demo.record import ABSENT, Action, Outcome, Page, Recorder, Version
from nobreak.demo.truth import Breach, Finding, explain

ONE, TWO = Version.of(b"one"), Version.of(b"two")
WELL = Report("x", 50, 0, 0, 0, 50, 0, 0, 0.1, True, 0.0, 1.0, (), None, None, (), 0, ())


class History:
    """Operations of a second each, one after another unless told otherwise."""

    def __init__(self):
        self.now = 0.0
        self.recorder = Recorder(lambda: self.now)

    def does(self, action, version=None, outcome=Outcome.DONE, seconds=1.0):
        call = self.recorder.call(action, "k", version if action is Action.PUT else None)
        self.now += seconds
        if outcome is Outcome.DONE:
            call.done(version)
        else:
            call.ended(outcome)
        self.now += 0.1

    def found(self, moment, held):
        return [each.breach for each in explain(*since(moment, self.recorder.operations(), held))]


def test_what_was_acknowledged_before_the_loss_is_not_asked_for():
    history = History()
    history.does(Action.PUT, ONE)
    assert history.found(history.now, {}) == []


def test_what_was_acknowledged_after_it_is():
    """I1."""
    history = History()
    history.does(Action.PUT, ONE)
    moment = history.now
    history.does(Action.PUT, TWO)
    assert history.found(moment, {"k": TWO}) == []
    assert history.found(moment, {"k": ONE}) == [Breach.LOST]
    assert history.found(moment, {}) == [Breach.LOST]


@pytest.mark.parametrize(("copy", "found"), [(ONE, []), (Version.of(b"x"), [Breach.SHOWN])])
def test_after_a_death_a_copy_of_a_version_of_ours_does_not_count_and_no_other(copy, found):
    history = History()
    history.does(Action.PUT, ONE)
    history.does(Action.PUT, TWO)
    listing = history.recorder.call(Action.LIST, "")
    shown = {"k": TWO, "k.conflict-20261125T160750Z-51147d92": copy}
    history.now += 1.0
    listing.listed(Page(shown))
    judged = without_spare_copies(history.recorder.operations(), shown)
    assert [each.breach for each in explain(*judged) if each.breach is Breach.SHOWN] == found


def test_a_read_is_judged_from_the_first_write_after_it_on():
    """I2."""
    history = History()
    history.does(Action.PUT, ONE)
    moment = history.now
    history.does(Action.READ, ABSENT)
    history.does(Action.PUT, TWO)
    assert history.found(moment, {"k": TWO}) == []
    history.does(Action.READ, ONE)
    assert history.found(moment, {"k": TWO}) == [Breach.WRONG_BYTES]


def test_a_write_that_was_under_way_at_that_moment_may_come_before_or_after():
    history = History()
    call = history.recorder.call(Action.PUT, "k", ONE)
    history.now += 1.0
    moment = history.now
    history.now += 1.0
    late = history.recorder.call(Action.PUT, "k", TWO)
    call.done()
    history.now += 1.0
    late.done()
    assert history.found(moment, {"k": ONE}) == []
    assert history.found(moment, {"k": TWO}) == []


@pytest.mark.parametrize(
    "bad",
    [
        {"findings": (Finding(Breach.LOST, "k"),)},
        {"converged": None},
        {"acked": 3},
        {"refused": 1},
        {"denied": 1},
        {"failed": 1},
        {"longest": DIVERT_AFTER + GRACE + 0.1},
        {"median_outage": 0.05, "median_local": 0.01},
        {"unsaid": ("JOURNAL CORRUPT",)},
    ],
    ids="-".join,
)
def test_no_promise_may_be_broken(bad):
    """I1, I2, I5, I7."""
    promised(Scenario("x"), WELL)
    with pytest.raises(AssertionError):
        promised(Scenario("x"), replace(WELL, **bad))


def test_only_what_a_scenario_expects_is_forgiven():
    refused = replace(WELL, refused=1, own_refused=0)
    promised(Scenario("x", writes="own"), refused)
    with pytest.raises(AssertionError):
        promised(Scenario("x", writes="own"), replace(refused, own_refused=1))
    promised(Scenario("x", writes="any"), replace(refused, own_refused=1, failed=3))
    promised(Scenario("x", judged=False), replace(WELL, longest=3.0))
