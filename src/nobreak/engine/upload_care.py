"""Nothing stays open for good: twins on the external store are aborted, idle uploads expire.

What an outage or a crash left open there is on a list; it is worked off when the server is well.
"""

import asyncio

from nobreak.core.routing import Link
from nobreak.engine.attempt import read_within
from nobreak.engine.context import Context
from nobreak.errors import OutageError, RefusedError
from nobreak.reporting.events import EventKind
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.uploads import OpenUpload

LOOK_EVERY = 1.0
"""How often to look for uploads that are to be aborted (seconds)."""
AGE_EVERY = 60.0
"""How often to look for uploads that nobody goes on with (seconds); more often if they expire soon."""
AT_ONCE = 100
ABORT_WITHIN = 5.0
AFTER_FAILURE, AFTER_REFUSAL = 60.0, 3600.0
"""When an abort that failed, or was refused, is tried again (seconds)."""
REMEMBERED = 86_400.0
"""How long a completed upload is remembered: a client may ask again (seconds)."""


class UploadCare:
    """See the module. One process of a machine does it: the one that monitors."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Look after uploads until cancelled."""
        loop = asyncio.get_running_loop()
        aged_at: float | None = None
        while True:
            if aged_at is None or loop.time() - aged_at >= self._age_every:
                aged_at = loop.time()
                await self.expire()
            await self.abort_due()
            await asyncio.sleep(LOOK_EVERY)

    async def abort_due(self) -> None:
        """Abort what is open on the external store and nobody works on."""
        context = self._context
        external = context.external
        if not isinstance(external, S3Store) or context.link.state() is not Link.OPEN:
            return
        for upload in context.open_uploads.due(context.now(), AT_ONCE):
            try:
                await self._abort(external, upload)
            except OutageError as error:
                context.link.failed(upload.name, error)
                await context.open_uploads.postpone(upload.upload_id, context.now() + AFTER_FAILURE)
                return

    async def _abort(self, external: S3Store, upload: OpenUpload) -> None:
        context = self._context
        try:
            abort = external.uploads.abort(upload.name, upload.upload_id)
            await read_within(abort, ABORT_WITHIN)
        except RefusedError:
            later = context.now() + AFTER_REFUSAL
            await context.open_uploads.postpone(upload.upload_id, later)
        else:
            await context.open_uploads.closed(upload.upload_id)
        context.link.answered()

    async def expire(self) -> None:
        """Abort uploads that nobody goes on with, and say so; forget completed ones."""
        context, now = self._context, self._context.now()
        await context.uploads.forget_completed(now - REMEMBERED)
        idle_since = now - context.writes.upload_expires
        expires = context.writes.upload_expires > 0
        for upload in context.uploads.idle_since(idle_since, AT_ONCE) if expires else ():
            files = await context.uploads.expire(upload.id, idle_since, now)
            if files is not None:
                await context.bodies.remove(files)
                age = now - upload.begun_at
                context.reporter.emit(EventKind.UPLOAD_EXPIRED, name=str(upload.name), age=age)

    @property
    def _age_every(self) -> float:
        expires = self._context.writes.upload_expires
        return min(AGE_EVERY, expires / 4) if expires else AGE_EVERY
