"""Issue 4.5: copies of objects answer reads in an outage, and never an older version (I2)."""

import asyncio
import hashlib
from contextlib import aclosing, suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.cached import context, copied, external, files, is_copied, local, settled, tally
from tests.support.net import eventually
from tests.support.scripted import ORDINARY, ScriptedStore, connection_refused

from nobreak.engine import cache as cache_module
from nobreak.engine.cache import Version
from nobreak.errors import (
    LocalStoreError,
    NotFoundError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from nobreak.reporting.events import EventKind
from nobreak.stores.local.spool import INLINE_MAX
from nobreak.words import Attributes, ObjectInfo, ObjectName, RangeRequest, Receipt

TEXT = Attributes({"content-type": "text/plain"}, {"a": "b"})
SMALL, LARGE = b"small bytes", b"0123456789" * (INLINE_MAX // 5)
KEYS = pytest.mark.parametrize("body", [SMALL, LARGE, b""], ids=["small", "large", "empty"])


pytestmark = pytest.mark.usefixtures("quick_cache")


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
    await settled(rig)
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
    await settled(rig)
    assert (tally(rig).copies, files(rig)) == (0, [])


async def test_while_the_external_store_is_well_it_answers(cached):
    """Others may have written."""
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    rig.external.objects[rig.name("k")] = (b"by others", TEXT)
    assert await rig.store.read(rig.name("k")) == b"by others"
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


async def test_bytes_that_are_not_those_of_the_etag_make_no_copy(cached):
    """Damaged on their way to us: the client sees it, or not; the copy would last."""
    cache, traits = context(cached).cache, context(cached).external.traits
    row = ObjectInfo(cached.name("k"), len(SMALL), "v", datetime.fromtimestamp(0, UTC))
    await context(cached).catalog.put(row, Receipt(etag="v"))
    version = Version.of(row, Receipt(etag="v"), traits)
    right = hashlib.md5(SMALL).hexdigest()
    for md5, count in (("0" * 32, 0), (right, 1)):
        follower = cache.follow(version, md5)
        follower.take(SMALL)
        follower.end()
        await eventually(lambda: not cache._under_way)
        await copied(cached, count)


async def test_a_copy_that_comes_late_takes_no_place_of_a_newer_one(cached):
    """The object was overwritten while the older bytes came in."""
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    cache, traits = context(rig).cache, context(rig).external.traits
    newest = Version.of(*context(rig).catalog.get(rig.name("k")), traits)
    late = cache.follow(Version(rig.name("k"), "an older one", len(SMALL)))
    late.take(SMALL)
    late.end()
    await eventually(lambda: not cache._under_way)
    await rig.store.put(rig.name("other"), SMALL)
    await copied(rig, 2)  # what was to come in before it has come in
    assert cache.find(newest) is not None


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


async def test_who_was_shown_what_an_attempt_of_unknown_outcome_made_is_not_shown_the_old_version(
    start,
):
    """I2, in any process: all see that the key is in doubt."""
    first = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M", NOBREAK_SETTLE="30")
    second = await start(first.external, leads=False, NOBREAK_CACHE_BYTES="16M")
    await first.store.put(first.name("k"), SMALL)
    await copied(first)
    await first.give_up("k", b"nobody waits for it")
    assert first.name("k") in context(first).doubts
    await local(first)
    await is_unavailable(second, "k")
    await external(first)
    first.external.zombies[0].land()
    assert await first.store.read(first.name("k")) == b"nobody waits for it"
    await local(first)
    for rig in (first, second):
        await is_unavailable(rig, "k")


@pytest.mark.parametrize("read", ["read", "head"])
async def test_nor_what_a_dead_process_had_under_way(start, read):
    rig = await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M", NOBREAK_SETTLE="30")
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    await rig.engine.__aexit__(None, None, None)
    (rig.settings.local.data_dir / "running" / "dead").touch()
    rig.external.objects[rig.name("k")] = (b"by the dead process", TEXT)
    rig = await start(rig.external, NOBREAK_CACHE_BYTES="16M", NOBREAK_SETTLE="30")
    assert context(rig).board.read().crashed
    await getattr(rig.store, read)(rig.name("k"))
    await local(rig)
    await is_unavailable(rig, "k")


async def test_what_a_read_shows_costs_the_catalog_nothing_but_trust(start):
    """Where the server chooses names, the catalog is the only map; and conflicts are seen by its rows."""
    traits = replace(ORDINARY, keeps_attributes=False, chooses_names=True, lists=False)
    rig = await start(ScriptedStore(traits=traits), NOBREAK_CACHE_BYTES="16M")
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    kept = rig.external.objects.pop(rig.name("k"))
    with pytest.raises(NotFoundError):
        await rig.store.read(rig.name("k"))
    await local(rig)
    await is_unavailable(rig, "k")
    await external(rig)
    rig.external.objects[rig.name("k")] = kept
    assert await rig.store.read(rig.name("k")) == SMALL


async def test_a_read_that_the_catalog_cannot_be_told_of_goes_on_and_outdates_the_copy(
    cached, monkeypatch
):
    rig = cached
    await rig.store.put(rig.name("k"), SMALL)
    await copied(rig)
    rig.external.objects[rig.name("k")] = (b"by others", TEXT)

    async def fail(*_):
        raise LocalStoreError("the disk fails")

    monkeypatch.setattr(type(context(rig).index), "outdate", fail)
    assert await rig.store.read(rig.name("k")) == b"by others"
    assert files(rig) == [], "no other process may answer from it either"
    await local(rig)
    await is_unavailable(rig, "k")


@KEYS
async def test_a_copy_that_was_on_its_way_when_its_bucket_changed_does_not_come_in(
    cached, monkeypatch, body
):
    """I2: a form that a browser posts overwrites what was written, and read, just before."""
    rig, go = cached, asyncio.Event()
    kind = type(context(rig).cache._files)
    write, link = kind.write, kind.link

    async def slow_write(self, chunks):
        await go.wait()
        return await write(self, chunks)

    async def slow_link(self, source):
        await go.wait()
        return await link(self, source)

    monkeypatch.setattr(kind, "write", slow_write)
    monkeypatch.setattr(kind, "link", slow_link)
    rig.external.objects[rig.name("read")] = (body, TEXT)
    await rig.engine.indexing.scan("b")
    await rig.store.put(rig.name("k"), body)
    assert await rig.store.read(rig.name("read")) == body
    await rig.engine.forwarding.changed(rig.name(""), (), gone=False, sure=True)
    assert context(rig).cache._under_way == 2
    go.set()
    await settled(rig)
    await rig.store.put(rig.name("later"), body)
    await is_copied(rig, "later")
    await copied(rig, 1)
    await local(rig)
    for key in ("k", "read"):
        with pytest.raises(UnavailableError):
            await rig.store.read(rig.name(key))
