"""Issue 4.5: the cache keeps to its room, and gives it up when a write needs it (I1)."""

import errno

import pytest
from tests.support.cached import context, copied, external, files, local, settled, tally
from tests.support.net import eventually
from tests.support.scripted import ScriptedStore

from nobreak.engine import cache as cache_module
from nobreak.engine.away import copy_of_newest
from nobreak.engine.cache import Version
from nobreak.errors import OutOfSpaceError, UnavailableError
from nobreak.reporting.events import EventKind
from nobreak.stores.local import spool
from nobreak.stores.local.spool import INLINE_MAX
from nobreak.words import Attributes

TEXT = Attributes({"content-type": "text/plain"}, {"a": "b"})
SMALL, LARGE = b"small bytes", b"0123456789" * (INLINE_MAX // 5)


pytestmark = pytest.mark.usefixtures("quick_cache")


def hits(rig, key):
    sql = "SELECT hits FROM copy WHERE key = ?"
    return context(rig).cache._copies._database.read(sql, (key,))[0][0]


async def test_the_limit_holds(start):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="1M")
    for n in range(40):
        await rig.store.put(rig.name(str(n)), bytes([n]) * 100_000)
        assert tally(rig).bytes <= 1024 * 1024
    await settled(rig)
    await eventually(lambda: 5 <= tally(rig).copies == len(files(rig)))
    assert sum(path.stat().st_size for path in files(rig)) <= 1024 * 1024
    await rig.store.put(rig.name("too large"), bytes(300_000))
    assert not context(rig).cache._under_way
    await local(rig)
    with pytest.raises(UnavailableError):
        await rig.store.read(rig.name("too large"))


async def test_a_scan_of_everything_leaves_what_is_in_use(start):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="1M")
    for key in ("used", *map(str, range(60))):
        rig.external.objects[rig.name(key)] = (key.encode() * 40_000, TEXT)
    await rig.engine.indexing.scan("b")
    await rig.store.read(rig.name("used"))
    await copied(rig)
    await rig.store.read(rig.name("used"))
    await eventually(lambda: hits(rig, "used") == 1)
    for n in range(60):
        await rig.store.read(rig.name(str(n)))
        await settled(rig)
    await eventually(lambda: tally(rig).copies == len(files(rig)) > 1)
    await local(rig)
    assert await rig.store.read(rig.name("used")) == b"used" * 40_000
    with pytest.raises(UnavailableError):
        await rig.store.read(rig.name("1"))


async def test_the_cache_gives_way_before_a_write_is_refused(cached, monkeypatch):
    rig = cached
    for n in range(4):
        await rig.store.put(rig.name(str(n)), bytes([n]) * 1_000_000)
    await copied(rig, 4)
    disk, least = context(rig).bodies._disk, rig.settings.local.min_free_bytes
    capacity = least + tally(rig).bytes + 500_000
    monkeypatch.setattr(
        disk, "free_bytes", lambda: capacity - sum(p.stat().st_size for p in files(rig))
    )
    await local(rig)
    await rig.store.put(rig.name("write"), bytes(1_500_000))
    await eventually(lambda: tally(rig).bytes <= 3_000_000)
    assert await rig.store.read(rig.name("write")) == bytes(1_500_000)
    assert not rig.said(EventKind.DISK_FULL)


async def test_a_copy_is_left_out_where_the_disk_has_no_room_for_it(cached, monkeypatch):
    rig = cached
    disk, least = context(rig).bodies._disk, rig.settings.local.min_free_bytes
    monkeypatch.setattr(disk, "free_bytes", lambda: least + len(SMALL) * 2)
    rig.external.objects[rig.name("k")] = (LARGE, TEXT)
    await rig.engine.indexing.scan("b")
    assert await rig.store.read(rig.name("k")) == LARGE
    await rig.store.put(rig.name("small"), SMALL)
    await copied(rig)
    assert copy_of_newest(context(rig), rig.name("k")) is None


async def test_an_answer_that_the_disk_cannot_follow_is_not_held_up(cached, monkeypatch):
    monkeypatch.setattr(cache_module, "IN_MEMORY", 1000)
    cache = context(cached).cache
    follower = cache.follow(Version(cached.name("k"), "v", 4000))
    for _ in range(4):
        follower.take(bytes(1000))
    assert cache._waiting <= 2000
    follower.end()
    await settled(cached)
    assert (tally(cached).copies, files(cached), cache._waiting) == (0, [], 0)


async def test_a_cache_that_cannot_write_costs_no_client_anything(cached, monkeypatch):
    rig = cached

    async def fail(*_):
        raise OutOfSpaceError("full")

    monkeypatch.setattr(type(context(rig).cache._files), "write", fail)
    monkeypatch.setattr(type(context(rig).cache._files), "link", fail)
    for body in (SMALL, LARGE):
        await rig.store.put(rig.name("k"), body)
        assert await rig.store.read(rig.name("k")) == body
    await local(rig)
    await rig.store.put(rig.name("pending"), LARGE)
    await external(rig)
    await rig.drained()
    assert tally(rig).copies == 0
    assert not rig.said(EventKind.UNEXPECTED_ERROR)


