"""A body on its way in: kept here while it streams on, and never whole before it is well."""

import asyncio
import errno
import hashlib
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.net import eventually

from nobreak.errors import BodyMismatchError, OutOfSpaceError
from nobreak.stores.local import spool as spool_module
from nobreak.stores.local.disk import Disk
from nobreak.stores.local.spool import INLINE_MAX, MEMORY_MAX, Spool

LARGE = INLINE_MAX * 3


@pytest.fixture
def disk(tmp_path):
    opened = Disk(tmp_path, min_free_bytes=0, max_bytes=0)
    yield opened
    opened.close()


@pytest.fixture
async def begin(disk, tmp_path):
    """Begins a spool; `asked` collects for how many bytes room was asked."""
    begun = []

    def starter(announced=None, *, room=None, asked=None):
        def check_room(_spool, wanted):
            if asked is not None:
                asked.append(wanted)
            if room is not None and wanted > room:
                raise OutOfSpaceError("no room")

        spool = Spool(disk, tmp_path, announced, check_room)
        begun.append(spool)
        return spool

    yield starter
    for spool in begun:
        await spool.aclose()


async def read(spool, start=0, stop=None):
    return b"".join([chunk async for chunk in spool.chunks(start, stop)])


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    "size", [0, 1, 2, INLINE_MAX - 1, INLINE_MAX, INLINE_MAX + 1, 2 * INLINE_MAX, LARGE + 7]
)
@pytest.mark.parametrize("piece", [INLINE_MAX // 2, 10**9])
async def test_what_was_written_can_be_read_whole_and_in_part(begin, size, piece):
    content = os.urandom(size)
    spool = begin(size)
    for at in range(0, size, piece):
        await spool.write(content[at : at + piece])
    fingerprint = await spool.finish(hashlib.md5(content).hexdigest())
    assert (fingerprint.size, fingerprint.md5) == (size, hashlib.md5(content).hexdigest())
    assert (spool.size, spool.received, spool.fingerprint) == (size, size, fingerprint)
    assert await read(spool) == content
    assert await read(spool, 1, size - 1) == content[1 : size - 1]
    assert await read(spool, size) == b""
    assert (spool.path is None) == (size <= INLINE_MAX), "small bodies need no file"


@pytest.mark.parametrize("size", [1, 1000, LARGE])
async def test_readers_never_see_the_last_byte_before_the_body_is_found_well(begin, size):
    """An aborted or wrong upload has nowhere arrived whole."""
    content = os.urandom(size)
    spool, seen = begin(size), bytearray()

    async def follow():
        async for chunk in spool.chunks():
            seen.extend(chunk)

    reader = asyncio.ensure_future(follow())
    await spool.write(content)
    await asyncio.sleep(0.05)
    assert len(seen) < size
    assert not reader.done()
    await spool.finish()
    await reader
    assert bytes(seen) == content


async def test_readers_follow_at_once_and_not_only_in_the_end(begin):
    """The external store reads along."""
    spool, seen = begin(LARGE), bytearray()

    async def follow():
        async for chunk in spool.chunks():
            seen.extend(chunk)

    reader = asyncio.ensure_future(follow())
    for expected in (100, 200):
        await spool.write(os.urandom(100))
        await eventually(lambda expected=expected: len(seen) == expected - 1)
    await spool.write(os.urandom(LARGE - 200))
    await eventually(lambda: len(seen) >= LARGE - INLINE_MAX)
    await spool.finish()
    await reader
    assert len(seen) == LARGE


@pytest.mark.parametrize("size", [10, LARGE])
async def test_a_body_that_is_not_what_was_announced_is_refused(begin, size):
    spool = begin(size - 1)
    with pytest.raises(BodyMismatchError, match="longer"):
        await spool.write(bytes(size))
    short = begin(size + 1)
    await short.write(bytes(size))
    with pytest.raises(BodyMismatchError, match=f"has {size} bytes; {size + 1} were announced"):
        await short.finish()
    other = begin(size)
    await other.write(bytes(size))
    with pytest.raises(BodyMismatchError, match="MD5"):
        await other.finish("0" * 32)
    for spool in (short, other):
        assert spool.fingerprint is None
        assert spool._readable < size, "it stays incomplete for whoever reads it"


@pytest.mark.parametrize("size", [0, 10, LARGE])
async def test_whoever_reads_a_body_that_fails_hears_of_it(begin, size):
    spool = begin()
    await spool.write(bytes(size))
    reader = asyncio.ensure_future(read(spool))
    waiter = asyncio.ensure_future(spool.finished())
    await asyncio.sleep(0.01)
    spool.fail(ConnectionResetError("the client went away"))
    for task in (reader, waiter):
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(task, 2)
    with pytest.raises(ConnectionResetError):
        await read(spool)


async def test_room_for_all_that_was_announced_is_asked_for_before_it_is_written(begin):
    """I7: better refused at the beginning than in the middle."""
    asked = []
    spool = begin(LARGE, asked=asked)
    for _ in range(3):
        await spool.write(bytes(INLINE_MAX))
    assert asked[0] == LARGE
    assert all(earlier >= later for earlier, later in pairwise(asked))
    unannounced = begin(asked=asked)
    asked.clear()
    await unannounced.write(bytes(LARGE))
    assert asked == [LARGE]


async def test_without_room_a_body_stays_in_memory_up_to_a_limit(begin):
    """I7: a healthy external store may take it all the same."""
    content = os.urandom(LARGE)
    spool = begin(room=0)
    reader = asyncio.ensure_future(read(spool))
    for at in range(0, LARGE, 100_000):
        await spool.write(content[at : at + 100_000])
    await spool.finish()
    assert await reader == content
    assert spool.path is None
    large = begin(room=0)
    for _ in range(MEMORY_MAX // 2**20):
        await large.write(bytes(2**20))
    with pytest.raises(OutOfSpaceError):
        await large.write(bytes(2**20))


async def test_a_body_whose_file_finds_no_more_room_fails(begin):
    """Its beginning is no longer in memory."""
    spool = begin(room=2 * INLINE_MAX)
    await spool.write(bytes(2 * INLINE_MAX))
    with pytest.raises(OutOfSpaceError):
        await spool.write(bytes(3 * INLINE_MAX))


async def test_a_disk_that_is_full_in_the_middle_of_a_write_spoils_nothing(begin, monkeypatch):
    """I1, I7: what was half written is written anew, once there is room."""
    pwrite, full = os.pwrite, True

    def half(descriptor, data, offset):
        if not full:
            return pwrite(descriptor, data[:100_000], offset)
        if offset >= 100_000:
            raise OSError(errno.ENOSPC, "no space left on device")
        return pwrite(descriptor, data[: 100_000 - offset], offset)

    monkeypatch.setattr(spool_module.os, "pwrite", half)
    content = os.urandom(LARGE)
    spool = begin(LARGE)
    await spool.write(content[:INLINE_MAX])
    await spool.write(content[INLINE_MAX : 2 * INLINE_MAX])
    assert spool.path is None, "it goes on in memory"
    assert await read(spool, 0, 1000) == content[:1000]
    full = False
    await spool.write(content[2 * INLINE_MAX :])
    assert spool.path is not None
    await spool.finish(hashlib.md5(content).hexdigest())
    assert await read(spool) == content


async def test_the_file_goes_with_the_last_user(begin):
    before = open_files()
    spool = begin()
    await spool.write(bytes(LARGE))
    path = spool.path
    spool.share()
    await spool.aclose()
    await spool.finish()
    assert len(await read(spool)) == LARGE
    await spool.aclose()
    assert not path.exists()
    assert open_files() == before
    await spool.aclose()


@pytest.mark.parametrize("earlier", [0, LARGE], ids=["first", "later"])
async def test_a_writer_that_is_cancelled_leaves_no_file_behind(begin, monkeypatch, earlier):
    """The thread that writes may outlive it: it must not write to a file that is closed by now,
    whose number may be another file's already."""
    pwrite, slow, bad = os.pwrite, False, []

    def slowly(descriptor, data, offset):
        if slow:
            spool_module.threading.Event().wait(0.2)
        try:
            return pwrite(descriptor, data, offset)
        except OSError as error:
            bad.append(error)
            raise

    monkeypatch.setattr(spool_module.os, "pwrite", slowly)
    before = open_files()
    spool = begin()
    if earlier:
        await spool.write(bytes(earlier))
    slow = True
    writer = asyncio.ensure_future(spool.write(bytes(LARGE)))
    await asyncio.sleep(0.05)
    writer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writer
    await spool.aclose()
    assert not spool._path.exists()
    assert open_files() == before
    assert bad == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(st.integers(0, 400_000), max_size=6),
    readers=st.integers(1, 3),
    announced=st.booleans(),
)
async def test_any_number_of_readers_see_the_same_bytes(begin, pieces, readers, announced):
    contents = [os.urandom(piece) for piece in pieces]
    whole = b"".join(contents)
    spool = begin(len(whole) if announced else None)
    following = [asyncio.ensure_future(read(spool)) for _ in range(readers)]
    for content in contents:
        await spool.write(content)
        await asyncio.sleep(0)
    fingerprint = await spool.finish()
    assert await asyncio.gather(*following) == [whole] * readers
    assert await spool.finished() == fingerprint
    assert spool.size == len(whole), "known by now, announced or not"
    await spool.aclose()
