"""A body on its way in: kept here while it streams to the external store at the same time.

Small bodies stay in memory, larger ones go to a spool file. One writer, any number of readers
that follow it. Readers never see the last byte before `finish` has found the body well, so a
body that turns out to be wrong has nowhere arrived whole.
"""

import asyncio
import hashlib
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from nobreak.errors import BodyMismatchError, LocalStoreError, OutOfSpaceError
from nobreak.stores.local.disk import Disk
from nobreak.words import Fingerprint

INLINE_MAX = 256 * 1024
"""Bodies up to this many bytes live in the journal's row, larger ones in files."""
MEMORY_MAX = 8 * 1024 * 1024
"""While the disk is full or fails, bodies up to this many bytes still pass through memory."""
CHUNK = 256 * 1024
"""What is read from a file at once: each of many slow readers holds as much (bytes)."""


class Spool:
    """See the module. `announced` is the length that the client gave, or None.

    `folder`: where its file lies when it needs one; `in_memory`: up to how many bytes it needs
    none. `check_room` is asked for so many bytes more.
    """

    def __init__(
        self,
        disk: Disk,
        folder: Path,
        announced: int | None,
        check_room: Callable[["Spool", int], None],
        in_memory: int = INLINE_MAX,
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._path: Path | None = None
        self._announced = announced
        self._in_memory = in_memory
        self._check_room = check_room
        self._hash = hashlib.md5(usedforsecurity=False)
        self._buffer = bytearray()
        self._flushed = 0
        self._descriptor: int | None = None
        self._file: int | None = None
        """The same, as the thread that writes knows it: before its bytes are all there."""
        self._writing = threading.Lock()
        self._closed = False
        self._fingerprint: Fingerprint | None = None
        self._error: BaseException | None = None
        self._progress = asyncio.Event()
        self._users = 1
        self._kept = False
        self._holds_room = True
        self.trouble: OutOfSpaceError | LocalStoreError | None = None
        """Why the body stayed in memory, if it is too large for that."""

    @property
    def size(self) -> int | None:
        return self._fingerprint.size if self._fingerprint else self._announced

    @property
    def fingerprint(self) -> Fingerprint | None:
        return self._fingerprint

    @property
    def received(self) -> int:
        """How many bytes have arrived."""
        return self._flushed + len(self._buffer)

    @property
    def written(self) -> int:
        """How many of them are in the spool file."""
        return self._flushed

    @property
    def holds_room(self) -> bool:
        """Whether the room that it was promised is still its own."""
        return self._holds_room

    @property
    def path(self) -> Path | None:
        """The spool file; None while the body is in memory."""
        return None if self._descriptor is None else self._path

    @property
    def memory(self) -> bytes:
        """The whole body, if it is in memory and finished."""
        return bytes(self._buffer)

    @property
    def descriptor(self) -> int | None:
        """The open spool file."""
        return self._descriptor

    async def write(self, data: bytes) -> None:
        """Take bytes in.

        Raises `BodyMismatchError` (too long), and when neither the disk nor memory can take them
        `OutOfSpaceError` or `LocalStoreError`.
        """
        self._buffer += data
        if self._announced is not None and self.received > self._announced:
            raise BodyMismatchError(
                f"the body is longer than the announced {self._announced} bytes"
            )
        if self._descriptor is None and len(self._buffer) <= self._in_memory:
            self._wake()
        elif self._descriptor is None or len(self._buffer) >= INLINE_MAX:
            await self._flush_if_possible()

    async def _flush_if_possible(self) -> None:
        """Write to the file; where there can't be one, go on in memory: the external store may do."""
        try:
            await self._flush()
        except (OutOfSpaceError, LocalStoreError) as error:
            if self._descriptor is not None or len(self._buffer) > MEMORY_MAX:
                raise
            self.trouble = error
            self._wake()

    async def finish(self, md5: str | None = None) -> Fingerprint:
        """The body is complete. Raises `BodyMismatchError` when it isn't what was announced."""
        if self._descriptor is None:
            self._hash.update(self._buffer)
        elif self._buffer:
            await self._flush()
        fingerprint = Fingerprint(self.received, self._hash.hexdigest())
        if self._announced is not None and fingerprint.size != self._announced:
            raise BodyMismatchError(
                f"the body has {fingerprint.size} bytes; {self._announced} were announced"
            )
        if md5 is not None and md5 != fingerprint.md5:
            raise BodyMismatchError(f"the body's MD5 is {fingerprint.md5}; {md5} was announced")
        self._fingerprint = fingerprint
        self._wake()
        return fingerprint

    async def to_file(self) -> None:
        """Write what is still in memory to the spool file, also of a body that is finished.

        Raises `OutOfSpaceError`, `LocalStoreError`.
        """
        if self._descriptor is None:
            await self._flush(hash_it=self._fingerprint is None)

    def fail(self, error: BaseException) -> None:
        """The body will never be complete; whoever reads it gets `error`."""
        self._error = error
        self._wake()

    async def finished(self) -> Fingerprint:
        """Wait until the body is complete."""
        while self._fingerprint is None:
            if self._error is not None:
                raise self._error
            await self._progress.wait()
        return self._fingerprint

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes as they arrive. Raises what `fail` was given."""
        at = start
        while stop is None or at < stop:
            if self._error is not None:
                raise self._error
            progress = self._progress
            limit = self._readable if stop is None else min(self._readable, stop)
            if at < limit:
                chunk = await self._read(at, min(limit, at + CHUNK))
                at += len(chunk)
                yield chunk
            elif self._fingerprint is not None:
                return
            else:
                await progress.wait()

    @property
    def _readable(self) -> int:
        """How far readers may go: not to the last byte before the body is found well."""
        if self._fingerprint is not None:
            return self._fingerprint.size
        there = self._flushed if self._descriptor is not None else len(self._buffer)
        return max(0, there - 1)

    async def _read(self, start: int, stop: int) -> bytes:
        descriptor = self._descriptor
        if descriptor is None:
            return bytes(memoryview(self._buffer)[start:stop])
        return await self._disk.run(lambda: os.pread(descriptor, stop - start, start))

    async def _flush(self, *, hash_it: bool = True) -> None:
        data, offset = self._buffer, self._flushed
        wanted = max(len(data), (self._announced or 0) - offset)
        self._check_room(self, wanted)
        path = self._path = self._path or self._folder / uuid.uuid4().hex

        def write() -> int | None:
            with self._writing:  # one that nobody waits for any more may still run
                if self._closed:
                    return None
                if self._file is None:
                    self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                write_all(self._file, data, offset)
                if hash_it:
                    self._hash.update(data)
                return self._file

        self._descriptor = await self._disk.run_for_room(write, wanted)
        self._flushed += len(data)
        self._buffer = bytearray()
        self._wake()

    def _wake(self) -> None:
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()

    def share(self) -> None:
        """One more user: the spool stays open until each has called `aclose`."""
        self._users += 1

    def mark_kept(self) -> None:
        """From now on it counts as stored: the next user that closes it gives its room back."""
        self._kept = True

    async def aclose(self) -> None:
        """The last user closes the file; what was not kept is removed."""
        self._users -= 1
        self._holds_room = self._holds_room and not self._kept and self._users > 0
        if self._users > 0 or self._closed:
            return
        self._closed, self._descriptor = True, None
        if not self._writing.locked() and self._file is None:
            return

        path = self._path

        def close() -> None:
            with self._writing:
                if self._file is not None and path is not None:
                    os.close(self._file)
                    path.unlink(missing_ok=True)

        await self._disk.run(close)


def write_all(descriptor: int, data: bytes | bytearray, offset: int) -> None:
    """Write all of `data` there. Raises `OSError`; `data` may grow again in any case."""
    done = 0
    with memoryview(data) as view:
        while done < len(view):
            with view[done:] as rest:
                done += os.pwrite(descriptor, rest, offset + done)
