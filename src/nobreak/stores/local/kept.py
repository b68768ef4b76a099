"""The bytes of journal entries, readable more than once, whole or in part; never damaged ones.

A body in segments is read file by file. One of them is open at a time, so that a body of ten
thousand parts needs no more descriptors than one of two; a lease keeps the others (`leases`).
"""

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Protocol

from nobreak.errors import CorruptBodyError
from nobreak.stores.interfaces import KeptSegment
from nobreak.stores.local.disk import Disk
from nobreak.stores.local.spool import CHUNK
from nobreak.stores.local.verified import Verified
from nobreak.words import Fingerprint

AT_ONCE = 1024 * 1024
"""A body of up to so many bytes is read in one piece: damage shows before an answer begins."""


class KeptBytes(Protocol):
    """A `Body` for the drivers that can be checked. Close it."""

    @property
    def size(self) -> int: ...

    @property
    def fingerprint(self) -> Fingerprint: ...

    async def finished(self) -> Fingerprint: ...

    def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]: ...

    async def verify(self) -> None:
        """Read and hash everything. Raises `CorruptBodyError`."""

    async def aclose(self) -> None:
        """Close the files. May be called twice."""


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

        A whole file is hashed on its way: before its last chunk goes out damaged bytes raise
        `CorruptBodyError`, so that nobody takes them for the object. Before a part of a file goes
        out, all of it is hashed, once: a part looks complete to whoever gets it (I2). Bytes that
        were in the journal's row were hashed when this was opened.
        """
        end = self.size if stop is None else min(stop, self.size)
        whole = start == 0 and end == self.size
        if not whole and start < end and self._descriptor is not None:
            await self._verified.check(self._descriptor, self._fingerprint)
        of_file = whole and self._inline is None
        digest = hashlib.md5(usedforsecurity=False) if of_file else None
        at, step = start, CHUNK if self.size > AT_ONCE else AT_ONCE
        while at < end:
            chunk = await self._read(at, min(end, at + step), digest)
            if not chunk:
                raise CorruptBodyError("the file ends too early")
            at += len(chunk)
            if digest is not None and at == end and digest.hexdigest() != self._fingerprint.md5:
                raise CorruptBodyError("the file's bytes are damaged")
            yield chunk

    async def verify(self) -> None:
        """Read and hash everything. Raises `CorruptBodyError`."""
        if self._inline is None:
            async for _chunk in self.chunks():
                pass

    async def _read(self, start: int, stop: int, digest: "hashlib._Hash | None") -> bytes:
        """Read, and hash in the thread that reads: the event loop has other things to do."""
        if self._inline is not None:
            return self._inline[start:stop]
        descriptor = self._descriptor
        assert descriptor is not None, "open until aclose"  # noqa: S101

        def work() -> bytes:
            data = os.pread(descriptor, stop - start, start)
            if digest is not None:
                digest.update(data)
            return data

        return await self._disk.run(work)

    async def aclose(self) -> None:
        """Close the file. May be called twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            await self._disk.run(lambda: os.close(descriptor))


class SegmentedReader:
    """The bytes of a body in segments: `KeptBytes`. `end_lease` is called once, at the end."""

    def __init__(
        self,
        segments: tuple[KeptSegment, ...],
        open_segment: Callable[[KeptSegment], Awaitable[KeptReader]],
        end_lease: Callable[[], Awaitable[None]],
    ) -> None:
        self._segments = segments
        self._open_segment = open_segment
        self._end_lease: Callable[[], Awaitable[None]] | None = end_lease
        self._fingerprint = Fingerprint.of_segments(tuple(each.segment for each in segments))

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
        """The bytes from `start` to `stop`: of each segment, all or nothing of it is damaged."""
        end = self.size if stop is None else min(stop, self.size)
        at = 0
        for kept in self._segments:
            first, last = max(start, at), min(end, at + kept.segment.size)
            if first < last:
                async with aclosing(await self._open_segment(kept)) as reader:
                    async for chunk in reader.chunks(first - at, last - at):
                        yield chunk
            at += kept.segment.size

    async def verify(self) -> None:
        """Read and hash everything. Raises `CorruptBodyError`."""
        for kept in self._segments:
            async with aclosing(await self._open_segment(kept)) as reader:
                await reader.verify()

    async def aclose(self) -> None:
        """Let the files go. May be called twice. The open one is closed by its chunks' end."""
        end_lease, self._end_lease = self._end_lease, None
        if end_lease is not None:
            await end_lease()
