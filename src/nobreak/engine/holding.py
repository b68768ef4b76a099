"""What the journal holds for a key, in the words of the routing table; and to hold a key for a write."""

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

    What another process took into the journal before we had the key, it has committed by now; so
    the look at the journal that counts is the one after it (I4). `fenced`: see `Doubts.direct`.
    """
    hold = context.doubts.direct(name, fenced=fenced)
    if hold is None:
        return None
    try:
        context.journal.look_anew()
        if held_of(context, name) is Held.NOTHING and not context.board.read().crashed:
            return hold
    except BaseException:
        hold.release()
        raise
    hold.release()
    return None


def holds_bucket_back(context: Context, bucket: str) -> bool:
    """Whether the bucket has yet to be made or deleted there: only the journal can speak of it."""
    entry = context.journal.newest(ObjectName(bucket, ""))
    return entry is not None and entry.state is EntryState.PENDING
