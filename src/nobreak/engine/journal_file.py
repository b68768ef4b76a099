"""The journal's file in a data directory: opened by who works with it, or only looked at."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nobreak.errors import LocalStoreError
from nobreak.stores.local.disk import translated
from nobreak.stores.local.folders import make_folder
from nobreak.stores.sqlite.database import Database

JOURNAL_FILE = "journal.db"
OPEN_LOCK = "open.lock"


async def open_database(folder: Path) -> Database:
    """Open the journal; of several processes that start at once, one makes it.

    Raises `LocalStoreError`.
    """
    try:
        await asyncio.to_thread(make_folder, folder)
        with _locked(folder / OPEN_LOCK):
            return await Database.open(folder / JOURNAL_FILE)
    except OSError as error:
        raise LocalStoreError(
            f"the data directory {folder} (NOBREAK_DATA_DIR) can't be used: {error.strerror}"
        ) from translated(error)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
