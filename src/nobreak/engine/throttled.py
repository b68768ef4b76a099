"""Events that come by the thousand are said once, then summed up."""

import asyncio

from nobreak.errors import OutOfSpaceError
from nobreak.reporting.events import EventKind, Reporter
from nobreak.stores.local.disk import Disk
from nobreak.words import ObjectName

QUIET = 10.0
"""After one diverted write was named, the next ones are only counted for this long (seconds)."""


class DivertNews:
    """Diverted writes: the first by its name, then how many more there were."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._said_at: float | None = None
        self._unsaid = 0

    def diverted(self, name: ObjectName, reason: str) -> None:
        """A write was finished here."""
        now = asyncio.get_running_loop().time()
        if self._said_at is not None and now - self._said_at < QUIET:
            self._unsaid += 1
            return
        if self._unsaid:
            seconds = now - (self._said_at or now)
            self._reporter.emit(EventKind.WRITES_DIVERTED, count=self._unsaid, seconds=seconds)
        self._said_at, self._unsaid = now, 0
        self._reporter.emit(EventKind.WRITE_DIVERTED, name=str(name), reason=reason)


class DiskNews:
    """A full disk: said when it begins and when it ends (I7); a damaged journal: said once."""

    def __init__(self, reporter: Reporter, disk: Disk) -> None:
        self._reporter = reporter
        self._disk = disk
        self.full = False
        self.journal_readable = True

    def journal_damaged(self, reason: str, readable: bool) -> None:  # noqa: FBT001 - an `OnTrouble`
        """The journal needs a person. From any thread."""
        self.journal_readable = readable
        self._reporter.emit(EventKind.JOURNAL_CORRUPT, reason=reason)

    def refused(self, error: OutOfSpaceError) -> None:
        """A write found no room."""
        if not self.full:
            self.full = True
            free = self._disk.free_bytes_or_zero()
            self._reporter.emit(EventKind.DISK_FULL, reason=str(error), free=free)

    def stored(self) -> None:
        """A write found room."""
        if self.full:
            self.full = False
            self._reporter.emit(EventKind.DISK_OK, free=self._disk.free_bytes_or_zero())
