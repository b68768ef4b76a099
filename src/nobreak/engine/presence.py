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
from nobreak.stores.local.own_locks import disown, own

RUNNING = "running"


@contextmanager
def present(data_dir: Path) -> Iterator[None]:
    """Be present while the context lasts. Raises `OSError`."""
    folder = data_dir / RUNNING
    make_folder(folder)
    mine = folder / uuid.uuid4().hex
    unlocked = folder / f".{mine.name}"
    descriptor = own(os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unlocked.rename(mine)  # nobody ever sees it without its lock
        fsync_folder(folder)
        yield
        with suppress(OSError):  # on a disk that went read-only it looks like a crash: so be it
            mine.unlink(missing_ok=True)
    finally:
        disown(descriptor)


class Dead:
    """What crashed processes left. Nobody else finds it before it was let go."""

    def __init__(self) -> None:
        self._left: dict[Path, int] = {}

    def __bool__(self) -> bool:
        return bool(self._left)

    def add(self, path: Path, descriptor: int) -> None:
        """A file that is now locked by us."""
        self._left[path] = descriptor

    def bury(self) -> None:
        """All that had to be noted of them is: remove it. Raises `OSError`."""
        for path in self._left:
            path.unlink(missing_ok=True)

    def let_go(self) -> None:
        """What was not buried is found by the next one who looks."""
        for descriptor in self._left.values():
            os.close(descriptor)


def find_the_dead(data_dir: Path) -> Dead:
    """Those who left without a word. Raises `OSError`."""
    dead = Dead()
    for path in (data_dir / RUNNING).glob("[!.]*"):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # it said goodbye just now, or another process has buried it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)  # it lives, or another process is about to bury it
            continue
        if os.fstat(descriptor).st_nlink:
            dead.add(path, descriptor)
        else:
            os.close(descriptor)  # it said goodbye while we waited to look
    return dead
