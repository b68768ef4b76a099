"""What clients did and saw: every operation from its call to its return, in the order it happened.

Pure: no I/O, no clock of its own. Times are seconds of any clock that never goes back, a virtual
one too; `Recorder` numbers calls and returns beside them, so that their order is exact even where
many share one time.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Action(StrEnum):
    """What a client asked for."""

    PUT = "put"
    DELETE = "delete"
    READ = "read"
    """GET or HEAD."""
    LIST = "list"
    """One page of a list."""

    @property
    def writes(self) -> bool:
        return self in {Action.PUT, Action.DELETE}


class Outcome(StrEnum):
    """What came of it, as the client saw it."""

    DONE = "done"
    DENIED = "denied"
    """An answer that says no (403, 412, 413): a write had no effect.

    If it was a conditional one (`Operation.needs`), what it was told is a look at the key.
    """
    REFUSED = "refused"
    """An honest 503 with `Retry-After`. A write may have happened or not."""
    CUT = "cut short"
    """The answer to a read ended early, and the client could see it."""
    FAILED = "failed"
    """Any other error, or no answer. A write may have happened or not."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a key holds: the size in bytes and the SHA-256 of an object."""

    size: int
    sha256: str

    @classmethod
    def of(cls, body: bytes) -> "Version":
        """The version that consists of these bytes."""
        return cls(len(body), hashlib.sha256(body).hexdigest())

    def __str__(self) -> str:
        return "nothing" if self == ABSENT else f"{self.size} bytes {self.sha256[:12]}"


ABSENT = Version(0, "absent")
"""There is no object."""
SOME = Version(0, "some")
"""There is an object, whatever its bytes: what a list tells that names keys alone."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a list showed: the versions of keys (or `SOME`), and which keys it speaks of.

    It speaks of those that begin with `prefix`, come after `start_after` in the order of their
    bytes, and, when `until` is given (the page was not the last one), not after that.
    """

    shown: Mapping[str, Version]
    prefix: str = ""
    start_after: str = ""
    until: str | None = None

    def covers(self, key: str) -> bool:
        """Whether the page would show the key if there were such an object."""
        name = key.encode()
        if not key.startswith(self.prefix) or (
            self.start_after and name <= self.start_after.encode()
        ):
            return False
        return self.until is None or name <= self.until.encode()


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation from its call to its return.

    `version`: what was written, or seen. `needs`: what the key must hold for a conditional write
    to be made (`ABSENT`: no object). `page`: what a list showed. `called` and `returned`: numbers
    that order what happened at one and the same time. An operation that never returned has
    `ended` = infinity.
    """

    action: Action
    key: str
    outcome: Outcome
    started: float
    ended: float
    version: Version | None = None
    detail: str = ""
    page: Page | None = None
    called: int = 0
    returned: int = 0
    client: str = ""
    needs: Version | None = None
    found: Version | None = None
    """What a conditional write was denied for: there is no object (`ABSENT`, a 404), or there is
    `SOME` that is not what it needs (a 412)."""

    @property
    def wait(self) -> float:
        """What the client waited, in seconds."""
        return self.ended - self.started

    @property
    def told(self) -> bool:
        """Whether its outcome is certain: it was done, or it had no effect."""
        return self.outcome in {Outcome.DONE, Outcome.DENIED}

    def __str__(self) -> str:
        who = f"{self.client}: " if self.client else ""
        what = "" if self.version is None else f" {self.version}"
        when = f"{self.started:.3f}–{self.ended:.3f}"
        return f"{who}{self.action} {self.key!r}{what}: {self.outcome} ({when})"


@dataclass(slots=True)
class Call:
    """An operation under way. Exactly one of `done`, `listed` and `ended` is called, or none."""

    recorder: "Recorder"
    action: Action
    key: str
    version: Version | None
    client: str
    started: float
    called: int
    needs: Version | None = None

    def done(self, seen: Version | None = None) -> Operation:
        """It succeeded; a read saw `seen` (`ABSENT` for a 404)."""
        return self._end(Outcome.DONE, self.version if self.action.writes else seen or ABSENT)

    def listed(self, page: Page) -> Operation:
        """A list showed this page."""
        return self._end(Outcome.DONE, None, page=page)

    def ended(self, outcome: Outcome, detail: str = "") -> Operation:
        """It ended otherwise."""
        return self._end(outcome, self.version if self.action.writes else None, detail)

    def condition_failed(self, found: Version) -> Operation:
        """A conditional write was not made, since the key holds `found` (`ABSENT` or `SOME`)."""
        return self.recorder.end(self, Outcome.DENIED, self.version, found=found)

    def _end(
        self, outcome: Outcome, version: Version | None, detail: str = "", page: Page | None = None
    ) -> Operation:
        return self.recorder.end(self, outcome, version, detail, page)


@dataclass(slots=True)
class Recorder:
    """All operations of the clients of one process, in the order of their returns.

    A call that never returns (its client was killed) counts as one of unknown outcome.
    """

    clock: Callable[[], float]
    returned: list[Operation] = field(default_factory=list)
    _open: dict[int, Call] = field(default_factory=dict)
    _ticks: int = 0

    def call(
        self,
        action: Action,
        key: str,
        version: Version | None = None,
        *,
        client: str = "",
        needs: Version | None = None,
    ) -> Call:
        """A client asks now; `version`: what it writes. The key of a list is its prefix."""
        if action is Action.DELETE:
            version = ABSENT
        call = Call(self, action, key, version, client, self.clock(), self._tick(), needs)
        self._open[call.called] = call
        return call

    def end(
        self,
        call: Call,
        outcome: Outcome,
        version: Version | None,
        detail: str = "",
        page: Page | None = None,
        *,
        found: Version | None = None,
    ) -> Operation:
        """A call returned now. Raises `KeyError` when it did so before."""
        del self._open[call.called]
        operation = replace(
            self._operation(call, outcome, version, self.clock(), detail, page),
            found=found,
        )
        self.returned.append(operation)
        return operation

    def operations(self) -> list[Operation]:
        """What returned so far, and what is still under way as of unknown outcome."""
        never = [
            self._operation(call, Outcome.FAILED, call.version, math.inf, "never returned", None)
            for call in self._open.values()
        ]
        return [*self.returned, *never]

    def _operation(
        self,
        call: Call,
        outcome: Outcome,
        version: Version | None,
        ended: float,
        detail: str,
        page: Page | None,
    ) -> Operation:
        return Operation(
            call.action,
            call.key,
            outcome,
            call.started,
            ended,
            version,
            detail,
            page,
            call.called,
            self._tick(),
            call.client,
            call.needs,
        )

    def _tick(self) -> int:
        self._ticks += 1
        return self._ticks
