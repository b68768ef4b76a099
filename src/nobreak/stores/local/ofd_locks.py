"""Locks of single bytes of a file, owned by its open description and not by a process (OFD locks, fcntl(2)).

The kernel decides between those who come at the same instant, and frees them with the last descriptor.
"""

import fcntl
import hashlib
import os
import struct

FLOCK = struct.Struct("hhqqi4x")
"""C's `struct flock`: type, whence, start, length, and a process id that must be 0."""
NUMBER_BYTES = 7
"""A few numbers beside each other must be an offset, too."""


def number_of(name: str) -> int:
    """A number for a name. Two names with one number: not in practice."""
    digest = hashlib.blake2b(name.encode(), digest_size=NUMBER_BYTES).digest()
    return int.from_bytes(digest, "big")


def lock(descriptor: int, kind: int, byte: int) -> None:
    """Lock a byte (`F_RDLCK`, `F_WRLCK`), or free it (`F_UNLCK`). Raises `BlockingIOError`, `OSError`."""
    _ask(descriptor, fcntl.F_OFD_SETLK, kind, byte)


def would_lock(descriptor: int, kind: int, byte: int) -> bool:
    """Whether `lock` would. Raises `OSError`."""
    return _ask(descriptor, fcntl.F_OFD_GETLK, kind, byte) == fcntl.F_UNLCK


def _ask(descriptor: int, command: int, kind: int, byte: int) -> int:
    """The kind of lock that the kernel answers with."""
    asked = FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0)
    answer: int = FLOCK.unpack(fcntl.fcntl(descriptor, command, asked))[0]
    return answer
