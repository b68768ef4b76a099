"""What clients did and saw, and whether it can be explained: the judge of the demo.

Each key has one client, so the operations on a key follow one another. For each key the history
knows which versions it may hold: after an acknowledged write exactly that one, after a write of
unknown outcome that one as well, and a read that saw one of them settles the question. What a
read sees beside these is wrong, and so is what the external store holds beside these in the end.
Pure: no I/O, no clock; times are seconds on the clients' clock.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What a client asked for."""

    PUT = "put"
    DELETE = "delete"
    READ = "read"

    @property
    def writes(self) -> bool:
        return self is not Action.READ


class Outcome(StrEnum):
    """What came of it, as the client saw it."""

    DONE = "done"
    REFUSED = "refused"
    """An honest 503 with `Retry-After`."""
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


ABSENT = Version(0, "absent")
"""There is no object."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation from its call to its return. `version`: what was written, or seen."""

    action: Action
    key: str
    outcome: Outcome
    started: float
    ended: float
    version: Version | None = None
    detail: str = ""

    @property
    def wait(self) -> float:
        """What the client waited, in seconds."""
        return self.ended - self.started


class Breach(StrEnum):
    """A promise that was not kept."""

    LOST = "an acknowledged write is lost"
    RESURRECTED = "a deleted object is there again"
    UNEXPECTED = "an object that nobody wrote"
    WRONG_BYTES = "a read saw something else than the newest acknowledged version"
    WRITE_FAILED = "a write failed"
    READ_FAILED = "a read failed that could have been answered"
    SLOW = "a client waited too long"


@dataclass(frozen=True, slots=True)
class Finding:
    """A breach, and where it was found."""

    breach: Breach
    key: str
    detail: str = ""

    def __str__(self) -> str:
        told = f"{self.breach}: {self.key}"
        return f"{told} ({self.detail})" if self.detail else told


@dataclass(slots=True)
class Record:
    """One key: the versions that it may hold, and when its newest acknowledged write began."""

    possible: set[Version] = field(default_factory=lambda: {ABSENT})
    written_at: float | None = None


@dataclass(slots=True)
class Outage:
    """When the external store was away, as the clients' clock has it; None: not yet.

    `ended`: when nobreak was back in mode external. `known`: when it was in mode local.
    """

    began: float | None = None
    known: float | None = None
    ended: float | None = None

    def touches(self, operation: Operation) -> bool:
        """Whether the operation was under way at some time of the outage."""
        if self.began is None or operation.ended < self.began:
            return False
        return self.ended is None or operation.started <= self.ended


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a client may wait, in seconds. `refusal`: for a 503, once the outage is known."""

    wait: float = 2.0
    refusal: float = 0.5


class History:
    """All operations, and what is wrong with them."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.outage = Outage()
        self.operations: list[Operation] = []
        self.findings: list[Finding] = []
        self._limits = limits or Limits()
        self._records: dict[str, Record] = {}

    def written(self) -> list[str]:
        """Every key with an acknowledged write, in the order of their first operation."""
        return [key for key, record in self._records.items() if record.written_at is not None]

    def add(self, operation: Operation) -> None:
        """Take an operation in when it has returned, and judge it."""
        self.operations.append(operation)
        self._judge_wait(operation)
        if operation.action.writes:
            self._judge_write(operation)
        else:
            self._judge_read(operation)

    def compare(self, held: Mapping[str, Version]) -> None:
        """Judge what the external store holds in the end: all its objects, by key."""
        for key, record in self._records.items():
            found = held.get(key, ABSENT)
            if found in record.possible:
                continue
            breach = Breach.RESURRECTED if record.possible == {ABSENT} else Breach.LOST
            self._find(breach, key, f"it holds {_told(found)}")
        for key in held.keys() - self._records.keys():
            self._find(Breach.UNEXPECTED, key)

    def count(self, *breaches: Breach) -> int:
        """How many findings of these kinds there are."""
        counted = Counter(finding.breach for finding in self.findings)
        return sum(counted[breach] for breach in breaches)

    def longest_wait(self) -> float:
        """The longest that any client waited, in seconds."""
        return longest(self.operations)

    def _record(self, key: str) -> Record:
        return self._records.setdefault(key, Record())

    def _find(self, breach: Breach, key: str, detail: str = "") -> None:
        self.findings.append(Finding(breach, key, detail))

    def _judge_wait(self, operation: Operation) -> None:
        limit = self._limits.wait
        known = self.outage.known
        refused = operation.outcome is Outcome.REFUSED
        if refused and known is not None and operation.started > known:
            limit = self._limits.refusal
        if operation.wait > limit:
            waited = f"{operation.action} waited {operation.wait:.2f} s"
            self._find(Breach.SLOW, operation.key, waited)

    def _judge_write(self, operation: Operation) -> None:
        record = self._record(operation.key)
        wanted = operation.version or ABSENT
        if operation.outcome is Outcome.DONE:
            record.possible = {wanted}
            record.written_at = operation.started
        else:
            record.possible.add(wanted)
            self._find(Breach.WRITE_FAILED, operation.key, operation.detail)

    def _judge_read(self, operation: Operation) -> None:
        record = self._record(operation.key)
        seen = operation.version or ABSENT
        if operation.outcome is not Outcome.DONE:
            if not self._excused(operation, record):
                self._find(Breach.READ_FAILED, operation.key, operation.detail)
        elif seen in record.possible:
            record.possible = {seen}
        else:
            self._find(Breach.WRONG_BYTES, operation.key, f"it saw {_told(seen)}")

    def _excused(self, operation: Operation, record: Record) -> bool:
        """Whether nobody could have answered this read: only the external store had the object."""
        began = self.outage.began
        if began is None or not self.outage.touches(operation):
            return False
        if record.written_at is not None and record.written_at >= began:
            return False
        if operation.outcome is Outcome.CUT:
            return operation.started < began
        return operation.outcome is Outcome.REFUSED


def longest(operations: Iterable[Operation]) -> float:
    """The longest wait among these, in seconds."""
    return max((operation.wait for operation in operations), default=0.0)


def _told(version: Version) -> str:
    return "nothing" if version is ABSENT else f"{version.size} bytes {version.sha256[:12]}"
