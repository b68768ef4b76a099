"""Files whose bytes were found to be the ones that were acknowledged: each hashed once.

A part of a file can't be checked by itself: its MD5 is that of the whole. So the whole is read
before the first part of it goes out, and that is remembered until the file changes.
"""

import asyncio
import hashlib
import os
from weakref import WeakValueDictionary

from nobreak.errors import CorruptBodyError
from nobreak.stores.local.disk import Disk
from nobreak.words import Fingerprint

MOST = 4096
"""So many files are remembered; the ones found well first are forgotten first."""
STEP = 4 * 1024 * 1024
"""Bytes that are hashed by one call of a thread: who gives up doesn't leave a long one behind."""

_State = tuple[int, int, int]
"""Inode, time of the last change (nanoseconds), size: another state is another file to us."""


class Verified:
    """See the module."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._well: dict[_State, str] = {}
        self._hashing: WeakValueDictionary[_State, asyncio.Lock] = WeakValueDictionary()

    async def check(self, descriptor: int, expected: Fingerprint) -> None:
        """Raise `CorruptBodyError` unless the open file holds just the expected bytes."""
        state = await self._disk.run(lambda: _state(descriptor))
        lock = self._hashing.setdefault(state, asyncio.Lock())
        async with lock:  # of many who ask at once for parts of a file one reads it
            if self._well.get(state) == expected.md5:
                return
            if await self._hashed(descriptor) != expected:
                raise CorruptBodyError("the file's bytes are damaged")
            if len(self._well) >= MOST:
                del self._well[next(iter(self._well))]
            self._well[state] = expected.md5

    async def _hashed(self, descriptor: int) -> Fingerprint:
        digest, at = hashlib.md5(usedforsecurity=False), 0

        def step() -> int:
            data = os.pread(descriptor, STEP, at)
            digest.update(data)
            return len(data)

        while count := await self._disk.run(step):
            at += count
        return Fingerprint(at, digest.hexdigest())


def _state(descriptor: int) -> _State:
    found = os.fstat(descriptor)
    return found.st_ino, found.st_mtime_ns, found.st_size
