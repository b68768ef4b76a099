"""The room that is left, shared out among all bodies that are on their way in at the same time.

A body that has begun may end: what was promised to it is nobody else's. Of the same promise the
limit of the local store counts all, the disk only what is not written yet. Each process counts
its own; what the others have acknowledged shows in the journal.
"""

from collections.abc import Callable

from nobreak.stores.local.disk import Disk
from nobreak.stores.local.spool import Spool


class Room:
    """See the module. `used` tells how many bytes the local store holds already."""

    def __init__(self, disk: Disk, used: Callable[[], int]) -> None:
        self._disk = disk
        self._used = used
        self._promised: dict[Spool, int] = {}

    def ask(self, spool: Spool, more: int) -> None:
        """Promise `more` bytes, beyond what it has written. Raises `OutOfSpaceError`."""
        self._promised = {each: n for each, n in self._promised.items() if each.holds_room}
        others = [(each, n) for each, n in self._promised.items() if each is not spool]
        used = self._used() if self._disk.max_bytes else 0  # without a limit nobody asks
        self._disk.check_room(
            more,
            used=used + spool.written + sum(promised for _, promised in others),
            unwritten=sum(promised - each.written for each, promised in others),
        )
        self._promised[spool] = spool.written + more
