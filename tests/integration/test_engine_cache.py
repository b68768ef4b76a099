"""Issue 4.5: copies of objects answer reads in an outage, and never an older version (I2)."""

import asyncio
import hashlib
from contextlib import aclosing, suppress
from dataclasses import replace

import pytest
from tests.support.net import eventually
from tests.support.scripted import ORDINARY, ScriptedStore, connection_refused

from nobreak.engine import cache as cache_module
from nobreak.engine import indexing
from nobreak.engine.away import copy_of_newest
from nobreak.engine.cache import Version
from nobreak.errors import (
    LocalStoreError,
    NotFoundError,
    OutOfSpaceError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from nobreak.reporting.events import EventKind
from nobreak.stores.local.spool import INLINE_MAX
from nobreak.words import Attributes, ObjectName, Override, RangeRequest, Receipt

TEXT = Attributes({"content-type": "text/plain"}, {"a": "b"})
SMALL, LARGE = b"small bytes", b"0123456789" * (INLINE_MAX // 5)
KEYS = pytest.mark.parametrize("body", [SMALL, LARGE, b""], ids=["small", "large", "empty"])


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(indexing, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(cache_module, "TOLD_AFTER", 0.05)


@pytest.fixture
async def cached(start):
    return await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M")


def context(rig):
    return rig.engine._opened


def tally(rig):
    return context(rig).cache.tally()


def files(rig):
    folder = rig.settings.local.data_dir / "cache"
    return [path for path in folder.glob("*/*") if path.is_file()]


async def copied(rig, count=1):
    await eventually(lambda: tally(rig).copies == count and len(files(rig)) == count)


async def is_copied(rig, key):
    """Until the newest version has a copy."""
    await eventually(lambda: copy_of_newest(context(rig), rig.name(key)) is not None)


async def local(rig):
    await rig.engine.choose(Override.LOCAL, "test")


async def external(rig):
    await rig.engine.choose(Override.AUTO, "test")


async def is_unavailable(rig, key):
    for read in (rig.store.read, rig.store.head):
        with pytest.raises(UnavailableError):
            await read(rig.name(key))


@KEYS
async def test_what_was_written_is_read_in_an_outage(cached, body):
    rig = cached
    written = await rig.store.put(rig.name("k"), body, attributes=TEXT)
    await copied(rig)
    await local(rig)
    asked = len(rig.external.calls)
    assert await rig.store.read(rig.name("k")) == body
    found = await rig.store.head(rig.name("k"))
    assert (found.etag, found.size, found.attributes) == (written.etag, len(body), TEXT)
    assert len(rig.external.calls) == asked, "I5: nobody tries"
    await eventually(lambda: tally(rig).served == 1)


@KEYS
async def test_what_was_drained_is_read_in_the_next_outage(cached, body):
    rig = cached
    await local(rig)
    await rig.store.put(rig.name("k"), body, attributes=TEXT)
    assert tally(rig).copies == 0, "what waits is the journal's, and counts there"
    await external(rig)
    await rig.drained()
    await copied(rig)
    await local(rig)
    assert await rig.store.read(rig.name("k")) == body


@KEYS
async def test_what_was_read_is_read_in_an_outage(cached, body):
    rig = cached
    rig.external.objects[rig.name("k")] = (body, TEXT)
    await rig.engine.indexing.scan("b")
    assert await rig.store.read(rig.name("k")) == body
    await copied(rig)
    assert await rig.store.read(rig.name("k")) == body
    await eventually(lambda: not context(rig).cache._under_way)
    assert tally(rig).copies == 1
    await local(rig)
    assert await rig.store.read(rig.name("k")) == body


async def test_ranges_are_answered_from_a_copy(cached):
    rig = cached
    await rig.store.put(rig.name("k"), LARGE)
    await copied(rig)
    await local(rig)
    for asked, expected in [
        (RangeRequest(3, 8), LARGE[3:9]),
        (RangeRequest(None, 5), LARGE[-5:]),
        (RangeRequest(len(LARGE) - 1, None), LARGE[-1:]),
    ]:
        async with aclosing(await rig.store.get(rig.name("k"), range_=asked)) as reading:
            assert b"".join([chunk async for chunk in reading.chunks()]) == expected
    with pytest.raises(RangeNotSatisfiableError):
        await rig.store.get(rig.name("k"), range_=RangeRequest(len(LARGE), None))


async def test_a_part_that_was_read_makes_no_copy(cached):
    rig = cached
    rig.external.objects[rig.name("k")] = (LARGE, TEXT)
    await rig.engine.indexing.scan("b")
    async with aclosing(await rig.store.get(rig.name("k"), range_=RangeRequest(0, 4))) as reading:
        assert b"".join([chunk async for chunk in reading.chunks()]) == LARGE[:5]
    reading = await rig.store.get(rig.name("k"))
    async for _chunk in reading.chunks():
        break
    await reading.aclose()
    await eventually(lambda: not context(rig).cache._under_way)
    assert (tally(rig).copies, files(rig)) == (0, [])


async def test_while_the_external_store_is_well_it_answers(cached):
    """Others may have written."""
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    rig.external.objects[rig.name("k")] = (b"by others", TEXT)
    assert await rig.store.read(rig.name("k")) == b"by others"
    await eventually(lambda: context(rig).catalog.get(rig.name("k")) is None)
    await local(rig)
    await is_unavailable(rig, "k")


async def test_a_read_that_the_external_store_fails_to_answer_is_answered_by_the_copy(cached):
    """The first ones of an outage, too."""
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await rig.store.put(rig.name("other"), SMALL)
    await copied(rig, 2)
    rig.external.always = connection_refused
    assert await rig.store.read(rig.name("k")) == SMALL
    assert (await rig.store.head(rig.name("other"))).size == len(SMALL)


async def test_an_overwritten_version_is_never_served_again(cached):
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    await rig.store.put(rig.name("k"), LARGE)
    await local(rig)
    with suppress(UnavailableError):  # the new copy may not be there yet
        assert await rig.store.read(rig.name("k")) == LARGE
    await is_copied(rig, "k")
    assert await rig.store.read(rig.name("k")) == LARGE
    await rig.store.put(rig.name("k"), b"pending")
    assert await rig.store.read(rig.name("k")) == b"pending"
    await external(rig)
    await rig.drained()
    await rig.store.delete(rig.name("k"))
    await local(rig)
    await is_unavailable(rig, "k")


async def test_a_write_that_no_copy_was_made_of_outdates_the_old_one(cached, monkeypatch):
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    monkeypatch.setattr(cache_module, "AT_ONCE", 0)
    await rig.store.put(rig.name("k"), b"newer")
    await local(rig)
    await is_unavailable(rig, "k")


async def test_a_write_that_the_catalog_could_not_be_told_of_outdates_the_copy(cached, monkeypatch):
    """The disk fails: then nothing here says which version is the newest."""
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)

    async def fail(*_):
        raise LocalStoreError("the disk fails")

    monkeypatch.setattr(type(context(rig).catalog), "put", fail)
    monkeypatch.setattr(cache_module, "AT_ONCE", 0)
    await rig.store.put(rig.name("k"), b"newer")
    assert files(rig) == [], "no other process may answer from it either"
    await local(rig)
    with pytest.raises(UnavailableError):
        await rig.store.head(rig.name("k"))
    await is_unavailable(rig, "k")


async def test_a_key_that_an_attempt_may_still_change_is_not_answered(start):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M", NOBREAK_DIVERT_AFTER="5")
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    rig.external.plan.append(lambda _: "be late")
    task = asyncio.create_task(rig.store.put(rig.name("k"), b"late"))
    await eventually(lambda: rig.external.calls[-1][0] == "put" and not rig.external.plan)
    await local(rig)
    await is_unavailable(rig, "k")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await is_unavailable(rig, "k")
    rig.external.late.set()


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
@KEYS
async def test_a_damaged_copy_counts_as_none_and_is_removed(cached, body, harm):
    if harm != "remove" and not body:
        pytest.skip("no bytes to damage")
    rig = cached
    await rig.store.put(rig.name("k"), body)
    await copied(rig)
    (path,) = files(rig)
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif harm == "truncate":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    await local(rig)
    with pytest.raises(UnavailableError):
        await rig.store.read(rig.name("k"))
    assert (tally(rig).copies, files(rig)) == (0, [])
    assert rig.said(EventKind.COPY_CORRUPT)
    await is_unavailable(rig, "k")


async def test_damage_at_the_end_of_a_very_large_copy_is_never_a_whole_answer(cached, monkeypatch):
    monkeypatch.setattr("nobreak.stores.local.copies.VERIFIED_FIRST", 0)
    monkeypatch.setattr("nobreak.stores.local.kept.AT_ONCE", 1000)
    rig = cached
    await rig.store.put(rig.name("k"), LARGE)
    await copied(rig)
    (path,) = files(rig)
    path.write_bytes(LARGE[:-1] + b"x")
    await local(rig)
    got = []

    async def read():
        async with aclosing(await rig.store.get(rig.name("k"))) as reading:
            got.extend([len(chunk) async for chunk in noted(reading.chunks())])

    async def noted(chunks):
        async for chunk in chunks:
            got.append(len(chunk))
            yield chunk

    with pytest.raises(UnavailableError):
        await read()
    assert 0 < sum(got) < len(LARGE)
    await eventually(lambda: (tally(rig).copies, files(rig)) == (0, []))


async def test_the_limit_holds(start):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="1M")
    for n in range(40):
        await rig.store.put(rig.name(str(n)), bytes([n]) * 100_000)
        assert tally(rig).bytes <= 1024 * 1024
    await eventually(lambda: not context(rig).cache._under_way)
    await eventually(lambda: 5 <= tally(rig).copies == len(files(rig)))
    assert sum(path.stat().st_size for path in files(rig)) <= 1024 * 1024
    await rig.store.put(rig.name("too large"), bytes(300_000))
    await asyncio.sleep(0.2)
    await local(rig)
    await is_unavailable(rig, "too large")


async def test_a_scan_of_everything_leaves_what_is_in_use(start):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="1M")
    for key in ("used", *map(str, range(60))):
        rig.external.objects[rig.name(key)] = (key.encode() * 40_000, TEXT)
    await rig.engine.indexing.scan("b")
    await rig.store.read(rig.name("used"))
    await copied(rig)
    await rig.store.read(rig.name("used"))
    await asyncio.sleep(0.2)
    for n in range(60):
        await rig.store.read(rig.name(str(n)))
        await eventually(lambda: not context(rig).cache._under_way)
    await eventually(lambda: tally(rig).copies == len(files(rig)) > 1)
    await local(rig)
    assert await rig.store.read(rig.name("used")) == b"used" * 40_000
    with pytest.raises(UnavailableError):
        await rig.store.read(rig.name("1"))


