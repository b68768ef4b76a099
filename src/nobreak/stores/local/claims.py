"""Claims: which keys the processes of this data directory are writing now, seen by all of them.

A claim is a lock of some bytes of a file (OFD locks, fcntl(2)): the bytes are the key's, by its hash. The
kernel decides between two processes that come at the same instant, and takes a claim back when its
process dies. Nobody ever waits for one, and nothing of it has to survive anything. Several files
share the keys, because the kernel walks through all locks of a file.

    LANDS     a request could still land on this key whatever is there by then (held alone), or
              something relies on it that none does (shared)
    FENCED    a conditional request could still land (shared)
    BEHIND    the catalog's row of the key is not what was last written (shared)
"""

import fcntl
import hashlib
import os
import struct
from pathlib import Path

from nobreak.stores.local.disk import translated
from nobreak.stores.local.own_locks import disown, own

FOLDER = "claims"
FILES = 4
WIDTH = 3
"""So many bytes of a file belong to a key."""
LANDS, FENCED, BEHIND = range(WIDTH)
FREE, SHARED, ALONE = fcntl.F_UNLCK, fcntl.F_RDLCK, fcntl.F_WRLCK
FLOCK = struct.Struct("hhqqi4x")
"""C's `struct flock`: type, whence, start, length, and a process id that must be 0."""

Place = tuple[int, int]
"""A file's descriptor, and the first byte of a key in it."""


class Claims:
    """See the module. What one process holds never hinders itself: it has to count by itself."""

    def __init__(self, data_dir: Path) -> None:
        """Open the files. Raises `LocalStoreError` and `OutOfSpaceError`, also where there are no such locks."""
        folder, flags = data_dir / FOLDER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        files: list[int] = []
        try:
            folder.mkdir(mode=0o700, exist_ok=True)  # it need not survive
            files.extend(own(os.open(folder / f"{n:x}", flags, 0o600)) for n in range(FILES))
            _ask(files[0], fcntl.F_OFD_GETLK, ALONE, 0)
        except OSError as error:
            for descriptor in files:
                disown(descriptor)
            raise translated(error) from error
        self._files = tuple(files)

    def place(self, bucket: str, key: str) -> Place:
        """Where the key is claimed. Two keys with one place: not in practice, and harmless."""
        name = f"{bucket}/{key}".encode()
        number = int.from_bytes(hashlib.blake2b(name, digest_size=7).digest(), "big")
        return self._files[number % FILES], number * WIDTH

    def take(self, place: Place, kind: int, byte: int) -> bool:
        """Claim a byte of a key, or give it back (`FREE`); whether no other process minds.

        Where the system fails to do it, somebody may mind.
        """
        descriptor, start = place
        try:
            _ask(descriptor, fcntl.F_OFD_SETLK, kind, start + byte)
        except OSError:
            return False
        return True

    def is_free(self, place: Place, kind: int, byte: int) -> bool:
        """Whether no other process would mind such a claim."""
        descriptor, start = place
        return _ask(descriptor, fcntl.F_OFD_GETLK, kind, start + byte) == FREE

    def close(self) -> None:
        """Give all claims back."""
        for descriptor in self._files:
            disown(descriptor)


def _ask(descriptor: int, command: int, kind: int, byte: int) -> int:
    """The kind of lock that the kernel answers with. Raises `OSError`."""
    asked = FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0)
    answer: int = FLOCK.unpack(fcntl.fcntl(descriptor, command, asked))[0]
    return answer
