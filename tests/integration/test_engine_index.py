"""I2: lists in an outage come from a catalog that is known to be complete, and only from such a one."""

import asyncio
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest
from tests.support.net import eventually
from tests.support.scripted import ScriptedStore, connection_refused

from nobreak.engine import indexing, opening
from nobreak.engine.journal_file import JOURNAL_FILE
from nobreak.engine.presence import present
from nobreak.errors import NotFoundError, OutageError, UnavailableError
from nobreak.stores.sqlite.database import Database
from nobreak.words import Attributes, ObjectInfo, Override, Receipt


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(indexing, "LOOK_EVERY", 0.05)


@pytest.fixture
async def filled(start):
    """A rig whose external store held objects before nobreak came."""
    store = ScriptedStore()
    rig = await start(store)
    for n in range(2500):
        store.objects[rig.name(f"old/{n:04}")] = (b"x", Attributes())
    return rig


async def local(rig):
    await rig.engine.choose(Override.LOCAL, "test")


async def learnt(rig):
    """Until nothing is left to be asked for."""
    await eventually(lambda: not any(row.partial for row in rig.engine.indexing.buckets()))


async def keys(rig, prefix=""):
    return [info.name.key async for info in rig.store.walk("b", prefix=prefix)]


async def test_without_a_scan_nobody_lists_in_an_outage(filled):
    await local(filled)
    with pytest.raises(UnavailableError):
        await filled.store.list("b")


async def test_after_a_scan_lists_are_whole_in_an_outage_with_what_came_since(filled):
    rig = filled
    assert await rig.engine.indexing.scan("b") == 2500
    assert rig.engine.indexing.buckets()[0].scanned_at is not None
    await rig.store.put(rig.name("new"), b"x")
    await rig.store.delete(rig.name("old/0001"))
    await rig.store.copy(rig.name("new"), rig.name("copy"))
    await eventually(lambda: rig.engine.indexing.buckets()[0].objects == 2501)
    await local(rig)
    await rig.store.put(rig.name("pending"), b"x")
    await rig.store.delete(rig.name("old/0002"))
    found = await keys(rig)
    gone = {"old/0001", "old/0002"}
    expected = [f"old/{n:04}" for n in range(2500) if f"old/{n:04}" not in gone]
    assert found == sorted([*expected, "new", "copy", "pending"])
    assert await keys(rig, "old/24") == [f"old/{n}" for n in range(2400, 2500)]


async def test_what_a_complete_catalog_does_not_have_is_not_found_in_an_outage(filled):
    """Clients look before they write: rclone, `exists()` of Django and fsspec."""
    rig = filled
    await local(rig)
    with pytest.raises(UnavailableError):
        await rig.store.head(rig.name("nothing"))  # nobody knows what there is
    await rig.engine.choose(Override.EXTERNAL, "test")
    await rig.engine.indexing.scan("b")
    await local(rig)
    for look in (rig.store.head, rig.store.get):
        with pytest.raises(NotFoundError):
            await look(rig.name("nothing"))
        for odd in ("old//0001", "../y", "old/"):
            with pytest.raises(UnavailableError):
                await look(rig.name(odd))
    with pytest.raises(UnavailableError):
        await rig.store.get(rig.name("old/0001"))


async def test_what_was_written_during_the_scan_is_in_the_list(filled, monkeypatch):
    rig = filled
    monkeypatch.setattr(indexing, "BETWEEN_PAGES", 0.1)
    scan = asyncio.create_task(rig.engine.indexing.scan("b"))
    await asyncio.sleep(0.15)
    await rig.store.put(rig.name("old/0000a"), b"x")
    await rig.store.delete(rig.name("old/0000"))
    await rig.store.delete(rig.name("old/2499"))
    await scan
    await local(rig)
    found = await keys(rig)
    assert "old/0000a" in found
    assert {"old/0000", "old/2499"}.isdisjoint(found)
    assert len(found) == 2499


async def test_a_scan_that_broke_off_makes_nothing_complete(filled):
    filled.external.plan.extend([lambda _: None, connection_refused])
    with pytest.raises(OutageError):
        await filled.engine.indexing.scan("b")
    await local(filled)
    with pytest.raises(UnavailableError):
        await filled.store.list("b")


async def test_after_a_crash_the_leader_scans_again_before_the_list_is_believed(filled):
    """What the dead process had confirmed may not have been written down."""
    rig = filled
    await rig.engine.indexing.scan("b")
    rig.external.objects[rig.name("confirmed by the dead")] = (b"x", Attributes())
    (rig.settings.local.data_dir / "running" / "dead").touch()
    await eventually(lambda: rig.engine.indexing.buckets()[0].objects == 2501)
    await eventually(lambda: rig.engine.indexing.buckets()[0].scanned_at is not None)
    await local(rig)
    assert "confirmed by the dead" in await keys(rig)


