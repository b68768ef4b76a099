"""The data directory's disk: durable files, the room that is left, and threads that wait for it.

Waiting for a disk never happens on the event loop: `Disk.run` hands it to a thread.
"""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from nobreak.errors import LocalStoreError, NobreakError, OutOfSpaceError

T = TypeVar("T")

THREADS = 16
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Yielding(Protocol):
    """Whoever uses room on the disk that nobody has to have."""

    def reclaimable(self) -> int:
        """How many bytes it could give back."""

    def give_way(self, lack: int) -> None:
        """Give so many bytes back, soon: they are promised to somebody."""

    async def with_room(self, attempt: Callable[[], Awaitable[T]], wanted: int) -> T:
        """What `attempt` gives, which needs so many bytes.

        While it raises `OutOfSpaceError` and there is anything to give back, that is done, and it is
        made again.
        """


class Disk:
    """The disk under `folder`. Sizes in bytes; `max_bytes` 0 means no limit."""

    def __init__(self, folder: Path, *, min_free_bytes: int, max_bytes: int) -> None:
        self.folder = folder
        self.min_free_bytes = min_free_bytes
        self.max_bytes = max_bytes
        self.yielding: Yielding | None = None
        """Who gives room back when it is needed."""
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="nobreak-disk")

    async def run(self, work: Callable[[], T]) -> T:
        """Do blocking work in a thread. I/O errors come out in our words."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, work)
        except OSError as error:
            raise translated(error) from error

    async def run_for_room(self, work: Callable[[], T], wanted: int) -> T:
        """As `run`, for work that needs `wanted` bytes and may be done again: see `Yielding.with_room`."""
        if self.yielding is None:
            return await self.run(work)
        return await self.yielding.with_room(lambda: self.run(work), wanted)

    async def open(self, opener: Callable[[], int]) -> int:
        """The descriptor that `opener` gives; closed again when nobody waits for it any more."""
        opening = asyncio.ensure_future(self.run(opener))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise

    def free_bytes(self) -> int:
        """What the file system has left for us. Raises `LocalStoreError` when it doesn't tell."""
        try:
            state = os.statvfs(self.folder)
        except OSError as error:
            raise translated(error) from error
        return state.f_bavail * state.f_frsize

    def free_bytes_or_zero(self) -> int:
        """The same for reports, which must come when the data directory is gone: then 0."""
        try:
            return self.free_bytes()
        except NobreakError:
            return 0

    def check_room(self, wanted: int, used: int, unwritten: int = 0) -> None:
        """Raise `OutOfSpaceError` unless `wanted` more bytes may be stored beside `used` ones.

        `unwritten`: what others were promised and the disk doesn't hold yet. Raises
        `LocalStoreError` when the disk doesn't tell what it has left.
        """
        if self.max_bytes and used + wanted > self.max_bytes:
            raise OutOfSpaceError(
                f"the local store may hold {self.max_bytes} bytes (NOBREAK_LOCAL_MAX_BYTES) "
                f"and holds {used}: no room for {wanted} more"
            )
        free = self.free_bytes()
        lack = self.min_free_bytes - (free - unwritten - wanted)
        if lack <= 0:
            return
        if self.yielding is not None and self.yielding.reclaimable() >= lack:
            self.yielding.give_way(lack)
        else:
            raise OutOfSpaceError(
                f"the disk has {free - unwritten} bytes left, of which {self.min_free_bytes} are to stay "
                f"free (NOBREAK_MIN_FREE_BYTES): no room for {wanted} more"
            )

    def close(self) -> None:
        """Stop the threads, after their work is done."""
        self._threads.shutdown()


def _close_unwanted(opening: asyncio.Future[int]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())


def translated(error: OSError) -> NobreakError:
    """An I/O error of the data directory in our words."""
    if error.errno in FULL:
        return OutOfSpaceError("the disk under the data directory is full")
    return LocalStoreError(f"the data directory can't be used: {error}")
