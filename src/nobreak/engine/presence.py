"""Who works on a data directory, and who left it without a word.

A process that dies takes with it what it had under way: requests that nobody was told about, but
which the external store may still execute (I4). Whoever comes next has to know. Each engine holds
a locked file for as long as it runs, and removes it when it closes; one that is there without its
lock was left by a crash.
"""

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nobreak.stores.local.folders import fsync_folder, make_folder

RUNNING = "running"


@contextmanager
def present(data_dir: Path) -> Iterator[bool]:
    """Be present while the context lasts. Gives whether somebody crashed here before us.

    Raises `OSError`.
    """
    folder = data_dir / RUNNING
    make_folder(folder)
    crashed = bury_the_dead(data_dir)
    mine = folder / uuid.uuid4().hex
    unlocked = folder / f".{mine.name}"
    descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unlocked.rename(mine)  # nobody ever sees it without its lock
        fsync_folder(folder)
        yield crashed
        with suppress(OSError):  # on a disk that went read-only it looks like a crash: so be it
            mine.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def bury_the_dead(data_dir: Path) -> bool:
    """Remove what crashed processes left; whether there was anything. Raises `OSError`."""
    folder, found = data_dir / RUNNING, False
    for path in folder.glob("[!.]*"):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # it said goodbye just now, or another process has buried it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # it lives
        else:
            if os.fstat(descriptor).st_nlink:  # else it did so while we waited to look
                path.unlink(missing_ok=True)
                found = True
        finally:
            os.close(descriptor)
    return found