async def test_copies_survive_a_restart_and_files_that_nobody_needs_are_removed(start):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M")
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    orphan = rig.settings.local.data_dir / "cache" / "ab" / "abandoned"
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"left by a crash")
    await rig.engine.__aexit__(None, None, None)
    rig = await start(rig.external, NOBREAK_CACHE_BYTES="16M")
    await local(rig)
    assert await rig.store.read(rig.name("k")) == SMALL
    await context(rig).cache._files.sweep(context(rig).cache._copies.needs, older_than=0.0)
    assert not orphan.exists()
    assert await rig.store.read(rig.name("k")) == SMALL


async def test_after_a_crash_copies_go_on_answering(start):
    """What the dead process had acknowledged is in the catalog: with a cache, always."""
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M")
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    await local(rig)
    await rig.engine.__aexit__(None, None, None)
    (rig.settings.local.data_dir / "running" / "dead").touch()
    rig = await start(rig.external, NOBREAK_CACHE_BYTES="16M")
    assert context(rig).board.read().crashed
    assert await rig.store.read(rig.name("k")) == SMALL
    with pytest.raises(UnavailableError):
        await rig.store.head(rig.name("unknown"))


async def test_another_process_on_the_same_data_answers_from_the_same_copies(start):
    first = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M")
    second = await start(first.external, leads=False, NOBREAK_CACHE_BYTES="16M")
    await first.store.put(first.name("k"), SMALL)
    await copied(second)
    await second.store.put(second.name("k"), b"newer")
    await local(first)
    await is_copied(first, "k")
    await copied(first)
    assert await first.store.read(first.name("k")) == b"newer"


