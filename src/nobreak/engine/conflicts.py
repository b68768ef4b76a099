"""Conflicts: somebody else changed an object on the external store while a write of it waited here.

The drain looks before it sends: an object whose ETag is neither the one that the catalog last saw nor
that of the bytes that wait here was changed by somebody else. `NOBREAK_ON_CONFLICT` decides whose
version stays, and it is always said (I7). Where nothing is known of the object, nothing can differ.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC

from nobreak.engine.context import Context
from nobreak.engine.names import MAX_KEY_BYTES
from nobreak.engine.ours import GONE, wanted
from nobreak.engine.pacing import Pacing
from nobreak.engine.shown import Shown
from nobreak.engine.steady import loop_time
from nobreak.errors import (
    LocalStoreError,
    NotFoundError,
    OutageError,
    OutageKind,
    UnsupportedError,
)
from nobreak.reporting.events import EventKind
from nobreak.words import Entry, EntryKind, ObjectInfo, ObjectName, OnConflict, Receipt

COUNTS_FOR = 1.0
"""For how long a look at many counts (seconds): somebody else may write at any time."""
LOOK_WITHIN = 1.0
"""What a look at many may take (seconds)."""
LOOK_EVERY, TOLD_WITHIN = 0.05, 0.2
"""How often to look whether another process is done with a key; when its catalog row is there then (seconds)."""
Known = tuple[ObjectInfo, Receipt]


class Conflicts:
    """See the module."""

    def __init__(self, context: Context, pacing: Pacing) -> None:
        self._context = context
        self._pacing = pacing
        self._unchanged: dict[ObjectName, tuple[str, float]] = {}
        """Objects that a list showed with this ETag, and until when that counts (loop's time)."""
        self._shown = Shown(context)

    async def look_ahead(self, entries: Sequence[Entry]) -> None:
        """Look at many at once that will be sent in a moment: what is unchanged needs no look then.

        Nobody waits long for it, and it never fails: then each is looked at by itself.
        """
        if not self._shown.possible:
            return
        now = loop_time()
        self._unchanged = {name: it for name, it in self._unchanged.items() if it[1] > now}
        try:
            expected = self._last_seen(entries)
        except LocalStoreError:
            self._shown.pause()
            return
        for name in await self._shown.of(expected, LOOK_WITHIN) if expected else ():
            (etag,) = expected[name][1]
            self._unchanged[name] = etag, now + COUNTS_FOR

    def _last_seen(self, entries: Sequence[Entry]) -> dict[ObjectName, tuple[int, frozenset[str]]]:
        """Size and ETag of the objects that are known. Raises `LocalStoreError`."""
        known = [(entry.name, self._context.catalog.get(entry.name)) for entry in entries]
        return {
            name: (found[0].size, frozenset({found[1].etag}))
            for name, found in known
            if found is not None and found[1].etag
        }

    async def theirs_stays(self, entry: Entry, known: Known | None) -> bool:
        """Look before an entry is sent; True: it is not to be sent, their version stays.

        With `keep-both` their version has been copied when this returns. Raises what the external
        store's methods raise, and `UnsupportedError` when the copy can't have a name.
        """
        if known is None or not known[1].etag or self._context.external.traits.chooses_names:
            return False
        if entry.doubtful and entry.receipt.etag:
            return False  # it was there already, and an older request of our own has landed on it
        if self._is_unchanged(entry.name, known[1]):
            return False
        changed, found = await self._changed(entry, known)
        if not changed:
            return False
        match self._choice(entry):
            case OnConflict.OURS:
                self._tell(EventKind.CONFLICT_OURS, entry)
            case OnConflict.THEIRS:
                await self._remember(entry.name, found)
                self._tell(EventKind.CONFLICT_THEIRS, entry)
                return True
            case OnConflict.KEEP_BOTH if found is None:
                self._tell(EventKind.CONFLICT_DELETED, entry)
            case OnConflict.KEEP_BOTH:
                copy = await self._copy(found)
                self._tell(EventKind.CONFLICT_KEPT_BOTH, entry, copy=str(copy))
        return False

    async def _changed(self, entry: Entry, known: Known) -> tuple[bool, ObjectInfo | None]:
        """Whether somebody else changed the object, and what it is; None: it is gone."""
        found = await self._found(entry.name, known[1])
        if not self._is_theirs(entry, known, found):
            return False, found
        await self._until_told(entry.name)
        told = self._context.catalog.get(entry.name)
        known = told or known
        found = await self._found(entry.name, known[1])
        if told is None and found is None:
            return False, None  # it was told of a DELETE of ours
        return self._is_theirs(entry, known, found), found

    def _is_theirs(self, entry: Entry, known: Known, found: ObjectInfo | None) -> bool:
        """Whether it is neither what we know, nor what a request of ours may have made of it."""
        etag = GONE if found is None else found.etag
        return _is_foreign(entry, known[1], found) and not self._context.ours.may_have_made(
            entry.name, etag
        )

    async def _until_told(self, name: ObjectName) -> None:
        """Another process of ours may have made it just now: until it has told the catalog."""
        doubts, until = self._context.doubts, loop_time() + self._context.writes.divert_after
        while doubts.others_send(name) and loop_time() < until:
            await asyncio.sleep(LOOK_EVERY)
        await asyncio.sleep(TOLD_WITHIN)

    def _is_unchanged(self, name: ObjectName, last_seen: Receipt) -> bool:
        """Whether a list has just shown the object as it was last seen. It is asked once."""
        etag, until = self._unchanged.pop(name, ("", 0.0))
        return etag == last_seen.etag and loop_time() < until

    def _choice(self, entry: Entry) -> OnConflict:
        """What a person chose. But in doubt no version is dropped (I1).

        What a process of ours that died had under way may look like theirs.
        """
        chosen = self._context.writes.on_conflict
        doubted = entry.doubtful and chosen is OnConflict.THEIRS
        return OnConflict.KEEP_BOTH if doubted else chosen

    async def _found(self, name: ObjectName, receipt: Receipt) -> ObjectInfo | None:
        try:
            return await self._context.external.head(name, receipt=receipt)
        except NotFoundError:
            return None

    async def _remember(self, name: ObjectName, found: ObjectInfo | None) -> None:
        """Their version is the object now; unless more of ours waits, which is judged as this was."""
        if self._context.journal.count(name) > 1:
            return
        if found is None:
            await self._context.catalog.remove(name)
        else:
            await self._context.catalog.put(found, Receipt(etag=found.etag))

    async def _copy(self, theirs: ObjectInfo) -> ObjectName:
        """Copy their version beside the object, and see that it is there."""
        context, target = self._context, copy_name(theirs)
        spool = context.bodies.spool(theirs.size)
        try:
            async with aclosing(await context.external.get(theirs.name, receipt=None)) as download:
                async for chunk in download.chunks():
                    await spool.write(chunk)
            fingerprint = await spool.finish()
            receipt = await context.external.put(
                target, self._pacing.paced(spool), replace(theirs.attributes, s3={})
            )
        finally:
            await spool.aclose()
        if not await context.external.holds(target, fingerprint, receipt):
            raise OutageError(OutageKind.BROKEN, f"{target} was not kept", in_doubt=False)
        info = replace(theirs, name=target, etag=receipt.etag or fingerprint.etag)
        await context.catalog.put(info, receipt)
        return target

    def _tell(self, kind: EventKind, entry: Entry, **fields: str) -> None:
        """Once for each entry, however often it has to be sent."""
        if not entry.attempts or kind is EventKind.CONFLICT_THEIRS:
            self._context.reporter.emit(kind, name=str(entry.name), seq=entry.seq, **fields)


def copy_name(theirs: ObjectInfo) -> ObjectName:
    """Where their version is kept: the same for the same version, however often it is tried.

    Raises `UnsupportedError` for a key that would be too long.
    """
    moment = theirs.modified.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    mark = hashlib.md5(theirs.etag.encode(), usedforsecurity=False).hexdigest()[:8]
    key = f"{theirs.name.key}.conflict-{moment}-{mark}"
    if len(key.encode()) > MAX_KEY_BYTES:
        raise UnsupportedError("changed by somebody else, and the key is too long for a copy")
    return ObjectName(theirs.name.bucket, key)


def _is_foreign(entry: Entry, last_seen: Receipt, found: ObjectInfo | None) -> bool:
    """Whether somebody else made what was found. An attempt of ours may have landed already."""
    if found is None:
        return entry.kind is EntryKind.PUT
    return found.etag not in {last_seen.etag, wanted(entry.fingerprint)}
