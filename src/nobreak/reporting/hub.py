"""The fan-out: one `emit`, and everyone who wants to know is told, in the order they joined."""

import itertools
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from nobreak.reporting.events import Event, EventKind, FieldValue, Sink


def current_time() -> datetime:
    """The time of this machine, aware."""
    return datetime.now(UTC)


class Hub:
    """A `Reporter`. Sinks are told one event at a time, whatever thread it comes from.

    A sink that raises hurts nobody; its first failure is an event of its own. A sink may emit:
    what it says comes after, for those who joined before it.
    """

    def __init__(self, now: Callable[[], datetime] = current_time) -> None:
        self._now = now
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        self._sinks: tuple[Sink, ...] = ()
        self._failed: tuple[Sink, ...] = ()

    def add(self, sink: Sink) -> None:
        """Tell `sink` from now on."""
        with self._lock:
            self._sinks = (*self._sinks, sink)

    def remove(self, sink: Sink) -> None:
        """Tell it no more."""
        with self._lock:
            self._sinks = tuple(each for each in self._sinks if each is not sink)

    def emit(self, kind: EventKind, /, **fields: FieldValue) -> None:
        """Tell everyone. Never raises what a sink raises."""
        with self._lock:
            event = Event(next(self._ids), self._now(), kind, fields)
            for sink in self._sinks:
                self._tell(sink, event)

    def _tell(self, sink: Sink, event: Event) -> None:
        try:
            sink(event)
        except Exception as error:  # noqa: BLE001 - a hook of the user's may raise anything
            if not any(sink is each for each in self._failed):
                self._failed = (*self._failed, sink)
                name = getattr(sink, "__qualname__", type(sink).__qualname__)
                self.emit(EventKind.HOOK_FAILED, hook=name, reason=repr(error))
