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
import os
from pathlib import Path

from nobreak.stores.local.disk import translated
from nobreak.stores.local.ofd_locks import lock, number_of, would_lock
from nobreak.stores.local.own_locks import disown, own

FOLDER = "claims"
FILES = 4
WIDTH = 3
"""So many bytes of a file belong to a key."""
LANDS, FENCED, BEHIND = range(WIDTH)
FREE, SHARED, ALONE = fcntl.F_UNLCK, fcntl.F_RDLCK, fcntl.F_WRLCK

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
            would_lock(files[0], ALONE, 0)
        except OSError as error:
            for descriptor in files:
                disown(descriptor)
            raise translated(error) from error
        self._files = tuple(files)

    def place(self, bucket: str, key: str) -> Place:
        """Where the key is claimed. Two keys with one place: not in practice, and harmless."""
        number = number_of(f"{bucket}/{key}")
        return self._files[number % FILES], number * WIDTH

    def take(self, place: Place, kind: int, byte: int) -> bool:
        """Claim a byte of a key, or give it back (`FREE`); whether no other process minds.

        Where the system fails to do it, somebody may mind.
        """
        descriptor, start = place
        try:
            lock(descriptor, kind, start + byte)
        except OSError:
            return False
        return True

    def is_free(self, place: Place, kind: int, byte: int) -> bool:
        """Whether no other process would mind such a claim."""
        descriptor, start = place
        return would_lock(descriptor, kind, start + byte)

    def close(self) -> None:
        """Give all claims back."""
        for descriptor in self._files:
            disown(descriptor)
