"""The bodies of journal entries: inline when small, else one durable file each.

`spool/` holds bodies on their way in, `blobs/ab/` those that entries need, under names that we
choose: a key never becomes a path. A file counts only once an entry names it; `sweep` removes
what a crash left behind.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from nobreak.errors import CorruptBodyError, NobreakError, OutOfSpaceError
from nobreak.stores.interfaces import KeptBody, KeptSegment
from nobreak.stores.local.disk import Disk
from nobreak.stores.local.folders import fsync_folder, make_folder
from nobreak.stores.local.kept import KeptBytes, KeptReader, SegmentedReader
from nobreak.stores.local.leases import Leases, family_of
from nobreak.stores.local.memory import Memory
from nobreak.stores.local.room import Room
from nobreak.stores.local.spool import INLINE_MAX, Spool
from nobreak.stores.local.verified import Verified
from nobreak.words import Fingerprint

ORPHAN_AGE = 3600.0
"""A file that no entry needs and that is older than this (seconds) was left by a crash."""
READING_LOCK = "reading.lock"


class BodyStore:
    """See the module. `used` tells how many bytes the local store holds already.

    `needed`: whether an entry, or an upload under way, needs a file.
    """

    def __init__(self, disk: Disk, used: Callable[[], int], needed: Callable[[str], bool]) -> None:
        self._disk = disk
        self._needed = needed
        self._room = Room(disk, used)
        self._memory = Memory()
        self._spool = disk.folder / "spool"
        self._blobs = disk.folder / "blobs"
        self._durable: set[str] = set()
        """The folders in it that are known to survive a power cut."""
        self._verified = Verified(disk)
        self._leases = Leases(disk.folder / READING_LOCK)

    async def open(self) -> None:
        """Make the folders. What is in `spool/` need not survive a power cut, nor need it itself."""

        def make_folders() -> None:
            make_folder(self._blobs)
            self._spool.mkdir(mode=0o700, exist_ok=True)
            there = {path.name for path in self._blobs.iterdir()}
            fsync_folder(self._blobs)
            self._durable |= there

        await self._disk.run(make_folders)

    def free_bytes(self) -> int:
        """What the file system has left for us; 0 when it doesn't tell."""
        return self._disk.free_bytes_or_zero()

    @property
    def min_free_bytes(self) -> int:
        """What is always left on the disk."""
        return self._disk.min_free_bytes

    def spool(self, announced: int | None) -> Spool:
        """Begin to take a body in."""
        in_memory = self._memory.share(announced)
        spool = Spool(self._disk, self._spool, announced, self._room.ask, in_memory)
        self._memory.lent(spool, in_memory)
        return spool

    async def keep(self, spool: Spool, *, family: str = "") -> KeptBody:
        """Make a finished body durable (I1): its bytes, its name, and the folders just made.

        `family`: it may become a segment of a body, and is a file even if it is small; what the
        files of that body, and of no other one, have in common. Raises `OutOfSpaceError`, and
        `LocalStoreError` when the disk fails.
        """
        self._room.ask(spool, spool.received - spool.written)
        if family or (spool.received > INLINE_MAX and spool.trouble is None):
            await spool.to_file()
        spool.mark_kept()
        if spool.path is None:
            if spool.received > INLINE_MAX:
                raise spool.trouble or OutOfSpaceError("the disk under the data directory is full")
            return KeptBody(inline=spool.memory)
        source, descriptor = spool.path, spool.descriptor
        name = f"{family}-{uuid.uuid4().hex}" if family else uuid.uuid4().hex
        assert descriptor is not None, "a spool file is open"  # noqa: S101

        def make_durable() -> None:
            os.fsync(descriptor)
            target = self.path(name)
            self._make_durable(target.parent)
            source.rename(target)
            fsync_folder(target.parent)

        await self._disk.run(make_durable)
        return KeptBody(file=name)

    def _make_durable(self, folder: Path) -> None:
        """Make one of the folders in `blobs/`. Whoever puts a file there has seen an fsync of its name."""
        if folder.name in self._durable and folder.is_dir():
            return
        if not self._blobs.is_dir():
            make_folder(self._blobs)
        folder.mkdir(mode=0o700, exist_ok=True)
        fsync_folder(self._blobs)
        self._durable.add(folder.name)

    async def open_kept(self, kept: KeptBody, fingerprint: Fingerprint) -> KeptBytes:
        """The bytes of an entry. Raises `CorruptBodyError` when they are gone or damaged.

        Until it is closed they stay, also if the entry leaves meanwhile.
        """
        if kept.segments:
            lease = await self._disk.open(lambda: self._lease(kept.segments))
            return SegmentedReader(
                kept.segments, self._open_segment, partial(self._end_lease, kept, lease)
            )
        if kept.inline is not None:
            if hashlib.md5(kept.inline, usedforsecurity=False).hexdigest() != fingerprint.md5:
                raise CorruptBodyError("the bytes in the journal are damaged")
            return KeptReader(self._disk, self._verified, fingerprint, inline=kept.inline)
        return await self._open_file(kept.file or "", fingerprint)

    async def _open_segment(self, kept: KeptSegment) -> KeptReader:
        """The bytes of one segment. Raises `CorruptBodyError`."""
        segment = kept.segment
        return await self._open_file(kept.file, Fingerprint(segment.size, segment.md5))

    async def _open_file(self, name: str, fingerprint: Fingerprint) -> KeptReader:
        path = self.path(name)

        def open_file() -> int:
            with _told_if_gone(path):
                descriptor = os.open(path, os.O_RDONLY)
            try:
                _check_size(path, os.fstat(descriptor).st_size, fingerprint.size)
            except CorruptBodyError:
                os.close(descriptor)
                raise
            return descriptor

        descriptor = await self._disk.open(open_file)
        return KeptReader(self._disk, self._verified, fingerprint, descriptor=descriptor)

    def _lease(self, segments: tuple[KeptSegment, ...]) -> int:
        """A lease of these files. Raises `CorruptBodyError` unless they are there, in their size."""
        try:
            lease = self._leases.take({family_of(each.file) for each in segments})
        except BlockingIOError as error:
            raise CorruptBodyError(f"{segments[0].file} is being removed") from error
        try:
            for kept in segments:
                path = self.path(kept.file)
                with _told_if_gone(path):
                    _check_size(path, path.stat().st_size, kept.segment.size)
        except BaseException:
            os.close(lease)
            raise
        return lease

    async def _end_lease(self, kept: KeptBody, lease: int) -> None:
        """What could not be removed while it was read is removed by its last reader.

        The entry has left before anybody tries to remove its files. So either the lease has ended
        by then, or we see here that it has left.
        """
        await self._disk.run(lambda: os.close(lease))
        with suppress(NobreakError):  # then the sweep finds them
            if not self._needed(kept.segments[0].file):
                await self.release(kept.files)

    async def remove(self, files: Iterable[str]) -> None:
        """Remove files that no entry ever needed: nobody can be reading them."""
        paths = [self.path(name) for name in files]
        if paths:
            await self._disk.run(partial(_unlink, paths))

    async def release(self, files: Iterable[str]) -> int:
        """Remove files of entries that have left, when nobody reads them; how many these were."""
        families: dict[str, list[Path]] = {}
        for name in files:
            families.setdefault(family_of(name), []).append(self.path(name))
        return await self._disk.run(partial(self._unlink_unread, families)) if families else 0

    def _unlink_unread(self, families: Mapping[str, list[Path]]) -> int:
        removed = 0
        for family, paths in families.items():
            with self._leases.ended(family) as unread:
                removed += _unlink(paths) if unread else 0
        return removed

    async def sweep(self, older_than: float = ORPHAN_AGE) -> int:
        """Remove files that nobody needs; how many these were. Walks slowly, in the background."""
        removed = 0
        for folder in await self._disk.run(self._folders):
            old = await self._disk.run(partial(old_files, folder, older_than))
            if folder == self._spool:
                removed += await self._disk.run(partial(_unlink, old))
            else:
                removed += await self.release(p.name for p in old if not self._needed(p.name))
        return removed

    def _folders(self) -> list[Path]:
        return [self._spool, *(path for path in self._blobs.iterdir() if path.is_dir())]

    def path(self, name: str) -> Path:
        """Where the file of this name is."""
        return self._blobs / name[:2] / name


@contextmanager
def _told_if_gone(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise CorruptBodyError(f"{path.name} is gone") from error


def _check_size(path: Path, found: int, expected: int) -> None:
    if found != expected:
        raise CorruptBodyError(f"{path.name} has {found} bytes, not {expected}")


def _unlink(paths: Sequence[Path]) -> int:
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def old_files(folder: Path, older_than: float) -> list[Path]:
    """The files of a folder that were last changed so many seconds ago."""
    horizon = time.time() - older_than
    return [path for path in folder.iterdir() if _changed_at(path) < horizon]


def _changed_at(path: Path) -> float:
    """Seconds since the epoch; now, for a file that has just gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
