"""Which store answers an operation, and what to do when the external one fails. Pure.

Two questions, two tables. `route`: an operation comes in, where does it go? `after`: the
external store was tried and this came of it, what now? Both tables are total; a test
enumerates them and checks every row against I1, I2, I4 and I5.
"""

from enum import StrEnum

from nobreak.words import EntryKind, Mode, WritePolicy


class Operation(StrEnum):
    """What a client asks for."""

    PUT = "put"
    DELETE = "delete"
    GET = "get"
    HEAD = "head"
    LIST = "list"

    @property
    def writes(self) -> bool:
        return self in {Operation.PUT, Operation.DELETE}


class Link(StrEnum):
    """Whether anybody may try the external store now."""

    OPEN = "open"
    """Mode external, and nothing speaks against trying."""
    SUSPECT = "suspect"
    """Mode external, but it failed lately and no check has answered since."""
    CLOSED = "closed"
    """Mode local."""


class Held(StrEnum):
    """The newest thing that the journal holds for a key."""

    NOTHING = "nothing"
    PUT = "put"
    DELETE = "delete"
    DOUBT = "doubt"
    """No entry, but an attempt of unknown outcome that could still land on this key (I4)."""
    BUCKET = "bucket"
    """No entry of the key, but one that makes or deletes its bucket: what comes has to wait for it."""
    NEW_BUCKET = "new bucket"
    """As before, and nobody can have put anything into the bucket but through the journal."""

    @classmethod
    def of(cls, kind: EntryKind | None) -> "Held":
        """The word for the newest entry's kind."""
        return cls.NOTHING if kind is None else cls(kind.value)


class Step(StrEnum):
    """Where an operation goes."""

    TRY_EXTERNAL = "try the external store"
    JOURNAL = "write to the journal"
    ANSWER_HERE = "answer from the journal"
    NOT_FOUND = "answer: not found"
    MERGE = "external list, with the journal merged in"
    CATALOG = "list from the complete catalog, with the journal merged in"
    KNOWN = "answer from the catalog, which is sure of the key"
    CACHE = "answer from the cache"
    REFUSE = "answer: unavailable, retry later"


class Outcome(StrEnum):
    """What came of trying the external store."""

    DONE = "done"
    ANSWERED = "answered otherwise"
    """404, 403, 413, ...: no outage (I8), the client's business."""
    FAILED = "failed, had no effect"
    UNKNOWN = "failed, in doubt"
    SLOW = "not done in time, still under way"


class Next(StrEnum):
    """What to do with an operation after the external store was tried."""

    ACKNOWLEDGE = "acknowledge"
    RELAY = "pass the answer on"
    DIVERT = "divert to the journal"
    DIVERT_IN_DOUBT = "divert to the journal, in doubt"
    REFUSE = "answer: unavailable, retry later"


def link(mode: Mode, *, trusted: bool) -> Link:
    """Whether the external store may be tried. `trusted`: nothing failed since the last answer."""
    if mode is Mode.LOCAL:
        return Link.CLOSED
    return Link.OPEN if trusted else Link.SUSPECT


def route(
    operation: Operation,
    link: Link,
    held: Held,
    policy: WritePolicy,
    *,
    complete: bool = False,
    cached: bool = False,
) -> Step:
    """Where an operation goes first.

    `complete`: the catalog holds all objects of the bucket; for a read, it is also sure of the key.
    `cached`: the cache has a copy of the version that the catalog knows.

    A key that the journal holds is answered here in every mode, and written here, so that its
    writes keep one order (I4). Nobody tries a server that is not trusted (I5).
    """
    if operation is Operation.LIST:
        if held is Held.NEW_BUCKET:
            return Step.CATALOG
        if link is Link.OPEN and held is not Held.BUCKET:
            return Step.MERGE
        return Step.CATALOG if complete else Step.REFUSE
    if operation.writes:
        direct = held is Held.NOTHING and link is Link.OPEN and policy is WritePolicy.THROUGH
        return Step.TRY_EXTERNAL if direct else Step.JOURNAL
    if held is Held.PUT:
        return Step.ANSWER_HERE
    if held is Held.DELETE:
        return Step.NOT_FOUND
    if held in {Held.BUCKET, Held.NEW_BUCKET}:
        return Step.NOT_FOUND if held is Held.NEW_BUCKET else Step.REFUSE
    if link is Link.OPEN:
        return Step.TRY_EXTERNAL
    if held is not Held.NOTHING or not (cached or complete):
        return Step.REFUSE
    return Step.CACHE if cached else Step.KNOWN


def after(operation: Operation, outcome: Outcome) -> Next:
    """What to do once the external store was tried."""
    if outcome is Outcome.DONE:
        return Next.ACKNOWLEDGE
    if outcome is Outcome.ANSWERED:
        return Next.RELAY
    if not operation.writes:
        return Next.REFUSE
    return Next.DIVERT if outcome is Outcome.FAILED else Next.DIVERT_IN_DOUBT
