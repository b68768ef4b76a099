"""The files of the cache, under names that we choose, in `cache/`.

Nothing here is fsynced: a copy that a power cut has torn is found by its checksum, and counts as none.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from nobreak.errors import CorruptBodyError
from nobreak.stores.local.bodies import ORPHAN_AGE, old_files
from nobreak.stores.local.disk import Disk
from nobreak.stores.local.kept import KeptReader
from nobreak.stores.local.spool import write_all
from nobreak.stores.local.verified import Verified
from nobreak.words import Fingerprint

VERIFIED_FIRST = 64 * 1024 * 1024
"""Copies of up to so many bytes are found well before an answer begins, larger ones while it goes on."""


class CopyFiles:
    """See the module. All methods raise `LocalStoreError` and `OutOfSpaceError`."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._folder = disk.folder / "cache"
        self._verified = Verified(disk)

    async def open(self) -> None:
        """Make the folder."""
        await self._disk.run(lambda: self._folder.mkdir(mode=0o700, exist_ok=True))

    def has_room_for(self, size: int) -> bool:
        """Whether a copy of this size leaves what is to stay free on the disk."""
        return self._disk.free_bytes_or_zero() - size >= self._disk.min_free_bytes

    async def link(self, source: Path) -> str:
        """Keep a file that is here already, by another name; that name."""
        name = uuid.uuid4().hex

        def work() -> None:
            target = self._path(name, make=True)
            os.link(source, target)
            os.utime(target)  # an old file would be taken for one that a crash left behind

        await self._disk.run(work)
        return name

    async def write(self, chunks: AsyncIterator[bytes]) -> tuple[str, Fingerprint]:
        """Write a new file; its name, and the fingerprint of its bytes. None is left after a failure."""
        name, digest, size = uuid.uuid4().hex, hashlib.md5(usedforsecurity=False), 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = await self._disk.open(
            lambda: os.open(self._path(name, make=True), flags, 0o600)
        )
        try:
            async for chunk in chunks:
                await self._disk.run(partial(_append, descriptor, chunk, size, digest))
                size += len(chunk)
        except BaseException:
            self._path(name).unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return name, Fingerprint(size, digest.hexdigest())

    async def read(self, name: str, fingerprint: Fingerprint) -> KeptReader:
        """The bytes of a file. Raises `CorruptBodyError` when it is gone or damaged."""

        def work() -> int:
            try:
                descriptor = os.open(self._path(name), os.O_RDONLY)
            except FileNotFoundError as error:
                raise CorruptBodyError("the copy is gone") from error
            if os.fstat(descriptor).st_size != fingerprint.size:
                os.close(descriptor)
                raise CorruptBodyError("the copy has another size")
            return descriptor

        descriptor = await self._disk.open(work)
        reader = KeptReader(self._disk, self._verified, fingerprint, descriptor=descriptor)
        try:
            if fingerprint.size <= VERIFIED_FIRST:
                await self._verified.check(descriptor, fingerprint)
        except BaseException:
            await reader.aclose()
            raise
        return reader

    async def remove(self, names: Sequence[str]) -> None:
        """Remove files; who reads them goes on."""

        def work() -> None:
            for name in names:
                self._path(name).unlink(missing_ok=True)

        await self._disk.run(work)

    async def clear(self) -> None:
        """Remove all files, and the folder."""

        def work() -> None:
            if self._folder.exists():
                shutil.rmtree(self._folder)

        await self._disk.run(work)

    async def sweep(self, needed: Callable[[str], bool], older_than: float = ORPHAN_AGE) -> int:
        """Remove files that a crash left behind, and that are older (seconds); how many these were."""
        removed = 0
        for folder in await self._disk.run(self._folders):
            old = await self._disk.run(partial(old_files, folder, older_than))
            unneeded = [path.name for path in old if not needed(path.name)]
            await self.remove(unneeded)
            removed += len(unneeded)
        return removed

    def _folders(self) -> list[Path]:
        with suppress(FileNotFoundError):
            return [path for path in self._folder.iterdir() if path.is_dir()]
        return []

    def _path(self, name: str, *, make: bool = False) -> Path:
        folder = self._folder / name[:2]
        if make:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / name


def _append(descriptor: int, chunk: bytes, offset: int, digest: "hashlib._Hash") -> None:
    digest.update(chunk)
    write_all(descriptor, chunk, offset)
