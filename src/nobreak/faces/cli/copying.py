"""One copy: a file, stdin or an object to a file, stdout or an object."""

import asyncio
import mimetypes
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nobreak.engine.store import Store
from nobreak.words import Attributes, Mode, ObjectName

CHUNK = 1024 * 1024
STREAM = None
"""Instead of a path: stdin or stdout."""

Place = Path | ObjectName | None
Moved = Callable[[int], None]
"""Told of every chunk's size in bytes."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What to copy, and where to. One of the two is an object."""

    source: Place
    target: Place


async def copy(store: Store, job: Copy, moved: Moved) -> Mode:
    """Do it; which store has the object now, or gave it. Raises as `Store` does, and `OSError`."""
    match job:
        case Copy(ObjectName() as source, ObjectName() as target):
            return (await store.copy(source, target)).mode
        case Copy(ObjectName() as source, target):
            assert not isinstance(target, ObjectName)  # noqa: S101 - the case above
            return await _download(store, source, target, moved)
        case Copy(source, ObjectName() as target):
            assert not isinstance(source, ObjectName)  # noqa: S101 - the cases above
            return await _upload(store, source, target, moved)
    raise AssertionError("one of the two is an object")


async def _upload(store: Store, source: Path | None, target: ObjectName, moved: Moved) -> Mode:
    if source is STREAM:
        info = await store.put(target, _chunks(sys.stdin.buffer, moved))
        return info.mode
    guessed, encoding = mimetypes.guess_type(source.name)
    headers = {"content-type": guessed} if guessed and not encoding else {}
    with source.open("rb") as file:
        info = await store.put(
            target,
            _chunks(file, moved),
            attributes=Attributes(headers),
            size=os.fstat(file.fileno()).st_size,
        )
    return info.mode


async def _chunks(file: BinaryIO, moved: Moved) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, CHUNK):
        moved(len(chunk))
        yield chunk


async def _download(store: Store, source: ObjectName, target: Path | None, moved: Moved) -> Mode:
    async with aclosing(await store.get(source)) as reading:
        with _written(target) as file:
            async for chunk in reading.chunks():
                await asyncio.to_thread(file.write, chunk)
                moved(len(chunk))
        return reading.info.mode


@contextmanager
def _written(target: Path | None) -> Iterator[BinaryIO]:
    """A file that appears at `target` only once it is whole; a device is written directly."""
    if target is STREAM:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    partial = target.with_name(f".nobreak-{secrets.token_hex(6)}")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
