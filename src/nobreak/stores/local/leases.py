"""Leases: the files of a body in segments stay while somebody reads them, in whatever process.

A body in one file needs none: whoever reads it has it open. One in segments may have ten thousand
files, more than a process may open; so its reader holds a lock in their place, which the kernel
frees when that process dies. The segments of a body are one family, by the beginning of their
names, and a family is one byte of a file that all processes lock: readers share it, whoever removes
the segments has it alone (two families with one byte would only delay a removal). The locks belong to
open descriptors (OFD locks, fcntl(2)) and not to processes, so that each reader of a process counts.
Nobody ever waits for one.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nobreak.stores.local.ofd_locks import lock, number_of


class Leases:
    """See the module. `path`: the file that is locked; it stays empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, families: Iterable[str]) -> int:
        """Begin to read: a descriptor, which ends the lease when it is closed.

        Raises `BlockingIOError` when one of them is being removed, and `OSError`.
        """
        # Only to be read, so that a disk that went read-only can still be read.
        descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for family in families:
                lock(descriptor, fcntl.F_RDLCK, number_of(family))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @contextmanager
    def ended(self, family: str) -> Iterator[bool]:
        """Whether nobody reads them; nobody begins to while the context lasts. Raises `OSError`."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                lock(descriptor, fcntl.F_WRLCK, number_of(family))
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)


def family_of(file: str) -> str:
    """What the files that are read together have in common; a file of its own is its own."""
    return file.partition("-")[0]
