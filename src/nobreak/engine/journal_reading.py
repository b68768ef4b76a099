"""Objects that the journal holds: read from here, and given other attributes while they wait."""

from collections.abc import Callable
from functools import partial

from nobreak.engine.context import Context
from nobreak.engine.reading import LocalReading
from nobreak.engine.writing import journalled
from nobreak.errors import (
    CorruptBodyError,
    NotFoundError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from nobreak.reporting.events import EventKind
from nobreak.words import (
    Attributes,
    ByteRange,
    Entry,
    EntryKind,
    ObjectName,
    RangeRequest,
    Segment,
)


async def read_here(
    context: Context, name: ObjectName, range_: RangeRequest | None
) -> LocalReading | None:
    """Read from the journal; None when the entry left it meanwhile.

    Raises `RangeNotSatisfiableError`, `CorruptBodyError`.
    """
    newest = context.journal.newest(name)
    kept = context.journal.body(newest) if newest else None
    if newest is None or newest.fingerprint is None or kept is None:
        return None
    size = newest.fingerprint.size
    part = ByteRange(0, size) if range_ is None else range_.resolve(size)
    if part is None:
        raise RangeNotSatisfiableError(name, size)
    tell = partial(_report_corrupt, context, newest)
    try:
        reader = await context.bodies.open_kept(kept, newest.fingerprint)
    except CorruptBodyError as error:
        if context.journal.get(newest.seq) is None:
            return None
        tell(error)
        raise
    return LocalReading(journalled(newest), reader, part, tell)


def segments_here(context: Context, name: ObjectName) -> tuple[Segment, ...]:
    """The parts that a journalled object came in; none for one that came whole."""
    newest = context.journal.newest(name)
    kept = context.journal.body(newest) if newest else None
    return tuple(each.segment for each in kept.segments) if kept else ()


async def reattribute_here(
    context: Context, name: ObjectName, change: Callable[[Attributes], Attributes]
) -> None:
    """Change the attributes of a journalled object; durable when this returns.

    Raises `NotFoundError`, and `UnavailableError` when it left the journal just now.
    """
    while (newest := context.journal.newest(name)) is not None:
        if newest.kind is EntryKind.DELETE:
            raise NotFoundError(name)
        changed = change(newest.attributes)
        if await context.journal.reattribute(newest, changed) is not None:
            return
    raise UnavailableError(f"{name} was just given to the external store")


def _report_corrupt(context: Context, entry: Entry, error: CorruptBodyError) -> None:
    context.reporter.emit(
        EventKind.BODY_CORRUPT, name=str(entry.name), reason=str(error), seq=entry.seq
    )
