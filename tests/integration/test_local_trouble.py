"""A data directory that fails under a running engine: said, and no more lost than must be (I7)."""

import asyncio
import os
import shutil
import sqlite3
from contextlib import aclosing

import pytest
from tests.support.net import eventually

from nobreak.engine.health import FRESH
from nobreak.errors import CorruptBodyError, LocalStoreError, OutOfSpaceError
from nobreak.reporting.events import EventKind
from nobreak.words import Override, RangeRequest

LARGE = 3 * 2**20


async def local(start, **environment):
    rig = await start(leads=False, **environment)
    await rig.engine.choose(Override.LOCAL, "test")
    return rig


async def part(rig, name, first, last):
    async with aclosing(await rig.store.get(name, range_=RangeRequest(first, last))) as reading:
        return b"".join([chunk async for chunk in reading.chunks()])


async def test_no_part_of_a_damaged_body_is_served_and_its_damage_is_told(start, tmp_path):
    """I2."""
    rig, content = await local(start), os.urandom(LARGE)
    await rig.store.put(rig.name("k"), content)
    assert await part(rig, rig.name("k"), 10, 19) == content[10:20]
    (blob,) = (tmp_path / "data" / "blobs").glob("*/*")
    with blob.open("r+b") as file:
        file.seek(LARGE // 2)
        file.write(b"damage")
    os.utime(blob, (1, 1))
    for first in (10, LARGE // 2, LARGE - 20):
        with pytest.raises(CorruptBodyError):
            await part(rig, rig.name("k"), first, first + 9)
    assert rig.told.kinds.count(EventKind.BODY_CORRUPT) == 3


async def test_writes_at_the_same_time_do_not_exceed_the_local_store(start, tmp_path):
    """NOBREAK_LOCAL_MAX_BYTES."""
    rig = await local(start, NOBREAK_LOCAL_MAX_BYTES=str(2 * LARGE + 5))

    async def chunks():
        for _ in range(LARGE // 2**16):
            yield bytes(2**16)
            await asyncio.sleep(0)

    puts = [rig.store.put(rig.name(f"k{n}"), chunks(), size=LARGE) for n in range(6)]
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert sum(isinstance(result, OutOfSpaceError) for result in results) == 4
    files = (tmp_path / "data" / "blobs").glob("*/*")
    assert sum(path.stat().st_size for path in files) == 2 * LARGE
    await rig.store.delete(rig.name("k0"))
    assert list((tmp_path / "data" / "spool").iterdir()) == []


async def test_large_bodies_go_through_though_the_data_directory_is_gone(start, tmp_path):
    """The external store is well; what is seen here is reported, not raised."""
    rig, content = await start(leads=False), os.urandom(LARGE)
    shutil.rmtree(tmp_path / "data")
    await rig.store.put(rig.name("k"), content)
    assert rig.outside("k") == content
    assert rig.engine.status()["disk"]["free"] == 0
    health = await rig.engine.health()
    assert (health.serves, health.journal_writable, health.disk_room) == (True, False, True)
    await eventually(lambda: rig.told.kinds == [EventKind.JOURNAL_CORRUPT])
    with pytest.raises(LocalStoreError):
        await rig.engine.choose(Override.LOCAL, "test")


async def test_a_damaged_journal_is_told_once_and_makes_the_machine_unwell(start, tmp_path):
    rig = await local(start)
    await rig.store.put(rig.name("k"), b"content")
    path = tmp_path / "data" / "journal.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (roots,) = connection.execute(
            "SELECT group_concat(rootpage) FROM sqlite_schema WHERE name GLOB 'entry*'"
        )
    connection.close()
    with path.open("r+b") as file:
        for page in filter(int, roots[0].split(",")):
            file.seek((int(page) - 1) * 4096)
            file.write(b"\xff" * 4096)
    other = await start(leads=False)
    for _ in range(2):
        with pytest.raises(LocalStoreError):
            await other.store.put(other.name("new"), b"content")
    health = await other.engine.health()
    assert (health.reads, health.writes, health.serves) == (False, False, False)
    assert other.told.kinds == [EventKind.JOURNAL_CORRUPT]


async def test_after_a_crash_a_disk_that_takes_nothing_is_no_place_for_writes(start, tmp_path):
    """I4: until what was under way has settled, every write goes through the journal."""
    (tmp_path / "data" / "running").mkdir(parents=True)
    (tmp_path / "data" / "running" / "dead").touch()
    rig = await start(leads=False)
    assert (await rig.engine.health()).writes
    (tmp_path / "data" / "spool").rmdir()
    await asyncio.sleep(FRESH)
    with pytest.raises(LocalStoreError):
        await rig.store.put(rig.name("k"), bytes(LARGE))
    health = await rig.engine.health()
    assert (health.reads, health.writes) == (True, False)


async def test_a_delete_that_the_external_store_confirmed_stands_though_the_disk_here_fails(
    rig, monkeypatch
):
    """I1, I2: what the catalog could not be told is noted as missed."""

    async def failing(_name):
        raise LocalStoreError("EIO")

    await rig.store.put(rig.name("k"), b"x")
    await eventually(lambda: rig.engine._context.catalog.get(rig.name("k")) is not None)
    monkeypatch.setattr(rig.engine._context.catalog, "remove", failing)
    await rig.store.delete(rig.name("k"))
    assert rig.outside("k") is None
    assert not rig.engine._context.index.is_complete("b")
