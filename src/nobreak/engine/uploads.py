"""Multipart uploads that survive an outage: begun before, continued during, completed after.

Every part is kept here until the upload ends, and sent to a twin of it on the external store at the
same time, while that can be had (`twins`). How an upload becomes an object stands in `completing`.
"""

import asyncio
import secrets
from collections.abc import Sequence

from nobreak.core.routing import Outcome
from nobreak.engine.completing import Completing, Way
from nobreak.engine.conditional import Head
from nobreak.engine.context import Context
from nobreak.engine.names import checked
from nobreak.engine.outside import Source, fill
from nobreak.engine.twins import Checksums, Twins
from nobreak.engine.upload_lists import under_way
from nobreak.engine.writing import Writing
from nobreak.errors import NobreakError, OutOfSpaceError
from nobreak.stores.external.s3_xml import ListedUpload
from nobreak.stores.local.spool import Spool
from nobreak.stores.uploads import Upload, UploadedPart
from nobreak.words import Attributes, ObjectInfo, ObjectName, Precondition, Segment


class Uploads:
    """The uploads of one engine. Raises what `Store` raises, and `NoUploadError`."""

    def __init__(self, context: Context, writing: Writing, way: Way, look: Head) -> None:
        self._context = context
        self._twins = Twins(context)
        self._completing = Completing(context, writing, self._twins, way, look)

    async def begin(self, name: ObjectName, attributes: Attributes) -> Upload:
        """Begin an upload; `attributes` are those of the object that it is to become."""
        checked(name)
        context = self._context
        twin = await self._twins.begin(name, attributes)
        upload = Upload(secrets.token_hex(24), name, attributes, context.now(), twin)
        await context.uploads.begin(upload)
        return upload

    def get(self, upload_id: str) -> Upload | None:
        """An upload of ours, also one that was completed or aborted lately."""
        return self._context.uploads.get(upload_id)

    def parts(self, upload: Upload, *, after: int = 0, limit: int = 10_000) -> list[UploadedPart]:
        """Its parts with a number above `after`, in order."""
        return self._context.uploads.parts(upload.id, after=after, limit=limit)

    async def put_part(
        self,
        upload: Upload,
        number: int,
        source: Source,
        *,
        size: int | None,
        checksums: Checksums,
        known: bool,
    ) -> UploadedPart:
        """Take in a part; it is safe when this returns (I1).

        `known`: its checksums are known before its body has ended, so that it can be sent along.
        """
        spool = self._context.bodies.spool(len(source) if isinstance(source, bytes) else size)
        try:
            return await self._put_part(upload, number, spool, source, checksums, known=known)
        except OutOfSpaceError as error:
            self._context.room.refused(error)
            raise
        finally:
            await spool.aclose()

    async def complete(
        self,
        upload: Upload,
        parts: Sequence[UploadedPart],
        request: str,
        attributes: Attributes,
        precondition: Precondition | None = None,
    ) -> ObjectInfo:
        """Make an object of these parts; it is safe when this returns (I1).

        `request` identifies what the client asked for, should it ask again. With a `precondition`
        raises as `Store.put`.
        """
        info = await self._completing.complete(upload, parts, request, attributes, precondition)
        self._twins.forget(upload)
        return info

    async def abort(self, upload: Upload) -> None:
        """Forget an upload. Its twin is aborted, now or after the outage."""
        context = self._context
        files = await context.uploads.abort(upload.id, context.now())
        self._twins.forget(upload)
        await context.bodies.remove(files)

    async def under_way(self, bucket: str, prefix: str) -> list[ListedUpload]:
        """All uploads under way, also those that were begun on the external store without us.

        Raises `UnavailableError` while it is away, and may have some (I2).
        """
        return await under_way(self._context, bucket, prefix)

    async def _put_part(
        self,
        upload: Upload,
        number: int,
        spool: Spool,
        source: Source,
        checksums: Checksums,
        *,
        known: bool,
    ) -> UploadedPart:
        context, twins = self._context, self._twins
        sending = twins.send_along(upload, number, spool, checksums, known=known)
        try:
            found = await fill(spool, source, None)
        except BaseException as error:
            spool.fail(error)
            if sending is not None:
                await twins.take_back(upload, number, sending)
            raise
        outcome = Outcome.FAILED if sending is None else await twins.part_outcome(upload, sending)
        sent = sending.result.etag if sending and outcome is Outcome.DONE else ""
        kept = await context.bodies.keep(spool, family=upload.id)
        segment = Segment(found.size, found.md5, checksums())
        part = UploadedPart(number, segment, kept.file or "", context.now(), sent)
        try:
            files = await asyncio.shield(context.uploads.keep(upload.id, part))
        except NobreakError:
            await context.bodies.remove(kept.files)
            raise
        context.room.stored()
        await context.bodies.remove(files)
        if sending is not None and outcome is Outcome.SLOW:
            twins.follow(upload, part, sending, spool)
        return part
