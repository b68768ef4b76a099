"""A write that the external store made and this disk could not note: nothing relies on the old row (I2)."""

import asyncio
import hashlib

import pytest
from tests.integration.test_conditional_writes import ABSENT, OF_FIRST, Deciding
from tests.support.cached import is_copied
from tests.support.net import eventually
from tests.support.scripted import connection_refused

from nobreak.engine import untold
from nobreak.errors import OutOfSpaceError, UnavailableError, UndecidedError
from nobreak.stores.sqlite import catalog
from nobreak.stores.sqlite import index as index_module
from nobreak.words import Override, Precondition

OF_SECOND = Precondition(frozenset({hashlib.md5(b"second").hexdigest()}))


def full(*_arguments):
    raise OutOfSpaceError("full")


@pytest.fixture
async def both(start, monkeypatch):
    """Two processes; the catalog knows of b"first"."""
    monkeypatch.setattr(untold, "AGAIN", 0.05)
    one = await start(Deciding())
    two = await start(one.external, leads=False)
    await one.store.put(one.name("k"), b"first", precondition=ABSENT)
    return one, two


@pytest.fixture
def full_disk(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(catalog, "_put", full)
        patched.setattr(catalog, "remove_object", full)
        patched.setattr(index_module, "_doubt", full)
        yield patched


async def put(rig):
    await rig.store.put(rig.name("k"), b"second")


async def put_conditionally(rig):
    with pytest.raises(OutOfSpaceError):
        await rig.store.put(rig.name("k"), b"second", precondition=OF_FIRST)


async def delete(rig):
    await rig.store.delete(rig.name("k"))


@pytest.mark.parametrize("write", [put, put_conditionally, delete])
async def test_a_row_that_could_not_be_written_decides_nothing(both, full_disk, write):
    one, two = both
    key = one.name("k")
    await write(one)
    assert one.outside("k") in {b"second", None}
    await eventually(lambda: two.store._context.doubts.is_row_behind(key))
    await one.engine.choose(Override.LOCAL, "test")
    await two.mode("local")
    for rig in both:
        with pytest.raises(UndecidedError):
            await rig.store.put(key, b"third", precondition=OF_FIRST)
    full_disk.undo()
    await eventually(lambda: not two.store._context.doubts.is_row_behind(key))
    assert one.store._context.catalog.get(key) is None


async def test_a_write_that_fails_on_its_way_is_decided_by_no_such_row_either(both, full_disk):
    one, two = both
    await put(one)
    await eventually(lambda: two.store._context.doubts.is_row_behind(one.name("k")))
    two.external.always = connection_refused
    with pytest.raises(UndecidedError):
        await two.store.put(two.name("k"), b"third", precondition=OF_SECOND)
    assert two.engine.journal.tally().entries == 0


async def put_new(rig):
    await rig.store.put(rig.name("new"), b"second")


@pytest.mark.parametrize("write", [put, put_new, delete])
@pytest.mark.parametrize("relied_on", ["cache", "index"])
async def test_no_process_reads_or_lists_by_a_row_that_could_not_be_written(
    start, monkeypatch, relied_on, write
):
    """I2: neither what was there before, nor that there is nothing."""
    monkeypatch.setattr(untold, "AGAIN", 0.05)
    one = await start(Deciding(), NOBREAK_CACHE_BYTES="16M" if relied_on == "cache" else "0")
    two = await start(one.external, leads=False, NOBREAK_CACHE_BYTES="16M")
    await one.store.put(one.name("k"), b"first")
    if relied_on == "cache":
        await is_copied(two, "k")
    else:
        await one.engine.indexing.scan("b")
    with monkeypatch.context() as full_disk:
        for module, name in (
            (catalog, "_put"),
            (catalog, "remove_object"),
            (index_module, "_doubt"),
            (index_module, "distrust"),
        ):
            full_disk.setattr(module, name, full)
        await write(one)
        await one.engine.choose(Override.LOCAL, "test")
        await two.mode("local")
        key = "new" if write is put_new else "k"
        for read in (two.store.head, two.store.read):
            with pytest.raises(UnavailableError):
                await read(two.name(key))
        with pytest.raises(UnavailableError):
            await two.store.list("b")
    await eventually(lambda: not one.store._context.doubts._here)
    with pytest.raises(UnavailableError):
        await two.store.head(two.name(key))


async def test_however_many_rows_are_behind_few_are_tried_at_a_time(start, monkeypatch):
    """A disk that stays full must not take the whole machine."""
    monkeypatch.setattr(untold, "AGAIN", 0.05)
    rig = await start(leads=False)
    context, count = rig.store._context, 5 * untold.AT_ONCE
    for n in range(count):
        await rig.store.put(rig.name(f"k{n}"), b"first")
    catalog_of = context.catalog
    await eventually(lambda: all(catalog_of.get(rig.name(f"k{n}")) for n in range(count)))
    with monkeypatch.context() as full_disk:
        full_disk.setattr(catalog, "_put", full)
        full_disk.setattr(catalog, "remove_object", full)
        full_disk.setattr(index_module, "_doubt", full)
        for n in range(count):
            await rig.store.put(rig.name(f"k{n}"), b"second")
        behind = context.doubts.is_row_behind
        await eventually(lambda: all(behind(rig.name(f"k{n}")) for n in range(count)))
        assert len(context.background) == 1
    await eventually(lambda: not context.doubts._here)
    assert [catalog_of.get(rig.name(f"k{n}")) for n in range(count)] == [None] * count


async def test_a_row_that_fails_again_while_it_is_mended_stays_behind(start, monkeypatch):
    """What was mended is what was there before: the newer write is in no row."""
    rig = await start(leads=False)
    key, context = rig.name("k"), rig.store._context
    looked, mended = asyncio.Event(), asyncio.Event()

    async def slow_look(_context, _name):
        looked.set()
        await mended.wait()

    monkeypatch.setattr(untold, "look_at", slow_look)
    notes = untold.Untold(context)
    notes.note(key)
    await looked.wait()
    notes.note(key)
    looked.clear()
    mended.set()
    await looked.wait()
    await eventually(lambda: not context.doubts.is_row_behind(key))
    assert not context.doubts._here


async def test_nothing_goes_on_when_the_last_rows_could_not_be_written(start, tmp_path):
    """The engine is closed: its claims are, too, and nobody tries the disk again."""
    rig = await start(leads=False)
    failed = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: failed.append(told))
    before = asyncio.all_tasks()
    await rig.store.put(rig.name("k"), b"first")
    (tmp_path / "data" / "journal.db").unlink()
    await rig.engine.__aexit__(None, None, None)
    await asyncio.sleep(0.01)
    assert asyncio.all_tasks() <= before
    assert failed == []


async def test_once_the_disk_takes_it_no_process_lacks_the_bucket_any_more(both, full_disk):
    """Else its lists and copies would be refused in every later outage, until a restart."""
    one, _two = both
    index = one.store._context.index
    await put(one)
    await eventually(lambda: index.lacks("b"))
    full_disk.undo()
    await eventually(lambda: not index.lacks("b"))
    assert not index._missed
