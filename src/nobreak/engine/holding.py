"""What the journal holds for a key, in the words of the routing table; and to hold a key for a write."""

from collections.abc import Iterable
from contextlib import ExitStack

from nobreak.core.routing import Held
from nobreak.engine.buckets import Buckets
from nobreak.engine.context import Context
from nobreak.engine.doubts import Hold
from nobreak.words import EntryKind, EntryState, ObjectName


def held_of(context: Context, name: ObjectName) -> Held:
    """The newest thing that the journal holds for a key, or for its bucket.

    A name without a key stands for all objects of its bucket.
    """
    newest = context.journal.newest(name) if name.key else None
    if newest is not None:
        return Held.of(newest.kind)
    bucket = context.journal.newest(ObjectName(name.bucket, ""))
    if bucket is None or bucket.state is EntryState.SETTLING:
        return Held.NOTHING
    if bucket.state is EntryState.PARKED:
        return Held.DOUBT  # refused: the external store knows what is there
    gone = bucket.kind is EntryKind.DELETE
    return Held.NEW_BUCKET if gone or Buckets(context).is_new(name.bucket) else Held.BUCKET


def is_being_written(context: Context, name: ObjectName) -> bool:
    """Whether a write of this key waits in the journal, or could still land on it."""
    return context.journal.newest(name) is not None or name in context.doubts


def hold_directly(context: Context, name: ObjectName, *, fenced: bool = False) -> Hold | None:
    """Hold a key for a write that goes to the external store; None: it must go through the journal.

    `fenced`: see `Doubts.direct`.
    """
    hold = context.doubts.direct(name, fenced=fenced)
    if hold is None:
        return None
    free = False
    try:
        free = _nothing_waits(context, (name,))
    finally:
        if not free:
            hold.release()
    return hold if free else None


def hold_all_directly(context: Context, names: Iterable[ObjectName]) -> ExitStack | None:
    """The same for many keys at once: all of them, or none."""
    with ExitStack() as stack:
        for name in (names := tuple(dict.fromkeys(names))):
            hold = context.doubts.direct(name)
            if hold is None:
                return None
            stack.enter_context(hold)
        return stack.pop_all() if _nothing_waits(context, names) else None


def _nothing_waits(context: Context, names: Iterable[ObjectName]) -> bool:
    """Whether the journal has nothing of these keys, which we hold.

    What another process took into it before we had them, it has committed by now; so this is the look
    that counts (I4).
    """
    context.journal.look_anew()
    held = (held_of(context, name) for name in names)
    return all(each is Held.NOTHING for each in held) and not context.board.read().crashed


def holds_bucket_back(context: Context, bucket: str) -> bool:
    """Whether the bucket has yet to be made or deleted there: only the journal can speak of it."""
    entry = context.journal.newest(ObjectName(bucket, ""))
    return entry is not None and entry.state is EntryState.PENDING