async def test_a_cache_that_is_turned_off_leaves_nothing(start):
    """Turned on again, it must not take what it had for the newest."""
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M")
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    await rig.engine.__aexit__(None, None, None)
    rig = await start(rig.external)
    assert (tally(rig).copies, files(rig)) == (0, [])
    await rig.store.put(rig.name("k"), SMALL)
    await local(rig)
    await is_unavailable(rig, "k")


async def test_a_command_with_other_settings_takes_nothing_away_and_outdates_nothing_unseen(start):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M")
    for key in ("k", "deleted", "other"):
        await rig.store.put(rig.name(key), SMALL)
    await copied(rig, 3)
    command = await start(rig.external, leads=False)
    await command.store.put(rig.name("k"), b"newer")
    await command.store.delete(rig.name("deleted"))
    assert context(rig).catalog.get(rig.name("k"))[0].size == len(b"newer"), "before its answer"
    await local(rig)
    for key in ("k", "deleted"):
        await is_unavailable(rig, key)
    assert await rig.store.read(rig.name("other")) == SMALL
    with pytest.raises(UnavailableError):
        await command.store.read(rig.name("other"))


async def test_a_request_that_may_have_changed_a_whole_bucket_outdates_its_copies(cached):
    """A form that a browser posts, for one: nobody here sees which object it writes."""
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await rig.store.put(ObjectName("c", "k"), SMALL)
    await copied(rig, 2)
    await rig.engine.forwarding.changed(rig.name(""), (), gone=False, sure=True)
    await copied(rig, 1)
    await local(rig)
    await is_unavailable(rig, "k")
    assert await rig.store.read(ObjectName("c", "k")) == SMALL


