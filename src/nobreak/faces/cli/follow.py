"""The end of a log, and what is added to it: across rotation, truncation and a late start."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

LOOK_EVERY = 0.2
BLOCK = 64 * 1024


def last_lines(file: BinaryIO, count: int) -> list[bytes]:
    """The last `count` whole lines, read from the end; the file is left standing after them."""
    end = position = file.seek(0, os.SEEK_END)
    tail = b""
    while position > 0 and tail.count(b"\n") <= count:
        step = min(BLOCK, position)
        position -= step
        file.seek(position)
        tail = file.read(step) + tail
    whole, newline, torn = tail.rpartition(b"\n")
    file.seek(end - len(torn))
    lines = (whole + newline).splitlines(keepends=True)
    return lines[len(lines) - min(count, len(lines)) :]


def follow(find: Callable[[], Path], file: BinaryIO | None) -> Iterator[bytes]:
    """Lines as they are added to `file`, and to whatever takes its place, for ever.

    `find` finds the path; None: nothing is there yet. A file that takes another's place is read
    from its beginning, after the last line of the one before.
    """
    try:
        while True:
            if file is not None:
                yield from _lines(file)
            successor = successor_of(file, find())
            if successor is None:
                time.sleep(LOOK_EVERY)
                continue
            if file is not None:
                yield from _lines(file)  # what came between the last read and the rotation
                file.close()
            file = successor
    finally:
        if file is not None:
            file.close()


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The whole lines from here on; a torn one is left for later."""
    if os.fstat(file.fileno()).st_size < file.tell():
        file.seek(0)  # it was truncated: logrotate's copytruncate
    while (line := file.readline()).endswith(b"\n"):
        yield line
    file.seek(-len(line), os.SEEK_CUR)


def successor_of(file: BinaryIO | None, path: Path) -> BinaryIO | None:
    """The file that is at the path now, opened, if it is another one."""
    try:
        if file is not None and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return None
        return path.open("rb")
    except FileNotFoundError:
        return None
