"""Whether this machine can serve reads and writes now, and what was looked at to say so.

The external store's absence alone is no reason to be unwell: that is what nobreak is for.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from nobreak.core.routing import Held, Link, Operation, Step, route
from nobreak.engine.context import Context
from nobreak.engine.leader import Leadership
from nobreak.errors import NobreakError, OutOfSpaceError
from nobreak.stores.interfaces import Notice, Tally
from nobreak.stores.local.spool import INLINE_MAX
from nobreak.words import Mode

FRESH = 1.0
"""A look at the disk serves all who ask within this (seconds): the question may come often."""
DISK_WITHIN = 2.0
"""A disk that needs longer to take a small file is as good as broken (seconds)."""


@dataclass(frozen=True, slots=True)
class Health:
    """See the module. `disk_free` in bytes; `disk_room`: beyond what is to stay free."""

    mode: Mode
    reads: bool
    writes: bool
    external_reachable: bool
    disk_free: int
    disk_room: bool
    journal_writable: bool
    entries: int
    parked: int
    monitor_running: bool

    @property
    def serves(self) -> bool:
        """Whether reads and writes are served, wherever from."""
        return self.reads and self.writes


@dataclass(frozen=True, slots=True)
class _Disk:
    room: bool
    writable: bool


class HealthCheck:
    """Looks at the parts of one engine."""

    def __init__(self, context: Context, leadership: Leadership) -> None:
        self._context = context
        self._leadership = leadership
        self._seen_at = float("-inf")
        self._seen: _Disk | None = None
        self._looking = asyncio.Lock()

    async def look(self) -> Health:
        """The state of this machine. Takes microseconds, or one small write to the disk."""
        context = self._context
        disk = await self._disk()
        try:
            notice, tally = context.board.read(), context.journal.tally()
            link, reads = context.link.state(), context.room.journal_readable
        except NobreakError:
            notice, tally, reads = Notice(), Tally(), False
            link = Link.CLOSED
        held = Held.DOUBT if notice.crashed else Held.NOTHING
        step = route(Operation.PUT, link, held, context.writes.policy)
        return Health(
            mode=notice.mode,
            reads=reads,
            writes=reads and (step is Step.TRY_EXTERNAL or disk.writable),
            external_reachable=notice.trusted,
            disk_free=context.bodies.free_bytes(),
            disk_room=disk.room,
            journal_writable=reads and disk.writable,
            entries=tally.entries,
            parked=tally.parked,
            monitor_running=self._monitored(),
        )

    def _monitored(self) -> bool:
        try:
            return self._leadership.is_held()
        except OSError:  # the data directory can't be looked at
            return False

    async def _disk(self) -> _Disk:
        clock = asyncio.get_running_loop().time
        async with self._looking:
            if self._seen is None or clock() - self._seen_at > FRESH:
                self._seen, self._seen_at = await self._try_disk(), clock()
            return self._seen

    async def _try_disk(self) -> _Disk:
        """Write what a large body would, and begin a transaction."""
        try:
            async with asyncio.timeout(DISK_WITHIN):
                async with aclosing(self._context.bodies.spool(None)) as spool:
                    await spool.write(bytes(INLINE_MAX + 1))
                    if spool.path is None:  # it stays in memory where there can be no file
                        full = isinstance(spool.trouble, OutOfSpaceError)
                        return _Disk(room=not full, writable=False)
                await self._context.board.update(lambda notice: (notice, None))
        except OutOfSpaceError:
            return _Disk(room=False, writable=False)
        except (NobreakError, TimeoutError):
            return _Disk(room=True, writable=False)
        return _Disk(room=True, writable=True)
