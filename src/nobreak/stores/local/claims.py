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
        folder = data_dir / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)  # it need not survive
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._files = tuple(os.open(folder / f"{n:x}", flags, 0o600) for n in range(FILES))

    def place(self, bucket: str, key: str) -> Place:
        """Where the key is claimed. Two keys with one place: not in practice, and harmless."""
        name = f"{bucket}/{key}".encode()
        number = int.from_bytes(hashlib.blake2b(name, digest_size=7).digest(), "big")
        return self._files[number % FILES], number * WIDTH

    def take(self, place: Place, kind: int, byte: int) -> bool:
        """Claim a byte of a key, or give it back (`FREE`); whether no other process minds."""
        descriptor, start = place
        asked = FLOCK.pack(kind, os.SEEK_SET, start + byte, 1, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, asked)
        except BlockingIOError:
            return False
        return True

    def is_free(self, place: Place, kind: int, byte: int) -> bool:
        """Whether no other process would mind such a claim."""
        descriptor, start = place
        asked = FLOCK.pack(kind, os.SEEK_SET, start + byte, 1, 0)
        found: int = FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, asked))[0]
        return found == FREE

    def close(self) -> None:
        """Give all claims back."""
        for descriptor in self._files:
            os.close(descriptor)
