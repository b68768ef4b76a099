"""The model of the truth: whether a history of client operations can be explained.

    recorder = Recorder(clock)
    call = recorder.call(Action.PUT, "key", Version.of(body), client="a")
    ...                                        # ask for it
    call.done()                                # or call.ended(Outcome.FAILED, "timed out")
    found = explain(recorder.operations(), held)

`held` is what the external store itself holds in the end, by key. An empty answer means that there
is an order in which everything happened: each acknowledged write and delete did so, once, between
its call and its return; each of unknown outcome at any time after its call, once or not at all, but
not after an acknowledged one that was asked for when it had been given up (I4); each read saw the
newest version; each page of a list showed what was there and nothing else; each conditional write
was made or refused as what was there demands. It judges key by key, as S3 promises no more: a page
is a look at each key that it speaks of.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nobreak.demo.record import ABSENT, SOME, Action, Operation, Outcome, Version
from nobreak.demo.register import NEVER, Step, TooManyPositionsError, explainable

MOST_PER_KEY = 20
"""After so many violations of one key no more are looked for."""


class Breach(StrEnum):
    """A promise that was not kept."""

    LOST = "an acknowledged write is lost"
    RESURRECTED = "a deleted object is there again"
    UNEXPECTED = "an object that nobody wrote"
    WRONG_BYTES = "a read saw something else than the newest acknowledged version"
    HIDDEN = "a list hides an object"
    SHOWN = "a list shows an object that is not there"
    CONDITION = "conditional writes were made that exclude each other"
    REFUSED_WRONGLY = "a conditional write was refused though its condition held"
    UNDECIDED = "too many operations of unknown outcome to tell"
    WRITE_FAILED = "a write failed"
    READ_FAILED = "a read failed that could have been answered"
    SLOW = "a client waited too long"


@dataclass(frozen=True, slots=True)
class Finding:
    """A breach, and where it was found. `operation`: the one that saw it."""

    breach: Breach
    key: str
    detail: str = ""
    operation: Operation | None = None

    def __str__(self) -> str:
        told = f"{self.breach}: {self.key}"
        return f"{told} ({self.detail})" if self.detail else told


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen of a key, by a read, by a page of a list, or in the end."""

    step: Step
    operation: Operation | None


def explain(
    operations: Iterable[Operation],
    held: Mapping[str, Version] | None = None,
    *,
    initially: Mapping[str, Version] | None = None,
    notices_within: float = 0.0,
) -> list[Finding]:
    """What can't be explained; empty when all is well.

    `held`: what is there in the end, all of it (None: nobody looked). `initially`: what was there
    before the first operation. `notices_within`: how long it may take until all know that a write
    was given up (seconds).
    """
    before = initially or {}
    operations = list(operations)
    pages = [op for op in operations if op.page is not None and op.outcome is Outcome.DONE]
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.action is not Action.LIST:
            by_key[operation.key].append(operation)
    strangers = {key for op in pages if op.page is not None for key in op.page.shown}
    keys = [*by_key, *sorted((strangers | before.keys() | (held or {}).keys()) - by_key.keys())]
    found: list[Finding] = []
    for key in keys:
        writes = [_write(op, notices_within) for op in by_key[key] if _may_have_happened(op)]
        looks = [_Look(_read(op), op) for op in by_key[key] if _has_seen(op)]
        looks += [_Look(_refusal(op), op) for op in by_key[key] if op.found is not None]
        looks += [_Look(_glimpse(op, key), op) for op in pages if op.page and op.page.covers(key)]
        looks.sort(key=lambda look: look.step.returned)
        if held is not None:
            looks.append(_Look(Step(NEVER, NEVER, sees=held.get(key, ABSENT)), None))
        found += _judge(key, writes, looks, before.get(key, ABSENT))
    return found


def _may_have_happened(operation: Operation) -> bool:
    return operation.action.writes and operation.outcome is not Outcome.DENIED


def _has_seen(operation: Operation) -> bool:
    return operation.action is Action.READ and operation.outcome is Outcome.DONE


def _write(operation: Operation, notices_within: float) -> Step:
    called = (operation.started, operation.called)
    certain = operation.outcome is Outcome.DONE
    returned = (operation.ended, operation.returned) if certain else NEVER
    sets = operation.version or ABSENT
    given_up = None if certain else (operation.ended + notices_within, operation.returned)
    return Step(
        called, returned, sets=sets, certain=certain, needs=operation.needs, given_up=given_up
    )


def _read(operation: Operation) -> Step:
    called, returned = (operation.started, operation.called), (operation.ended, operation.returned)
    return Step(called, returned, sees=operation.version or ABSENT)


def _refusal(operation: Operation) -> Step:
    """What a conditional write learns when it is refused: the key does not hold what it needs."""
    called, returned = (operation.started, operation.called), (operation.ended, operation.returned)
    if operation.found == ABSENT:
        return Step(called, returned, sees=ABSENT)
    return Step(called, returned, differs=operation.needs or ABSENT)


def _glimpse(operation: Operation, key: str) -> Step:
    assert operation.page is not None, "chosen for its page"  # noqa: S101
    called, returned = (operation.started, operation.called), (operation.ended, operation.returned)
    return Step(called, returned, sees=operation.page.shown.get(key, ABSENT))


def _judge(
    key: str, writes: Sequence[Step], looks: Sequence[_Look], initially: Version
) -> list[Finding]:
    """The looks at a key that can't be explained, in their order, each without those before it."""
    found: list[Finding] = []
    good = list(looks)
    try:
        if not _fits(writes, [], initially):
            return [Finding(Breach.CONDITION, key)]
        while not _fits(writes, good, initially) and len(found) < MOST_PER_KEY:
            at = _first_that_does_not(writes, good, initially)
            found.append(_finding(key, writes, good[:at], good[at], initially))
            del good[at]
    except TooManyPositionsError:
        found.append(Finding(Breach.UNDECIDED, key))
    return found


def _fits(writes: Sequence[Step], looks: Sequence[_Look], initially: Version) -> bool:
    return explainable([*writes, *(look.step for look in looks)], initially)


def _first_that_does_not(writes: Sequence[Step], looks: Sequence[_Look], initially: Version) -> int:
    """The first look that what was seen before it contradicts."""
    low, high = 0, len(looks) - 1
    while low < high:
        middle = (low + high) // 2
        if _fits(writes, looks[: middle + 1], initially):
            low = middle + 1
        else:
            high = middle
    return low


def _finding(
    key: str, writes: Sequence[Step], before: Sequence[_Look], look: _Look, initially: Version
) -> Finding:
    seen, operation = look.step.sees or ABSENT, look.operation
    if operation is not None:
        if operation.found is not None:
            return Finding(Breach.REFUSED_WRONGLY, key, str(operation), operation)
        if operation.action is not Action.LIST:
            return Finding(Breach.WRONG_BYTES, key, f"it saw {seen}: {operation}", operation)
        breach = Breach.HIDDEN if seen == ABSENT else Breach.SHOWN
        return Finding(breach, key, str(operation), operation)
    if not writes and initially == ABSENT:
        return Finding(Breach.UNEXPECTED, key)
    could_be_gone = _fits(
        writes, [*before, _Look(Step(NEVER, NEVER, sees=ABSENT), None)], initially
    )
    could_be_there = _fits(writes, [*before, _Look(Step(NEVER, NEVER, sees=SOME), None)], initially)
    resurrected = could_be_gone and not could_be_there
    return Finding(Breach.RESURRECTED if resurrected else Breach.LOST, key, f"it holds {seen}")
