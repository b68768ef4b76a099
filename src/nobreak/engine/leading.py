"""What only one process of a machine does: monitor, drain, tidy up (I6)."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from nobreak.engine.announcing import Announcer
from nobreak.engine.buckets import BucketReader
from nobreak.engine.context import Context
from nobreak.engine.drain import Drain
from nobreak.engine.indexing import Indexer
from nobreak.engine.leader import Leadership
from nobreak.engine.live import LiveSettings
from nobreak.engine.monitor import Monitor
from nobreak.engine.probing import build_probe
from nobreak.engine.returning import Returning
from nobreak.engine.title import Title
from nobreak.engine.upload_care import UploadCare
from nobreak.errors import NobreakError
from nobreak.reporting.events import EventKind, FieldValue, Reporter
from nobreak.stores.external.base import ExternalStore
from nobreak.stores.interfaces import Notice

SWEEP_EVERY = 3600.0
"""How often files that a crash left behind are looked for (seconds)."""
AFTER_TROUBLE = 1.0
"""What a part that failed waits before it starts again (seconds)."""
TITLE_EVERY = 0.5


class Leading:
    """Wait for the lead, and do its work until cancelled.

    `canary`: a driver with connections of its own, for the deep probe.
    """

    def __init__(
        self, context: Context, live: LiveSettings, leadership: Leadership, canary: ExternalStore
    ) -> None:
        self._context = context
        self._live = live
        self._leadership = leadership
        self._canary = canary
        self._title = Title()
        self.leads = False
        """Whether this process has the lead."""

    async def run(self) -> None:
        """Lead whenever nobody else does. What fails is reported and begun again."""
        while True:
            async with self._leadership.held():
                self.leads = True
                try:
                    await self._lead()
                finally:
                    self.leads = False
            await asyncio.sleep(AFTER_TROUBLE)

    def as_reporter(self) -> Reporter:
        """A reporter that speaks only while this process leads: what all see, one says."""
        return _Spokesman(self)

    def tell(self, kind: EventKind, fields: Mapping[str, FieldValue]) -> None:
        """Report on behalf of all processes, if it is ours to do so."""
        if self.leads:
            self._context.reporter.emit(kind, **fields)

    async def _lead(self) -> None:
        announcer = Announcer(self._context.reporter, self._live.rules, self._live.timeout)
        monitor = Monitor(
            self._context.board,
            announcer,
            self._live.rules,
            lambda doubt: build_probe(self._live.current, self._canary, doubt=doubt),
            self._context.link.checks_wanted,
            self._context.now,
            asyncio.get_running_loop().time,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.kept_up("monitor", monitor.run))
                tasks.create_task(
                    self.kept_up("drain", Drain(self._context, self._live.drain_rate).run)
                )
                tasks.create_task(self.kept_up("buckets", BucketReader(self._context).run))
                tasks.create_task(self.kept_up("index", Indexer(self._context).run))
                tasks.create_task(self.kept_up("returning", Returning(self._context).run))
                tasks.create_task(self.kept_up("sweep", self._sweep))
                tasks.create_task(self.kept_up("uploads", UploadCare(self._context).run))
                tasks.create_task(self.kept_up("title", self._show_title))
        finally:
            self._title.restore()
            announcer.stop()
            await self._note_leader(0)

    async def kept_up(self, where: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run a part; when it fails say so, and run it again.

        One that fails while it is being cancelled has ended: a bad disk must not keep us running.
        """
        while True:
            try:
                await work()
            except asyncio.CancelledError as error:
                if _is_being_cancelled():
                    raise
                self._report(where, error)  # it came from within: nobody cancelled this part
            except Exception as error:
                self._report(where, error)
                if _is_being_cancelled():
                    raise asyncio.CancelledError from error
            await asyncio.sleep(AFTER_TROUBLE)

    def _report(self, where: str, error: BaseException) -> None:
        reason = str(error) if isinstance(error, NobreakError) else repr(error)
        self._context.reporter.emit(EventKind.UNEXPECTED_ERROR, where=where, reason=reason)

    async def _sweep(self) -> None:
        while True:
            await self._context.bodies.sweep()
            await self._context.cache.sweep()
            await asyncio.sleep(SWEEP_EVERY)

    async def _show_title(self) -> None:
        await self._note_leader(os.getpid())
        while True:
            self._title.monitoring(self._context.link.mode)
            await asyncio.sleep(TITLE_EVERY)

    async def _note_leader(self, pid: int) -> None:
        def decide(notice: Notice) -> tuple[Notice, None]:
            return replace(notice, leader=pid), None

        await self._context.board.update(decide)


class _Spokesman:
    """See `Leading.as_reporter`."""

    def __init__(self, leading: Leading) -> None:
        self._leading = leading

    def emit(self, kind: EventKind, /, **fields: FieldValue) -> None:
        self._leading.tell(kind, fields)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or bool(task.cancelling())
