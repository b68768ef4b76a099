"""One machine, one monitor (I6): whoever holds the lock leads; the kernel frees it on death."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nobreak.stores.local.own_locks import disown, own

MONITOR_LOCK = "monitor.lock"
"""The name of the lock file in a data directory."""
ATTEMPT_EVERY = 0.25
"""How soon another process takes over (seconds)."""


class Leadership:
    """The lock file of a data directory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait for the lock, and hold it for as long as the context lasts."""
        descriptor = own(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        try:
            while not _lock(descriptor, fcntl.LOCK_EX):
                await asyncio.sleep(ATTEMPT_EVERY)
            yield
        finally:
            disown(descriptor)

    def is_held(self) -> bool:
        """Whether any process of this machine leads now."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return not _lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
