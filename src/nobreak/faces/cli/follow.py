"""The end of a log, and what is added to it: across rotation, truncation and a late start."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

LOOK_EVERY = 0.2
BLOCK = 64 * 1024


def last_lines(path: Path, count: int) -> tuple[list[bytes], int]:
    """The last `count` whole lines, read from the end, and the offset where they end."""
    with path.open("rb") as file:
        end = position = file.seek(0, os.SEEK_END)
        tail = b""
        while position > 0 and tail.count(b"\n") <= count:
            step = min(BLOCK, position)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
    whole, newline, torn = tail.rpartition(b"\n")
    lines = (whole + newline).splitlines(keepends=True)
    return lines[len(lines) - min(count, len(lines)) :], end - len(torn)


def follow(find: Callable[[], Path], start: int | None) -> Iterator[bytes]:
    """Lines as they are added to the file that `find` finds, for ever.

    It begins at the offset `start` (None: the file isn't there yet). A file that takes another's
    place is read from its beginning, after the last line of the one before.
    """
    file: BinaryIO | None = find().open("rb") if start is not None else None
    try:
        if file is not None:
            file.seek(start or 0)
        while True:
            if file is not None:
                yield from _lines(file)
            successor = _successor(find(), file)
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


def _successor(path: Path, file: BinaryIO | None) -> BinaryIO | None:
    """The file that is at the path now, if it is another."""
    try:
        if file is not None and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            return None
        return path.open("rb")
    except FileNotFoundError:
        return None