async def test_two_versions_with_one_etag_are_two_where_etags_are_not_of_the_bytes(
    cached, monkeypatch
):
    """Of size and time, as nginx makes them: two writes in one second."""
    rig = cached

    async def put(name, body, attributes):
        rig.external.objects[name] = (b"".join([c async for c in body.chunks()]), attributes)
        await body.finished()
        return Receipt(etag="66-5")

    monkeypatch.setattr(rig.external, "put", put)
    await rig.store.put(rig.name("k"), b"one")
    await copied(rig)
    await asyncio.sleep(0.01)
    monkeypatch.setattr(cache_module, "AT_ONCE", 0)
    await rig.store.put(rig.name("k"), b"two")
    await local(rig)
    await is_unavailable(rig, "k")


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


async def test_bytes_that_are_not_those_of_the_etag_make_no_copy(cached):
    """Damaged on their way to us: the client sees it, or not; the copy would last."""
    cache = context(cached).cache
    version = Version(cached.name("k"), "v", len(SMALL))
    right = hashlib.md5(SMALL).hexdigest()
    for md5, count in (("0" * 32, 0), (right, 1)):
        follower = cache.follow(version, md5)
        follower.take(SMALL)
        follower.end()
        await eventually(lambda: not cache._under_way)
        await copied(cached, count)


async def test_an_answer_that_the_disk_cannot_follow_is_not_held_up(cached, monkeypatch):
    monkeypatch.setattr(cache_module, "IN_MEMORY", 1000)
    cache = context(cached).cache
    follower = cache.follow(Version(cached.name("k"), "v", 4000))
    for _ in range(4):
        follower.take(bytes(1000))
    assert cache._waiting <= 2000
    follower.end()
    await eventually(lambda: not cache._under_way)
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


async def test_a_server_that_chooses_names_is_cached_too(start):
    traits = replace(ORDINARY, keeps_attributes=False, chooses_names=True, lists=False)
    rig = await start(ScriptedStore(traits=traits), NOBREAK_CACHE_BYTES="16M")
    await rig.store.put(rig.name("a//k"), SMALL, attributes=TEXT)
    await copied(rig)
    await local(rig)
    assert await rig.store.read(rig.name("a//k")) == SMALL
    with pytest.raises(NotFoundError):
        await rig.store.read(rig.name("nothing"))


async def test_a_key_that_servers_may_fold_is_not_answered_from_a_copy(cached):
    """SeaweedFS keeps `a//k` as `a/k`: a write of that one would have changed it."""
    rig = cached
    await rig.store.put(rig.name("a//k"), SMALL)
    await copied(rig)
    await local(rig)
    await is_unavailable(rig, "a//k")


async def test_without_the_setting_nothing_is_kept(rig):
    await rig.store.put(rig.name("k"), LARGE)
    await rig.store.read(rig.name("k"))
    assert (tally(rig).copies, files(rig)) == (0, [])
    assert rig.engine.status()["cache"] == {
        "copies": 0,
        "bytes": 0,
        "max_bytes": None,
        "served": 0,
    }
