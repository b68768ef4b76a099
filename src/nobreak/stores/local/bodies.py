"""The bodies of journal entries: inline when small, else one durable file each.

`spool/` holds bodies on their way in, `blobs/ab/` those that entries need, under names that we
choose: a key never becomes a path. A file counts only once an entry names it; `sweep` removes
what a crash left behind.
"""

import hashlib
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path

from nobreak.errors import CorruptBodyError, OutOfSpaceError
from nobreak.stores.interfaces import KeptBody
from nobreak.stores.local.disk import Disk
from nobreak.stores.local.folders import fsync_folder, make_folder
from nobreak.stores.local.room import Room
from nobreak.stores.local.spool import CHUNK, INLINE_MAX, Spool
from nobreak.stores.local.verified import Verified
from nobreak.words import Fingerprint

ORPHAN_AGE = 3600.0
"""A file that no entry needs and that is older than this (seconds) was left by a crash."""


class BodyStore:
    """See the module. `used` tells how many bytes the local store holds already."""

    def __init__(self, disk: Disk, used: Callable[[], int]) -> None:
        self._disk = disk
        self._room = Room(disk, used)
        self._spool = disk.folder / "spool"
        self._blobs = disk.folder / "blobs"
        self._verified = Verified(disk)

    async def open(self) -> None:
        """Make the folders."""
        await self._disk.run(lambda: make_folder(self._spool))
        await self._disk.run(lambda: make_folder(self._blobs))

    def free_bytes(self) -> int:
        """What the file system has left for us; 0 when it doesn't tell."""
        return self._disk.free_bytes_or_zero()

    def spool(self, announced: int | None) -> Spool:
        """Begin to take a body in."""
        path = self._spool / uuid.uuid4().hex
        spool = Spool(self._disk, path, announced, lambda more: self._room.ask(spool, more))
        return spool

    async def keep(self, spool: Spool) -> KeptBody:
        """Make a finished body durable (I1): its bytes, its name, and the folders just made.

        Raises `OutOfSpaceError`, and `LocalStoreError` when the disk fails.
        """
        self._room.ask(spool, spool.received - spool.written)
        spool.mark_kept()
        if spool.path is None:
            if spool.received > INLINE_MAX:
                raise spool.trouble or OutOfSpaceError("the disk under the data directory is full")
            return KeptBody(inline=spool.memory)
        source, descriptor, name = spool.path, spool.descriptor, uuid.uuid4().hex
        assert descriptor is not None, "a spool file is open"  # noqa: S101

        def make_durable() -> None:
            os.fsync(descriptor)
            target = self._path(name)
            make_folder(target.parent)
            source.rename(target)
            fsync_folder(target.parent)

        await self._disk.run(make_durable)
        return KeptBody(file=name)

    async def open_kept(self, kept: KeptBody, fingerprint: Fingerprint) -> "KeptReader":
        """The bytes of an entry. Raises `CorruptBodyError` when they are gone or damaged."""
        if kept.inline is not None:
            if hashlib.md5(kept.inline, usedforsecurity=False).hexdigest() != fingerprint.md5:
                raise CorruptBodyError("the bytes in the journal are damaged")
            return KeptReader(self._disk, self._verified, fingerprint, inline=kept.inline)
        path = self._path(kept.file or "")

        def open_file() -> int:
            descriptor = os.open(path, os.O_RDONLY)
            size = os.fstat(descriptor).st_size
            if size != fingerprint.size:
                os.close(descriptor)
                raise CorruptBodyError(f"{path.name} has {size} bytes, not {fingerprint.size}")
            return descriptor

        def open_or_tell() -> int:
            try:
                return open_file()
            except FileNotFoundError as error:
                raise CorruptBodyError(f"{path.name} is gone") from error

        descriptor = await self._disk.open(open_or_tell)
        return KeptReader(self._disk, self._verified, fingerprint, descriptor=descriptor)

    async def remove(self, files: Iterable[str]) -> None:
        """Remove the files of entries that have left."""
        paths = [self._path(name) for name in files]
        if paths:
            await self._disk.run(partial(_unlink, paths))

    async def sweep(self, needed: Callable[[str], bool], older_than: float = ORPHAN_AGE) -> int:
        """Remove files that no entry needs; how many these were. Walks slowly, in the background."""
        removed = 0
        for folder in await self._disk.run(self._folders):
            old = await self._disk.run(partial(_old, folder, older_than))
            orphans = [path for path in old if folder == self._spool or not needed(path.name)]
            await self._disk.run(partial(_unlink, orphans))
            removed += len(orphans)
        return removed

    def _folders(self) -> list[Path]:
        return [self._spool, *(path for path in self._blobs.iterdir() if path.is_dir())]

    def _path(self, name: str) -> Path:
        return self._blobs / name[:2] / name


def _unlink(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _old(folder: Path, older_than: float) -> list[Path]:
    horizon = time.time() - older_than
    return [path for path in folder.iterdir() if _changed_at(path) < horizon]


def _changed_at(path: Path) -> float:
    """Seconds since the epoch; now, for a file that has just gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


class KeptReader:
    """The bytes of an entry, readable more than once; a `Body` for the drivers. Close it."""

    def __init__(
        self,
        disk: Disk,
        verified: Verified,
        fingerprint: Fingerprint,
        *,
        inline: bytes | None = None,
        descriptor: int | None = None,
    ) -> None:
        self._disk = disk
        self._verified = verified
        self._fingerprint = fingerprint
        self._inline = inline
        self._descriptor = descriptor

    @property
    def size(self) -> int:
        return self._fingerprint.size

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    async def finished(self) -> Fingerprint:
        """All bytes are here."""
        return self._fingerprint

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to `stop`.

        The whole body is hashed on its way: before its last chunk goes out damaged bytes raise
        `CorruptBodyError`, so that nobody takes them for the object. Before a part of a file goes
        out, all of it is hashed, once: a part looks complete to whoever gets it (I2).
        """
        end = self.size if stop is None else min(stop, self.size)
        whole = start == 0 and end == self.size
        if not whole and start < end and self._descriptor is not None:
            await self._verified.check(self._descriptor, self._fingerprint)
        digest = hashlib.md5(usedforsecurity=False)
        at = start
        while at < end:
            chunk = await self._read(at, min(end, at + CHUNK))
            if not chunk:
                raise CorruptBodyError("the file ends too early")
            at += len(chunk)
            if whole:
                digest.update(chunk)
                if at == end and digest.hexdigest() != self._fingerprint.md5:
                    raise CorruptBodyError("the file's bytes are damaged")
            yield chunk

    async def verify(self) -> None:
        """Read and hash everything. Raises `CorruptBodyError`."""
        if self._inline is None:
            async for _chunk in self.chunks():
                pass

    async def _read(self, start: int, stop: int) -> bytes:
        if self._inline is not None:
            return self._inline[start:stop]
        descriptor = self._descriptor
        assert descriptor is not None, "open until aclose"  # noqa: S101
        return await self._disk.run(lambda: os.pread(descriptor, stop - start, start))

    async def aclose(self) -> None:
        """Close the file. May be called twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            await self._disk.run(lambda: os.close(descriptor))
