"""Bodies on this machine: kept, read back only when they are well, swept only when nobody needs
them."""

import asyncio
import errno
import hashlib
import itertools
import os
import shutil
import stat
import sys
import threading
import time
import uuid
from contextlib import aclosing
from pathlib import Path

import pytest
from tests.support.net import eventually

from nobreak.errors import CorruptBodyError, LocalStoreError, NobreakError, OutOfSpaceError
from nobreak.stores.interfaces import KeptBody, KeptSegment
from nobreak.stores.local import bodies as bodies_module
from nobreak.stores.local import folders as folders_module
from nobreak.stores.local import verified as verified_module
from nobreak.stores.local.bodies import BodyStore
from nobreak.stores.local.disk import Disk
from nobreak.stores.local.folders import make_folder
from nobreak.stores.local.spool import INLINE_MAX, MEMORY_MAX
from nobreak.words import Fingerprint, Segment

LARGE = 3 * 2**20 + 5


@pytest.fixture
def disk(tmp_path):
    opened = Disk(tmp_path, min_free_bytes=0, max_bytes=0)
    yield opened
    opened.close()


def body_store(disk, used=lambda: 0, needed=lambda _file: True):
    return BodyStore(disk, used, needed)


@pytest.fixture
async def bodies(disk):
    store = body_store(disk)
    await store.open()
    return store


def fingerprint(content):
    return Fingerprint(len(content), hashlib.md5(content).hexdigest())


async def kept(bodies, content):
    async with aclosing(bodies.spool(len(content))) as spool:
        await spool.write(content)
        await spool.finish()
        return await bodies.keep(spool)


async def read(bodies, body, expected, start=0, stop=None):
    async with aclosing(await bodies.open_kept(body, expected)) as reader:
        return b"".join([chunk async for chunk in reader.chunks(start, stop)])


async def take(bodies, body, expected, start, stop, taken):
    async with aclosing(await bodies.open_kept(body, expected)) as reader:
        async for chunk in reader.chunks(start, stop):
            taken += chunk


