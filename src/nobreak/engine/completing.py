"""The completion of an upload: by its twin if that has all parts, else here.

Here the parts become the body of a journal entry as they are, and no byte is copied.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from nobreak.core.routing import Operation
from nobreak.engine.conditional import Head, condition_here
from nobreak.engine.context import Context
from nobreak.engine.doubts import Hold
from nobreak.engine.twins import Twins, is_lost
from nobreak.engine.writing import Writing
from nobreak.errors import RefusedError
from nobreak.stores.interfaces import Completion, Draft, KeptBody, KeptSegment
from nobreak.stores.uploads import Upload, UploadedPart
from nobreak.words import (
    Attributes,
    EntryKind,
    Fingerprint,
    Mode,
    ObjectInfo,
    ObjectName,
    Precondition,
)

CHECKSUM_PREFIX = "x-amz-checksum-"

Way = Callable[
    [Operation, ObjectName, Precondition | None, int | None],
    Awaitable[Hold],
]
"""Holds a key for a write: where it goes, and what it depends on if that is the journal."""


class Completing:
    """See the module. Raises what `Store.put` raises, and `NoUploadError`."""

    def __init__(
        self, context: Context, writing: Writing, twins: Twins, way: Way, look: Head
    ) -> None:
        self._context = context
        self._writing = writing
        self._twins = twins
        self._way = way
        self._look = look

    async def complete(
        self,
        upload: Upload,
        parts: Sequence[UploadedPart],
        request: str,
        attributes: Attributes,
        precondition: Precondition | None,
    ) -> ObjectInfo:
        """Make an object of these parts: see `Uploads.complete`."""
        context = self._context
        draft, completion = _planned(upload, parts, request, attributes, context.now())
        with await self._way(Operation.PUT, upload.name, precondition, None) as hold:
            direct = hold.direct
            info = await self._by_twin(upload, parts, draft, precondition) if direct else None
            if info is None and direct and precondition is not None:
                look = condition_here(context, upload.name, precondition, self._look)
                hold.condition = await look
            if info is None:
                info = await self._writing.put_kept(draft, hold)
        await self._end(completion, info)
        context.room.stored()
        return info

    async def _by_twin(
        self,
        upload: Upload,
        parts: Sequence[UploadedPart],
        draft: Draft,
        precondition: Precondition | None,
    ) -> ObjectInfo | None:
        """Complete the twin, if it has all parts; None: it can't be, or is lost."""
        work = self._twins.completion(upload, parts, draft, precondition)
        if work is None:
            return None
        try:
            return await self._writing.put_assembled(draft, work, precondition)
        except RefusedError as error:
            if not is_lost(error):
                raise
            return None

    async def _end(self, completion: Completion, info: ObjectInfo) -> None:
        """Forget the parts, unless the commit of an entry has done so already."""
        context = self._context
        upload = context.uploads.get(completion.upload_id)
        if upload is None or upload.completion is not None:
            return
        overtaken = info.mode is Mode.LOCAL  # by another write: then its twin is still open
        due = completion.at + context.writes.settle if overtaken else None
        ended = replace(completion, etag=info.etag)
        await context.bodies.release(await context.uploads.finish(ended, abandon=due))


def _planned(
    upload: Upload,
    parts: Sequence[UploadedPart],
    request: str,
    attributes: Attributes,
    now: float,
) -> tuple[Draft, Completion]:
    """The write that an upload becomes, and the end that this is for it."""
    body = KeptBody(segments=tuple(KeptSegment(each.file, each.segment) for each in parts))
    fingerprint = Fingerprint.of_segments(tuple(each.segment for each in parts))
    checksums = {n: v for n, v in attributes.s3.items() if n.startswith(CHECKSUM_PREFIX)}
    completion = Completion(upload.id, request, fingerprint.etag, now, checksums)
    draft = Draft(upload.name, EntryKind.PUT, attributes, fingerprint, body, completes=completion)
    return draft, completion


def request_digest(parts: Sequence[tuple[int, str]]) -> str:
    """What identifies a Complete: the numbers and ETags that it names."""
    return hashlib.sha256(repr(list(parts)).encode()).hexdigest()
