"""From the rule's announcements and the board's notices to events that people read."""

import os
from collections.abc import Callable, Sequence

from nobreak.core.failover import Announcement, Failover, Rules, pinned
from nobreak.reporting.events import EventKind, FieldValue, Reporter
from nobreak.stores.external.checks import CheckResult, FailureKind
from nobreak.stores.interfaces import Notice
from nobreak.words import Mode

CHECK_FAILURES = {
    FailureKind.CONNECTION: EventKind.CHECK_CONNECTION_ERROR,
    FailureKind.TIMEOUT: EventKind.CHECK_TIMED_OUT,
    FailureKind.STATUS: EventKind.CHECK_STATUS,
    FailureKind.UNEXPECTED: EventKind.CHECK_UNEXPECTED,
    FailureKind.CANNOT_STORE: EventKind.CHECK_CANNOT_STORE,
}


def told(result: CheckResult, timeout: float) -> tuple[EventKind, dict[str, FieldValue]]:
    """The event on a check that was allowed `timeout` seconds, and its fields."""
    if result.kind is None:
        return EventKind.CHECK_OK, {"response_time": result.seconds}
    return CHECK_FAILURES[result.kind], {
        "response_time": result.seconds,
        "timeout": timeout,
        "status": result.detail.removeprefix("HTTP "),
        "detail": result.detail,
    }


class Announcer:
    """Speaks for the monitor. `rules` and `timeout` (seconds) may change while it runs."""

    def __init__(
        self, reporter: Reporter, rules: Callable[[], Rules], timeout: Callable[[], float]
    ) -> None:
        self._reporter = reporter
        self._rules = rules
        self._timeout = timeout
        self._seen: Notice | None = None

    def take_over(self, notice: Notice) -> None:
        """This process monitors now."""
        self._seen = notice
        again = notice.leader not in {0, os.getpid()}
        kind = EventKind.MONITOR_TAKEN_OVER if again else EventKind.MONITOR_STARTED
        self._reporter.emit(kind, pid=os.getpid(), mode=notice.mode)
        pin = pinned(notice.override, use_external=notice.use_external)
        if pin is not None:
            self._reporter.emit(EventKind.PINNED, mode=pin)

    def stop(self) -> None:
        """This process monitors no more."""
        self._reporter.emit(EventKind.MONITOR_STOPPED, pid=os.getpid())

    def announce(
        self,
        announcements: Sequence[Announcement],
        result: CheckResult,
        state: Failover,
        notice: Notice,
        hold_left: float,
    ) -> None:
        """Say what a check has brought, in the seed's words and order."""
        pin = pinned(notice.override, use_external=notice.use_external)
        for announcement in announcements:
            match announcement:
                case Announcement.CHECK_OK | Announcement.CHECK_FAILED:
                    kind, fields = told(result, self._timeout())
                    self._reporter.emit(kind, **fields)
                case Announcement.FAILURE_COUNTED:
                    self._reporter.emit(
                        EventKind.FAILURE_COUNTED,
                        failures=state.failures,
                        max_failures=self._rules().max_failures,
                    )
                case Announcement.HELD_DOWN:
                    self._reporter.emit(
                        EventKind.HELD_DOWN, outages=state.outages, seconds=hold_left
                    )
                case Announcement.FALLBACK | Announcement.RECOVERY:
                    self._change(announcement, pin)
                case Announcement.SUSPICION:
                    pass  # said when it was raised

    def suspicion(self, announcements: Sequence[Announcement], detail: str) -> None:
        """Live traffic failed for the first time since all was well."""
        if Announcement.SUSPICION in announcements:
            self._reporter.emit(EventKind.SUSPICION, detail=detail)

    def watch(self, notice: Notice) -> None:
        """Say what people have changed on the board since the last look."""
        seen, self._seen = self._seen or notice, notice
        if notice.use_external != seen.use_external:
            value = str(notice.use_external).lower()
            self._reporter.emit(EventKind.USE_EXTERNAL_CHANGED, value=value)
        if notice.override is not seen.override:
            self._reporter.emit(
                EventKind.OVERRIDE_CHANGED,
                who=notice.chosen_by or "?",
                before=seen.override,
                after=notice.override,
            )

    def _change(self, announcement: Announcement, pin: Mode | None) -> None:
        """A verdict: the mode follows it, unless a person has chosen otherwise."""
        down = announcement is Announcement.FALLBACK
        if pin is not None:
            pinned_kind = EventKind.OUTAGE_WHILE_PINNED if down else EventKind.RETURN_WHILE_PINNED
            self._reporter.emit(pinned_kind, mode=pin)
        elif down:
            self._reporter.emit(EventKind.FALLBACK_STARTED)
            self._reporter.emit(EventKind.FALLBACK_COMPLETE)
        else:
            self._reporter.emit(EventKind.RECOVERY_STARTED)
            self._reporter.emit(EventKind.RECOVERY_COMPLETE)