def blob(folder, body):
    return folder / "blobs" / body.file[:2] / body.file


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("size", [0, 1, INLINE_MAX, INLINE_MAX + 1, LARGE])
async def test_what_is_kept_is_read_back_whole_and_in_part(bodies, tmp_path, size):
    content, before = os.urandom(size), open_files()
    body = await kept(bodies, content)
    assert (body.inline is None) == (size > INLINE_MAX)
    assert await read(bodies, body, fingerprint(content)) == content
    assert await read(bodies, body, fingerprint(content), 1, size // 2) == content[1 : size // 2]
    assert await read(bodies, body, fingerprint(content), 1, size + 100) == content[1:]
    assert open_files() == before
    assert list((tmp_path / "spool").iterdir()) == []


async def test_a_reader_can_start_over_and_be_closed_twice(bodies):
    """A driver that sends in parts reads more than once."""
    content = os.urandom(LARGE)
    reader = await bodies.open_kept(await kept(bodies, content), fingerprint(content))
    assert (reader.size, await reader.finished()) == (LARGE, fingerprint(content))
    for _ in range(2):
        assert b"".join([chunk async for chunk in reader.chunks()]) == content
    await reader.aclose()
    await reader.aclose()


@pytest.mark.parametrize("at", [0, LARGE // 2, LARGE - 1])
async def test_damaged_bytes_are_never_read_to_their_end(bodies, tmp_path, at):
    """I2, I7: who reads them is told before the last of them has come."""
    content = os.urandom(LARGE)
    body = await kept(bodies, content)
    with blob(tmp_path, body).open("r+b") as file:
        file.seek(at)
        file.write(bytes([content[at] ^ 1]))
    reader, got = await bodies.open_kept(body, fingerprint(content)), bytearray()
    with pytest.raises(CorruptBodyError):
        await reader.verify()

    async def take_all():
        async for chunk in reader.chunks():
            got.extend(chunk)

    with pytest.raises(CorruptBodyError):
        await take_all()
    assert len(got) < LARGE
    await reader.aclose()


@pytest.mark.parametrize("size", [0, 10, LARGE - 1, LARGE + 1])
async def test_a_file_of_another_size_is_not_even_opened(bodies, tmp_path, size):
    content, before = os.urandom(LARGE), open_files()
    body = await kept(bodies, content)
    os.truncate(blob(tmp_path, body), size)
    with pytest.raises(CorruptBodyError, match=f"has {size} bytes, not {LARGE}"):
        await bodies.open_kept(body, fingerprint(content))
    assert open_files() == before


async def test_a_file_that_shrinks_while_it_is_read_is_found_out(bodies, tmp_path):
    content = os.urandom(LARGE)
    body = await kept(bodies, content)
    async with aclosing(await bodies.open_kept(body, fingerprint(content))) as reader:
        os.truncate(blob(tmp_path, body), LARGE - 1)
        with pytest.raises(CorruptBodyError, match="ends too early"):
            [chunk async for chunk in reader.chunks()]
        with pytest.raises(CorruptBodyError, match="damaged"):
            [chunk async for chunk in reader.chunks(LARGE - 1, LARGE)]


@pytest.mark.parametrize("at", [0, LARGE // 2, LARGE - 1])
async def test_no_part_of_a_damaged_file_is_read_even_one_that_is_well(bodies, tmp_path, at):
    """I2, I7: a good 206 is taken for the object's bytes."""
    content = os.urandom(LARGE)
    body = await kept(bodies, content)
    assert await read(bodies, body, fingerprint(content), 7, 9) == content[7:9]
    with blob(tmp_path, body).open("r+b") as file:
        file.seek(at)
        file.write(bytes([content[at] ^ 1]))
    age(blob(tmp_path, body), 5)  # within one tick of the clock two writes have the same time
    for start, stop in ((max(0, at - 5), at + 5), (100, 200), (1, LARGE)):
        with pytest.raises(CorruptBodyError, match="damaged"):
            await read(bodies, body, fingerprint(content), start, stop)


async def test_a_file_is_hashed_once_for_all_parts_of_it(bodies, monkeypatch):
    """Also for many who ask at once; the oldest is forgotten when too many are remembered."""
    monkeypatch.setattr(verified_module, "MOST", 1)
    contents = [os.urandom(LARGE) for _ in range(2)]
    files = [await kept(bodies, content) for content in contents]
    hashed, real = [], verified_module.Verified._hashed

    async def counted(verified, descriptor):
        hashed.append(descriptor)
        return await real(verified, descriptor)

    monkeypatch.setattr(verified_module.Verified, "_hashed", counted)

    async def part(which, start):
        got = await read(bodies, files[which], fingerprint(contents[which]), start, start + 10)
        assert got == contents[which][start : start + 10]

    await asyncio.gather(*(part(0, start) for start in range(20)))
    assert len(hashed) == 1
    await part(1, 5)
    await part(0, 5)
    assert len(hashed) == 3


async def test_a_file_that_is_gone_and_bytes_that_rot_in_the_journal_are_told(bodies, tmp_path):
    content = os.urandom(LARGE)
    body = await kept(bodies, content)
    blob(tmp_path, body).unlink()
    with pytest.raises(CorruptBodyError, match="is gone"):
        await bodies.open_kept(body, fingerprint(content))
    with pytest.raises(CorruptBodyError, match="the journal are damaged"):
        await bodies.open_kept(KeptBody(inline=b"abd"), fingerprint(b"abc"))


async def test_a_reader_that_is_cancelled_while_it_opens_leaves_no_file_open(bodies, monkeypatch):
    content, before, os_open = os.urandom(LARGE), open_files(), os.open
    body = await kept(bodies, content)

    def slowly(*args):
        threading.Event().wait(0.1)
        return os_open(*args)

    monkeypatch.setattr(bodies_module.os, "open", slowly)
    opening = asyncio.ensure_future(bodies.open_kept(body, fingerprint(content)))
    await asyncio.sleep(0.02)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.sleep(0.2)
    assert open_files() == before


async def test_what_left_the_journal_is_removed_also_when_it_is_gone_already(bodies, tmp_path):
    bodies_kept = [await kept(bodies, os.urandom(LARGE)) for _ in range(2)]
    for _ in range(2):
        await bodies.remove([body.file for body in bodies_kept])
    assert not any(blob(tmp_path, body).exists() for body in bodies_kept)


async def in_segments(bodies, *pieces, family="upload"):
    """A body in segments, and its fingerprint."""
    kept_segments = []
    for piece in pieces:
        async with aclosing(bodies.spool(len(piece))) as spool:
            await spool.write(piece)
            found = await spool.finish()
            file = (await bodies.keep(spool, family=family)).file
        kept_segments.append(KeptSegment(file, Segment(found.size, found.md5)))
    body = KeptBody(segments=tuple(kept_segments))
    return body, Fingerprint.of_segments(tuple(each.segment for each in kept_segments))


@pytest.mark.parametrize("sizes", [(LARGE, 10, LARGE), (0,), (5, 0), (1,)])
async def test_a_body_in_segments_is_read_as_one_whole_and_across_them(bodies, sizes):
    pieces = [os.urandom(size) for size in sizes]
    body, expected = await in_segments(bodies, *pieces)
    content, before = b"".join(pieces), open_files()
    assert expected.size == len(content)
    assert expected.etag.endswith(f"-{len(sizes)}")
    assert await read(bodies, body, expected) == content
    for start, stop in ((0, 1), (LARGE - 3, LARGE + 12), (LARGE + 2, LARGE + 4), (3, None)):
        assert await read(bodies, body, expected, start, stop) == content[start:stop]
    async with aclosing(await bodies.open_kept(body, expected)) as reader:
        assert await reader.finished() == reader.fingerprint == expected
        assert [each.size for each in reader.fingerprint.segments] == list(sizes)
        await reader.verify()
    assert open_files() == before


async def test_a_body_of_many_segments_takes_two_descriptors_while_it_is_read(bodies):
    """S3 allows ten thousand parts; a process may have a thousand files open."""
    body, expected = await in_segments(bodies, *[b"x" * 10] * 300)
    before, most = open_files(), 0
    async with aclosing(await bodies.open_kept(body, expected)) as reader:
        async for _chunk in reader.chunks():
            most = max(most, open_files())
    assert most - before == 2


async def test_a_damaged_segment_is_never_given_and_spoils_no_other(bodies, tmp_path):
    """I2, I7."""
    pieces = [os.urandom(LARGE) for _ in range(3)]
    body, expected = await in_segments(bodies, *pieces)
    path = blob(tmp_path, KeptBody(file=body.files[1]))
    with path.open("r+b") as file:
        file.seek(7)
        file.write(bytes([pieces[1][7] ^ 1]))
    assert await read(bodies, body, expected, 0, LARGE) == pieces[0]
    assert await read(bodies, body, expected, 2 * LARGE) == pieces[2]
    for start, stop in ((0, None), (LARGE + 100, LARGE + 200)):
        taken = bytearray()
        with pytest.raises(CorruptBodyError):
            await take(bodies, body, expected, start, stop, taken)
        assert start + len(taken) < (2 * LARGE if start == 0 else LARGE + 101)
    async with aclosing(await bodies.open_kept(body, expected)) as reader:
        with pytest.raises(CorruptBodyError):
            await reader.verify()
    path.write_bytes(b"short")
    with pytest.raises(CorruptBodyError, match="has 5 bytes"):
        await bodies.open_kept(body, expected)
    path.unlink()
    with pytest.raises(CorruptBodyError, match="is gone"):
        await bodies.open_kept(body, expected)


async def chunks_left(chunks):
    return b"".join([chunk async for chunk in chunks])


READER = """
import asyncio, sys
from contextlib import aclosing
from pathlib import Path
from nobreak.stores.interfaces import KeptBody, KeptSegment
from nobreak.stores.local.bodies import BodyStore
from nobreak.stores.local.disk import Disk
from nobreak.words import Segment

async def main(folder, left, *segments):
    bodies = BodyStore(Disk(Path(folder), min_free_bytes=0, max_bytes=0), lambda: 0, lambda _: left == "no")
    pairs = zip(segments[::2], segments[1::2])
    kept = KeptBody(segments=tuple(KeptSegment(f, Segment(int(n), "0" * 32)) for f, n in pairs))
    async with aclosing(await bodies.open_kept(kept, None)):
        print("reading", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    print("ended", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


class OtherReader:
    """A process of its own that reads a body; `left`: whether its entry has left when it ends."""

    async def start(self, folder, body, *, left):
        segments = [text for each in body.segments for text in (each.file, str(each.segment.size))]
        arguments = ["-c", READER, str(folder), "yes" if left else "no", *segments]
        pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
        self._process = await asyncio.create_subprocess_exec(sys.executable, *arguments, **pipes)
        assert await self._process.stdout.readline() == b"reading\n"

    async def end(self):
        self._process.stdin.write(b"\n")
        assert await self._process.stdout.readline() == b"ended\n"
        await self._process.communicate()

    async def kill(self):
        self._process.kill()
        await self._process.communicate()


def there(folder, body):
    return [blob(folder, KeptBody(file=file)).exists() for file in body.files]


async def test_segments_stay_until_their_last_reader_ends(disk, tmp_path):
    """I2: an entry that leaves while it is read is read to its end, and then leaves nothing."""
    needed = set()
    bodies = body_store(disk, needed=needed.__contains__)
    await bodies.open()
    pieces = [os.urandom(LARGE) for _ in range(3)]
    body, expected = await in_segments(bodies, *pieces)
    needed |= set(body.files)
    before = open_files()
    one, two = [await bodies.open_kept(body, expected) for _ in range(2)]
    chunks = one.chunks()
    taken = await anext(chunks)
    needed.clear()
    assert await bodies.release(body.files) == 0
    assert taken + await chunks_left(chunks) == b"".join(pieces)
    await one.aclose()
    await one.aclose()
    assert there(tmp_path, body) == [True] * 3
    assert await chunks_left(two.chunks(LARGE, 2 * LARGE)) == pieces[1]
    await two.aclose()
    assert there(tmp_path, body) == [False] * 3
    assert open_files() == before


async def test_a_body_that_is_needed_stays_when_its_reader_ends(disk, tmp_path):
    """I1."""
    bodies = body_store(disk, needed=lambda _: True)
    await bodies.open()
    body, expected = await in_segments(bodies, b"a" * LARGE, b"b")
    for _ in range(2):
        assert await read(bodies, body, expected) == b"a" * LARGE + b"b"
    assert there(tmp_path, body) == [True] * 2


async def test_readers_of_other_bodies_keep_nothing(bodies, tmp_path):
    mine, expected = await in_segments(bodies, b"a" * LARGE, b"b")
    other, _ = await in_segments(bodies, b"c", b"d", family="other")
    async with aclosing(await bodies.open_kept(mine, expected)):
        assert await bodies.release([*mine.files, *other.files]) == 2
    assert there(tmp_path, mine) + there(tmp_path, other) == [True, True, False, False]


@pytest.mark.parametrize("way", ["ends", "ends, and the entry has left", "dies"])
async def test_segments_that_another_process_reads_stay(bodies, tmp_path, way):
    """I2, I6: the kernel ends the lease of a process that dies; the sweep finds what it left."""
    body, _ = await in_segments(bodies, os.urandom(LARGE), b"b")
    reader, left = OtherReader(), way == "ends, and the entry has left"
    await reader.start(tmp_path, body, left=left)
    assert await bodies.release(body.files) == 0
    assert there(tmp_path, body) == [True] * 2
    await (reader.kill() if way == "dies" else reader.end())
    assert there(tmp_path, body) == [not left] * 2
    assert await bodies.release(body.files) == 2
    assert there(tmp_path, body) == [False] * 2


async def test_the_sweep_takes_no_segments_that_are_read(disk, tmp_path):
    bodies = body_store(disk, needed=lambda _: False)
    await bodies.open()
    body, expected = await in_segments(bodies, os.urandom(LARGE), b"b")
    for file in body.files:
        age(blob(tmp_path, KeptBody(file=file)), 3700)
    async with aclosing(await bodies.open_kept(body, expected)):
        assert await bodies.sweep() == 0
        assert there(tmp_path, body) == [True] * 2
    assert there(tmp_path, body) == [False] * 2  # its reader was the last one


async def test_segments_that_are_being_removed_are_gone_for_who_comes_now(
    disk, bodies, monkeypatch
):
    """Half of them may still be there."""
    body, expected = await in_segments(bodies, b"a", b"b")
    unlink, removing, go_on = Path.unlink, threading.Event(), threading.Event()

    def slowly(path, **more):
        unlink(path, **more)
        removing.set()
        go_on.wait(10)

    monkeypatch.setattr(Path, "unlink", slowly)
    release = asyncio.create_task(bodies.release(body.files))
    await asyncio.to_thread(removing.wait, 10)
    with pytest.raises(CorruptBodyError, match="is being removed"):
        await bodies.open_kept(body, expected)
    go_on.set()
    assert await release == 2


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


async def test_a_sweep_removes_old_files_that_nobody_needs_and_no_others(disk, tmp_path):
    """I1: never one that an entry needs, nor a young one whose entry may be on its way."""
    needed = {"old"}
    bodies = body_store(disk, needed=needed.__contains__)
    await bodies.open()
    old_orphan, young_orphan, old_needed = [await kept(bodies, os.urandom(LARGE)) for _ in range(3)]
    for body in (old_orphan, old_needed):
        age(blob(tmp_path, body), 3700)
    age(blob(tmp_path, young_orphan), 3500)
    for name, seconds in (("old", 3700), ("young", 3500)):
        (tmp_path / "spool" / name).write_bytes(b"x")
        age(tmp_path / "spool" / name, seconds)
    needed.add(old_needed.file)
    assert await bodies.sweep() == 2
    assert not blob(tmp_path, old_orphan).exists()
    assert blob(tmp_path, young_orphan).exists()
    assert blob(tmp_path, old_needed).exists()
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["young"]


async def test_a_sweep_is_not_put_off_by_files_that_go_while_it_looks(
    bodies, tmp_path, monkeypatch
):
    """Under load some always do."""
    for name in ("going", "old"):
        (tmp_path / "spool" / name).touch()
        age(tmp_path / "spool" / name, 3700)
    real_stat = Path.stat

    def stat_too_late(path, **more):
        if path.name == "going":
            path.unlink(missing_ok=True)
        return real_stat(path, **more)

    monkeypatch.setattr(Path, "stat", stat_too_late)
    assert await bodies.sweep() == 1


async def test_the_local_store_takes_what_fits_to_the_byte_and_no_more(tmp_path):
    """I7: NOBREAK_LOCAL_MAX_BYTES, counted with what the journal holds already."""
    disk = Disk(tmp_path, min_free_bytes=0, max_bytes=1000)
    disk.check_room(400, 600)
    with pytest.raises(OutOfSpaceError, match="NOBREAK_LOCAL_MAX_BYTES"):
        disk.check_room(401, 600)
    disk.close()
    store = body_store(disk := Disk(tmp_path, min_free_bytes=0, max_bytes=1000), lambda: 600)
    await store.open()
    assert (await kept(store, bytes(400))).inline == bytes(400)
    with pytest.raises(OutOfSpaceError):
        await kept(store, bytes(401))
    disk.close()


@pytest.mark.parametrize("announced", [True, False])
async def test_bodies_that_come_at_once_share_the_room_that_is_left(tmp_path, announced):
    """I7: NOBREAK_LOCAL_MAX_BYTES holds for what is on its way as well, to the byte."""
    disk, used = Disk(tmp_path, min_free_bytes=0, max_bytes=3 * LARGE), 0
    bodies = body_store(disk, lambda: used)
    await bodies.open()
    content, held = bytes(LARGE), []

    async def put():
        nonlocal used
        async with aclosing(bodies.spool(LARGE if announced else None)) as spool:
            for at in range(0, LARGE, INLINE_MAX):
                await spool.write(content[at : at + INLINE_MAX])
            await spool.finish()
            body = await bodies.keep(spool)
            used += LARGE
            held.append(body)

    results = await asyncio.gather(*(put() for _ in range(8)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, OutOfSpaceError)]
    assert len(held) + len(refused) == 8
    assert used <= 3 * LARGE
    if announced:
        assert len(held) == 3, "who is refused is refused at once, and takes no room from others"
    while used + LARGE <= 3 * LARGE:
        await put()
    with pytest.raises(OutOfSpaceError):
        await put()
    used -= LARGE
    await put()
    assert list((tmp_path / "spool").iterdir()) == []
    disk.close()


async def test_what_another_body_was_promised_is_not_free(tmp_path, monkeypatch):
    """NOBREAK_MIN_FREE_BYTES: the disk counts what is written, we what is still to come."""
    disk = Disk(tmp_path, min_free_bytes=1000, max_bytes=0)
    bodies = body_store(disk, lambda: 0)
    await bodies.open()
    free = 1000 + 2 * LARGE
    monkeypatch.setattr(disk, "free_bytes", lambda: free)
    first, second, third = (bodies.spool(LARGE) for _ in range(3))
    for spool in (first, second, third):
        await spool.write(bytes(INLINE_MAX + 1))
        free -= spool.written
    assert (first.path is None, second.path is None, third.path is None) == (False, False, True)
    await first.aclose()
    free += INLINE_MAX + 1
    await third.write(b"x")
    assert third.path is not None
    for spool in (second, third):
        await spool.aclose()
    disk.close()


async def test_a_kept_body_that_is_still_being_sent_is_not_counted_twice(tmp_path):
    """A late answer is waited for long after the write has its entry."""
    disk = Disk(tmp_path, min_free_bytes=0, max_bytes=2 * LARGE)
    used = 0
    bodies = body_store(disk, lambda: used)
    await bodies.open()
    spool = bodies.spool(LARGE)
    spool.share()
    await spool.write(bytes(LARGE))
    await spool.finish()
    await bodies.keep(spool)
    used = LARGE
    await spool.aclose()
    assert (await kept(bodies, bytes(LARGE))).file
    await spool.aclose()
    disk.close()


@pytest.mark.parametrize("gone", ["spool", "."])
async def test_without_a_usable_disk_a_body_passes_through_memory_up_to_a_limit(tmp_path, gone):
    """I7: the external store may be well; what can't be kept is not said to be kept."""
    folder = tmp_path / "data"
    disk = Disk(folder, min_free_bytes=0, max_bytes=0)
    bodies = body_store(disk, lambda: 0)
    await bodies.open()
    shutil.rmtree(folder / gone)
    content = os.urandom(LARGE)
    async with aclosing(bodies.spool(LARGE)) as spool:
        await spool.write(content)
        assert await spool.finish() == fingerprint(content)
        assert b"".join([chunk async for chunk in spool.chunks()]) == content
        with pytest.raises(LocalStoreError):
            await bodies.keep(spool)
    async with aclosing(bodies.spool(None)) as spool:
        with pytest.raises(LocalStoreError):
            await spool.write(bytes(MEMORY_MAX + 1))
    assert (bodies.free_bytes() == 0) == (gone == ".")
    disk.close()


async def test_some_of_the_disk_stays_free(tmp_path, monkeypatch):
    """NOBREAK_MIN_FREE_BYTES: what is about to be written counts too."""
    disk = Disk(tmp_path, min_free_bytes=1000, max_bytes=0)
    monkeypatch.setattr(disk, "free_bytes", lambda: 1500)
    disk.check_room(500, 10**12)
    with pytest.raises(OutOfSpaceError, match="NOBREAK_MIN_FREE_BYTES"):
        disk.check_room(501, 0)
    disk.close()


async def test_a_body_that_stayed_in_memory_for_want_of_room_is_not_kept_in_the_journals_row(
    tmp_path, monkeypatch
):
    """I7: rows are small; when there is room again, the next one has a file."""
    disk = Disk(tmp_path, min_free_bytes=1000, max_bytes=0)
    bodies = body_store(disk, lambda: 0)
    await bodies.open()
    free = 0
    monkeypatch.setattr(disk, "free_bytes", lambda: free)
    async with aclosing(bodies.spool(None)) as spool:
        await spool.write(bytes(INLINE_MAX + 1))
        await spool.finish()
        free = 10**9
        with pytest.raises(OutOfSpaceError):
            await bodies.keep(spool)
    disk.close()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, OutOfSpaceError),
        (errno.EDQUOT, OutOfSpaceError),
        (errno.EIO, LocalStoreError),
        (errno.EROFS, LocalStoreError),
    ],
)
async def test_what_the_disk_says_is_said_in_our_words(disk, number, expected):
    def fail():
        raise OSError(number, "disk")

    with pytest.raises(NobreakError) as caught:
        await disk.run(fail)
    assert type(caught.value) is expected


async def test_who_keeps_a_body_has_seen_an_fsync_of_its_folders_name(
    bodies, tmp_path, monkeypatch
):
    """I1: also when another thread has just made that folder, and its fsync is not done yet."""
    names = itertools.count()
    monkeypatch.setattr(bodies_module.uuid, "uuid4", lambda: uuid.UUID(int=next(names)))
    first_at_it, let_first_go, fsynced = threading.Event(), threading.Event(), []

    def slow_for_the_first(folder):
        if folder == tmp_path / "blobs" and not first_at_it.is_set():
            first_at_it.set()
            assert let_first_go.wait(10)
        fsynced.append(folder)

    monkeypatch.setattr(bodies_module, "fsync_folder", slow_for_the_first)
    first = asyncio.ensure_future(kept(bodies, b"a" * LARGE))
    await eventually(first_at_it.is_set)
    second = await kept(bodies, b"b" * LARGE)
    assert not first.done()
    assert (tmp_path / "blobs" / "00" / second.file).exists()
    assert fsynced == [tmp_path / "blobs", tmp_path / "blobs" / "00"]
    let_first_go.set()
    await first


async def test_folders_that_the_dead_have_left_are_fsynced_before_anything_is_kept(
    disk, monkeypatch
):
    """I1: it may have died between making a folder and its fsync."""
    for path in ("blobs/ab", "spool"):
        (disk.folder / path).mkdir(parents=True)
    fsynced = []
    for module in (bodies_module, folders_module):
        monkeypatch.setattr(module, "fsync_folder", fsynced.append)
    await BodyStore(disk, used=lambda: 0, needed=lambda _: False).open()
    assert set(fsynced) == {disk.folder, disk.folder / "blobs"}


def test_folders_are_ours_alone_and_may_be_made_by_two_at_once(tmp_path):
    """They hold other people's data."""
    folder = tmp_path / "a" / "b" / "c"
    threads = [threading.Thread(target=make_folder, args=(folder,)) for _ in range(8)]
    before = open_files()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folder.is_dir()
    for made in (folder, folder.parent, folder.parent.parent):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert open_files() == before