async def test_a_start_with_less_room_keeps_to_it(start):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M")
    for n in range(8):
        await rig.store.put(rig.name(str(n)), bytes([n]) * 500_000)
    await copied(rig, 8)
    await rig.engine.__aexit__(None, None, None)
    command = await start(rig.external, leads=False, NOBREAK_CACHE_BYTES="2M")
    assert tally(command).copies == 8, "a command may have other settings than the service"
    await command.engine.__aexit__(None, None, None)
    rig = await start(rig.external, NOBREAK_CACHE_BYTES="2M")
    assert tally(rig).copies == len(files(rig)) == 4
    assert sum(path.stat().st_size for path in files(rig)) == tally(rig).bytes == 2_000_000
    await local(rig)
    assert await rig.store.read(rig.name("7")) == bytes([7]) * 500_000


class FullDisk:
    """A disk that is really full, whatever it says of itself, while the cache has so many files."""

    def __init__(self, rig, most):
        self._rig = rig
        self.most = most
        self.refused = 0

    def check(self):
        if len(files(self._rig)) > self.most:
            self.refused += 1
            raise OSError(errno.ENOSPC, "no space left")


@pytest.fixture
async def full(cached, monkeypatch):
    """Four copies, one too many."""
    for n in range(4):
        await cached.store.put(cached.name(str(n)), bytes([n]) * 1_000_000)
    await copied(cached, 4)
    await settled(cached)
    await local(cached)
    monkeypatch.setattr("nobreak.engine.giving_way.LEAST", 1_000_000)
    disk, write_all = FullDisk(cached, 3), spool.write_all

    def write(*arguments):
        disk.check()
        write_all(*arguments)

    monkeypatch.setattr(spool, "write_all", write)
    return disk


async def test_a_large_write_that_finds_the_disk_full_takes_the_room_of_copies(cached, full):
    await cached.store.put(cached.name("write"), LARGE)
    assert await cached.store.read(cached.name("write")) == LARGE
    assert full.refused == 1
    assert tally(cached).copies == len(files(cached)) == 3
    assert not cached.said(EventKind.DISK_FULL)


async def test_a_small_write_that_finds_the_disk_full_takes_the_room_of_copies(
    cached, full, monkeypatch
):
    """Its bytes go into the journal's file."""
    journal = type(context(cached).journal)
    append = journal.append

    async def fails_while_full(self, *arguments):
        try:
            full.check()
        except OSError as error:
            raise OutOfSpaceError("the disk is full") from error
        return await append(self, *arguments)

    monkeypatch.setattr(journal, "append", fails_while_full)
    await cached.store.put(cached.name("write"), SMALL)
    await cached.store.delete(cached.name("0"))
    assert await cached.store.read(cached.name("write")) == SMALL
    assert full.refused == 1
    full.most = 0
    for n in range(3):
        await cached.store.put(cached.name(f"write {n}"), SMALL)
    assert files(cached) == []
    full.most = -1
    with pytest.raises(OutOfSpaceError):
        await cached.store.put(cached.name("nothing is left to give"), SMALL)


async def test_a_disk_so_full_that_the_table_cannot_be_written_takes_the_files_first(
    cached, full, monkeypatch
):
    copies = type(context(cached).cache._copies)
    shrink, drop = copies.shrink, copies.drop

    async def fails_while_full(self, limit):
        try:
            full.check()
        except OSError as error:
            raise OutOfSpaceError("the disk is full") from error
        return await shrink(self, limit)

    monkeypatch.setattr(copies, "shrink", fails_while_full)
    await cached.store.put(cached.name("write"), LARGE)
    assert await cached.store.read(cached.name("write")) == LARGE
    assert tally(cached).copies == len(files(cached)) == 3
    with pytest.raises(UnavailableError):
        await cached.store.read(cached.name("0"))
    assert await cached.store.read(cached.name("3")) == bytes([3]) * 1_000_000
    assert not cached.said(EventKind.COPY_CORRUPT), "it was dropped on purpose"

    async def fail(*_):
        raise OutOfSpaceError("the disk is full")

    full.most = 2
    monkeypatch.setattr(copies, "drop", fail)
    await cached.store.put(cached.name("another"), LARGE)
    assert await cached.store.read(cached.name("another")) == LARGE
    monkeypatch.setattr(copies, "drop", drop)
    with pytest.raises(UnavailableError):
        await cached.store.read(cached.name("1"))
    await eventually(lambda: tally(cached).copies == len(files(cached)) == 2)
