"""Events that come by the thousand, and what a monitor says about people's choices."""

from dataclasses import replace

import pytest
from tests.support.reports import Told

from nobreak.core.failover import Announcement, Failover, Rules
from nobreak.engine import throttled
from nobreak.engine.announcing import Announcer, told
from nobreak.engine.throttled import DiskNews, DivertNews
from nobreak.errors import OutOfSpaceError
from nobreak.reporting.events import EventKind
from nobreak.stores.external.checks import CheckResult, FailureKind
from nobreak.stores.interfaces import Notice
from nobreak.stores.local.disk import Disk
from nobreak.words import Mode, ObjectName, Override

OK = CheckResult(ok=True, seconds=0.5)
FAILED = CheckResult(ok=False, seconds=1.5, kind=FailureKind.STATUS, detail="HTTP 503")


@pytest.fixture
def reporter():
    return Told()


@pytest.fixture
def announcer(reporter):
    return Announcer(reporter, Rules, lambda: 5.0)


async def test_the_first_diverted_write_is_named_the_next_ones_are_counted(reporter, monkeypatch):
    monkeypatch.setattr(throttled, "QUIET", 1000.0)
    news = DivertNews(reporter)
    for n in range(5):
        news.diverted(ObjectName("b", f"k{n}"), "refused")
    assert reporter.events == [(EventKind.WRITE_DIVERTED, {"name": "b/k0", "reason": "refused"})]
    monkeypatch.setattr(throttled, "QUIET", 0.0)
    news.diverted(ObjectName("b", "later"), "refused")
    kind, fields = reporter.events[1]
    assert (kind, fields["count"]) == (EventKind.WRITES_DIVERTED, 4)
    assert reporter.events[2][1]["name"] == "b/later"
    news.diverted(ObjectName("b", "last"), "refused")
    assert reporter.kinds.count(EventKind.WRITES_DIVERTED) == 1, "nothing was left uncounted"


def test_a_full_disk_is_said_when_it_begins_and_when_it_ends(reporter, tmp_path):
    """I7."""
    disk = Disk(tmp_path, min_free_bytes=0, max_bytes=0)
    news = DiskNews(reporter, disk)
    news.stored()
    for _ in range(3):
        news.refused(OutOfSpaceError("no room"))
    assert news.full
    for _ in range(3):
        news.stored()
    assert not news.full
    assert reporter.kinds == [EventKind.DISK_FULL, EventKind.DISK_OK]
    news.refused(OutOfSpaceError("no room"))
    assert reporter.kinds[-1] is EventKind.DISK_FULL
    disk.close()


def test_a_check_is_told_with_what_the_log_needs():
    assert told(OK, 5.0) == (EventKind.CHECK_OK, {"response_time": 0.5})
    kind, fields = told(FAILED, 5.0)
    assert kind is EventKind.CHECK_STATUS
    assert (fields["status"], fields["detail"], fields["timeout"]) == ("503", "HTTP 503", 5.0)


def test_a_verdict_under_a_persons_choice_changes_nothing_and_says_so(announcer, reporter):
    pinned = Notice(override=Override.EXTERNAL)
    announcer.announce([Announcement.FALLBACK], FAILED, Failover(), pinned, 0.0)
    announcer.announce([Announcement.RECOVERY], OK, Failover(), pinned, 0.0)
    assert reporter.events == [
        (EventKind.OUTAGE_WHILE_PINNED, {"mode": Mode.EXTERNAL}),
        (EventKind.RETURN_WHILE_PINNED, {"mode": Mode.EXTERNAL}),
    ]
    announcer.announce([Announcement.FALLBACK], FAILED, Failover(), Notice(), 0.0)
    assert reporter.kinds[2:] == [EventKind.FALLBACK_STARTED, EventKind.FALLBACK_COMPLETE]


def test_counts_and_the_hold_down_are_said_in_numbers(announcer, reporter):
    state = Failover(failures=2, outages=3)
    announcer.announce([Announcement.FAILURE_COUNTED], FAILED, state, Notice(), 0.0)
    announcer.announce([Announcement.HELD_DOWN], OK, state, Notice(), 7.5)
    assert reporter.events == [
        (EventKind.FAILURE_COUNTED, {"failures": 2, "max_failures": 3}),
        (EventKind.HELD_DOWN, {"outages": 3, "seconds": 7.5}),
    ]


def test_a_suspicion_is_said_when_the_rule_says_so(announcer, reporter):
    announcer.suspicion((), "reset")
    assert reporter.events == []
    announcer.suspicion((Announcement.SUSPICION,), "reset")
    assert reporter.events == [(EventKind.SUSPICION, {"detail": "reset"})]


def test_what_people_change_is_said_once(announcer, reporter):
    before = Notice(leader=1)
    announcer.watch(before)
    after = replace(before, override=Override.LOCAL, chosen_by="api", use_external=False)
    for _ in range(3):
        announcer.watch(after)
    assert reporter.events == [
        (EventKind.USE_EXTERNAL_CHANGED, {"value": "false"}),
        (
            EventKind.OVERRIDE_CHANGED,
            {"who": "api", "before": Override.AUTO, "after": Override.LOCAL},
        ),
    ]


@pytest.mark.parametrize(
    ("leader", "kind"), [(0, EventKind.MONITOR_STARTED), (-1, EventKind.MONITOR_TAKEN_OVER)]
)
def test_a_monitor_says_whether_it_follows_one_that_died(announcer, reporter, leader, kind):
    """I6."""
    announcer.take_over(Notice(leader=leader, override=Override.LOCAL))
    announcer.watch(Notice(leader=leader, override=Override.LOCAL))
    announcer.stop()
    assert reporter.kinds == [kind, EventKind.PINNED, EventKind.MONITOR_STOPPED]
    assert reporter.events[1][1] == {"mode": Mode.LOCAL}