async def test_after_an_outage_the_leader_looks_for_what_others_wrote(filled):
    rig = filled
    await rig.engine.indexing.scan("b")
    await local(rig)
    await asyncio.sleep(0.2)
    rig.external.objects[rig.name("by others")] = (b"x", Attributes())
    await rig.engine.choose(Override.AUTO, "test")
    await eventually(lambda: rig.engine.indexing.buckets()[0].objects == 2501)
    await local(rig)
    assert "by others" in await keys(rig)


async def test_a_write_that_nobody_waited_for_is_looked_at(start):
    """Its client went away: it may have landed all the same."""
    rig = await start(ScriptedStore(), NOBREAK_SETTLE="0.2", NOBREAK_DIVERT_AFTER="5")
    await rig.engine.indexing.scan("b")
    rig.external.plan.append(lambda _: "be late")
    task = asyncio.create_task(rig.store.put(rig.name("k"), b"x"))
    await eventually(lambda: rig.external.calls and rig.external.calls[-1][0] == "put")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    rig.external.late.set()
    await eventually(lambda: rig.outside("k") == b"x")
    await eventually(lambda: rig.engine.indexing.buckets()[0].objects == 1)
    await local(rig)
    assert await keys(rig) == ["k"]


async def test_a_key_that_may_have_changed_unseen_hides_only_itself(start):
    """I2: an attempt that nobody knows the end of, when the outage begins."""
    rig = await start(ScriptedStore(), NOBREAK_DIVERT_AFTER="5")
    for key in ("a/k", "b/1"):
        rig.external.objects[rig.name(key)] = (b"x", Attributes())
    await rig.engine.indexing.scan("b")
    await learnt(rig)
    rig.external.plan.append(lambda _: "be late")
    task = asyncio.create_task(rig.store.put(rig.name("a/k"), b"longer"))
    await eventually(lambda: rig.external.calls and rig.external.calls[-1][0] == "put")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await local(rig)
    await eventually(lambda: not rig.engine._opened.index.is_sure("b", ""))
    assert await keys(rig, "b/") == ["b/1"]
    for prefix in ("", "a/"):
        with pytest.raises(UnavailableError):
            await keys(rig, prefix)
    rig.external.late.set()
    await rig.engine.choose(Override.AUTO, "test")
    await eventually(lambda: rig.engine._opened.index.is_sure("b", ""))
    await local(rig)
    assert await keys(rig) == ["a/k", "b/1"]


async def test_a_look_that_the_end_cut_off_is_made_up_for_after_the_next_start(start):
    rig = await start(ScriptedStore(), NOBREAK_DIVERT_AFTER="5", NOBREAK_SETTLE="30")
    await rig.engine.indexing.scan("b")
    rig.external.plan.append(lambda _: "be late")
    task = asyncio.create_task(rig.store.put(rig.name("k"), b"x"))
    await eventually(lambda: rig.external.calls and rig.external.calls[-1][0] == "put")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await rig.engine.__aexit__(None, None, None)
    rig.external.objects[rig.name("k")] = (b"x", Attributes())
    rig = await start(rig.external)
    await eventually(lambda: rig.engine.indexing.buckets()[0].objects == 1)
    await local(rig)
    assert await keys(rig) == ["k"]


async def test_the_monitors_own_object_is_no_object_of_a_scan(filled):
    filled.external.objects[filled.name(".nobreak/canary-1")] = (b"x", Attributes())
    assert await filled.engine.indexing.scan("b") == 2501
    assert filled.engine.indexing.buckets()[0].objects == 2500


async def test_who_ends_leaves_only_when_what_it_owes_the_catalog_is_written(start, monkeypatch):
    """Else a crash in between would go unnoticed, and a list would miss an object (I2)."""
    rig = await start()
    info = ObjectInfo(rig.name("new"), 1, "etag", datetime.now(UTC))
    folder, left = rig.settings.local.data_dir, []

    @contextmanager
    def watched(data_dir):
        with present(data_dir):
            yield
        with closing(Database.look(folder / JOURNAL_FILE)) as look:
            left.extend(look.read("SELECT key FROM object"))

    monkeypatch.setattr(opening, "present", watched)
    async with opening.opened(rig.settings, rig.told) as context:
        context.catalog.put_soon(info, Receipt(etag="etag"))
    assert left == [("new",)]
