"""Conflicts: somebody else changed an object on the external store while a write of it waited here.

The drain looks before it sends: an object whose ETag is neither the one that the catalog last saw nor
that of the bytes that wait here was changed by somebody else. `NOBREAK_ON_CONFLICT` decides whose
version stays, and it is always said (I7). Where nothing is known of the object, nothing can differ.
"""

import hashlib
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC

from nobreak.engine.context import Context
from nobreak.engine.names import MAX_KEY_BYTES
from nobreak.engine.ours import GONE
from nobreak.engine.pacing import Pacing
from nobreak.errors import NotFoundError, OutageError, OutageKind, UnsupportedError
from nobreak.reporting.events import EventKind
from nobreak.words import Entry, EntryKind, ObjectInfo, ObjectName, OnConflict, Receipt

Known = tuple[ObjectInfo, Receipt]


class Conflicts:
    """See the module."""

    def __init__(self, context: Context, pacing: Pacing) -> None:
        self._context = context
        self._pacing = pacing

    async def theirs_stays(self, entry: Entry, known: Known | None) -> bool:
        """Look before an entry is sent; True: it is not to be sent, their version stays.

        With `keep-both` their version has been copied when this returns. Raises what the external
        store's methods raise, and `UnsupportedError` when the copy can't have a name.
        """
        if known is None or not known[1].etag or self._context.external.traits.chooses_names:
            return False
        if entry.doubtful and entry.receipt.etag:
            return False  # it was there already, and an older request of our own has landed on it
        found = await self._found(entry.name, known[1])
        etag = GONE if found is None else found.etag
        if not _is_foreign(entry, known[1], found) or self._context.ours.may_have_made(
            entry.name, etag
        ):
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
    ours = entry.fingerprint.etag if entry.fingerprint else ""
    return found.etag not in {last_seen.etag, ours}
