"""A log file that several processes append to, and that we or logrotate may rotate at any time.

Each line is one write in append mode, so lines never mix, and nobody waits for a lock. Before
each write the file's identity is compared with the path's: one that was replaced or deleted
is opened anew. Where the path leads to nothing, whoever moved the file away gets a moment to
put a new one there, and lines go on into the old one: logrotate's `create` would otherwise
overwrite a file that we were quicker to make. Only rotation takes a lock, on the file that is
rotated, and never waits for it: who can't have it leaves the work to the process that has it.

A line can't be lost between that look and the write: it then lands in the file that was moved
away, and if that one was deleted, it is written again.
"""

import contextlib
import errno
import fcntl
import os
import stat
import threading
import time
from pathlib import Path

ATTEMPTS = 3
GRACE = 1.0
"""How long a path may lead to nothing before we make a new file there (seconds)."""
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
MODE = 0o640


class LogFile:
    """Lines at the end of `path`; beyond `max_bytes` (0: never) `path.1` ... `path.<backups>`."""

    def __init__(self, path: Path, *, max_bytes: int, backups: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._descriptor: int | None = None
        self._missing_since: float | None = None
        self._torn = False
        self._lock = threading.Lock()

    def check(self) -> None:
        """Open the file, and make its folder, so that `OSError` comes now and not later."""
        with self._lock:
            self._current()

    def append(self, line: str) -> None:
        """Write one line. Raises `OSError` when it can't be; then none of it stays, if possible."""
        record = line.encode("utf-8", "backslashreplace") + b"\n"
        with self._lock:
            for _ in range(ATTEMPTS):
                if self._outgrown(len(record)):
                    self._rotate()
                self._write(self._current(), record)
                if not self._deleted():
                    return

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _current(self) -> int:
        """The descriptor of what is at the path now."""
        if self._descriptor is not None and self._left_behind():
            self._close()
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self.path, FLAGS, MODE)
            except FileNotFoundError:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self.path, FLAGS, MODE)
        return self._descriptor

    def _left_behind(self) -> bool:
        """Whether to open the path anew: it leads elsewhere, or to nothing for good."""
        here = os.fstat(self._open())
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return here.st_nlink == 0 or self._gone_for_long(here)
        self._missing_since = None
        return not os.path.samestat(there, here)

    def _gone_for_long(self, here: os.stat_result) -> bool:
        """A file's ctime tells when it was moved, until our next line changes it."""
        if self._missing_since is None:
            self._missing_since = here.st_ctime
        return abs(time.time() - self._missing_since) >= GRACE

    def _deleted(self) -> bool:
        """Whether the line just written is in a file that nobody can find any more."""
        here = os.fstat(self._open())
        return stat.S_ISREG(here.st_mode) and here.st_nlink == 0 and self._left_behind()

    def _open(self) -> int:
        assert self._descriptor is not None  # noqa: S101 - for the type checker: callers opened it
        return self._descriptor

    def _write(self, descriptor: int, record: bytes) -> None:
        """One write. A short one, as on a full disk, is taken back."""
        whole = b"\n" + record if self._torn else record
        written = os.write(descriptor, whole)
        self._torn = False
        if written == len(whole):
            return
        end = os.lseek(descriptor, 0, os.SEEK_CUR)
        if os.fstat(descriptor).st_size == end:
            os.ftruncate(descriptor, end - written)
        else:
            self._torn = True
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _outgrown(self, more: int) -> bool:
        if not self._max_bytes:
            return False
        here = os.fstat(self._current())
        full = here.st_size > 0 and here.st_size + more > self._max_bytes
        return full and stat.S_ISREG(here.st_mode)

    def _rotate(self) -> None:
        """Move the file out of the way, unless another process does or did."""
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return
        try:
            # Where we may write the file but not its folder, it has to grow.
            with contextlib.suppress(OSError):
                if os.path.samestat(self.path.stat(), os.fstat(descriptor)):
                    self._shift()
                    os.close(os.open(self.path, FLAGS, MODE))
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _shift(self) -> None:
        """Make each backup one older, up to the first gap; the file itself moves last.

        Should we be killed in between, a gap is left and nothing is overwritten.
        """
        names = [self.path, *(Path(f"{self.path}.{n}") for n in range(1, self._backups + 1))]
        taken = next((n for n, name in enumerate(names) if not name.exists()), len(names) - 1)
        for n in range(taken, 0, -1):
            names[n - 1].rename(names[n])
