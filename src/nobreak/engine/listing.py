"""Lists never lie (I2): the external list, with journalled puts in and journalled deletes out.

The journal is read first. An entry that is drained between the two looks is then in both, and
shown once; in the other order it would be in neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nobreak.engine.attempt import read_within
from nobreak.engine.context import Context
from nobreak.engine.reading import as_known
from nobreak.engine.writing import journalled
from nobreak.stores.external.base import Listing
from nobreak.words import Entry, EntryKind, ObjectInfo


@dataclass(frozen=True, slots=True)
class Overlay:
    """A page of the journal: the newest entry of each key, in byte order."""

    entries: Sequence[Entry]
    truncated: bool


async def list_page(
    context: Context, bucket: str, prefix: str, start_after: str, limit: int, *, catalog: bool
) -> Listing:
    """One merged page; it may hold fewer than `limit` objects and still be truncated.

    `catalog`: the catalog holds all objects and is asked instead of the external store.

    Deletes that hide all of a page make it look at the next, so a truncated page is never empty.
    Raises `OutageError`.
    """
    while True:
        entries = context.journal.page(bucket, prefix, start_after, limit)
        overlay = Overlay(entries, truncated=len(entries) == limit)
        look = _catalog_page if catalog else _external_page
        below = await look(context, bucket, prefix, start_after, limit)
        merged, reached = merge(below, overlay, limit)
        if merged.objects or not merged.truncated:
            return merged
        start_after = reached


async def _catalog_page(
    context: Context, bucket: str, prefix: str, start_after: str, limit: int
) -> Listing:
    rows = context.catalog.page(bucket, prefix, start_after, limit)
    return Listing(tuple(info for info, _receipt in rows), truncated=len(rows) == limit)


async def _external_page(
    context: Context, bucket: str, prefix: str, start_after: str, limit: int
) -> Listing:
    external, catalog = context.external, context.catalog
    listing = await read_within(
        external.list(bucket, prefix=prefix, start_after=start_after, limit=limit),
        context.writes.divert_after,
    )
    context.link.answered()
    objects = tuple(
        as_known(info, catalog.get(info.name), external.traits) for info in listing.objects
    )
    return Listing(objects, listing.truncated)


def merge(below: Listing, overlay: Overlay, limit: int) -> tuple[Listing, str]:
    """Lay a page of the journal over a page of the external list.

    Beyond the last key of a truncated page nothing is known, so the result ends there. Returns
    the merged page and the key up to which it speaks. Pure.
    """
    ends = [
        page[-1].name.key.encode()
        for page, truncated in (
            (below.objects, below.truncated),
            (overlay.entries, overlay.truncated),
        )
        if truncated and page
    ]
    horizon = min(ends) if ends else None
    found: dict[bytes, ObjectInfo | None] = {i.name.key.encode(): i for i in below.objects}
    for entry in overlay.entries:
        shown = journalled(entry) if entry.kind is EntryKind.PUT else None
        found[entry.name.key.encode()] = shown
    keys = sorted(key for key in found if horizon is None or key <= horizon)
    shown_keys = [key for key in keys if found[key] is not None]
    cut = shown_keys[:limit]
    objects = tuple(info for key in cut if (info := found[key]) is not None)
    truncated = horizon is not None or len(shown_keys) > limit
    reached = cut[-1] if len(shown_keys) > limit else (horizon or b"")
    return Listing(objects, truncated), reached.decode()
