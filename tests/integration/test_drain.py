"""The drain gives everything back: in order, confirmed, whatever a single entry does."""

import asyncio
import os
from dataclasses import replace

import pytest
from tests.support.net import eventually
from tests.support.scripted import ORDINARY, ScriptedStore, connection_refused

from nobreak.engine import drain as drain_module
from nobreak.errors import (
    CorruptBodyError,
    NotFoundError,
    OutageError,
    OutageKind,
    OutOfSpaceError,
    RefusedError,
)
from nobreak.reporting.events import EventKind
from nobreak.stores.external.base import Traits
from nobreak.words import Attributes, Mode, Override, Receipt

LARGE = 700_000


async def outage(rig):
    rig.healthy, rig.external.always = False, connection_refused
    await rig.mode("local")


def back(rig):
    rig.healthy, rig.external.always = True, None


async def test_everything_comes_back_in_order_deletes_included(rig):
    """I4: every version reaches the external store, in ack order."""
    rig.external.objects[rig.name("gone")] = (b"x", Attributes())
    await outage(rig)
    versions = {f"k{n % 7}": None for n in range(60)}
    for n in range(60):
        versions[f"k{n % 7}"] = content = os.urandom(n * 10)
        await rig.store.put(rig.name(f"k{n % 7}"), content)
    await rig.store.delete(rig.name("gone"))
    await rig.store.delete(rig.name("k0"))
    versions["k0"] = versions["gone"] = None
    done_before = len(rig.external.calls)
    back(rig)
    await rig.drained()
    assert {key: rig.outside(key) for key in versions} == versions
    order = [key for op, key in rig.external.calls[done_before:] if op == "put"]
    assert [order.count(f"k{n}") for n in range(7)] == [9, 9, 9, 9, 8, 8, 8]
    assert rig.said(EventKind.DRAIN_STARTED)
    await eventually(lambda: rig.said(EventKind.DRAIN_COMPLETE))
    assert not list((rig.settings.local.data_dir / "blobs").rglob("*/*"))


async def test_new_writes_go_external_after_recovery_but_not_past_the_journal(rig):
    """I4: a key that still waits keeps its order."""
    await outage(rig)
    await rig.store.put(rig.name("waits"), b"1")
    rig.healthy = True
    rig.external.always = lambda op: (
        (_ for _ in ()).throw(RefusedError(403, "Denied", "")) if op == "put" else None
    )
    await rig.mode("external")
    await eventually(lambda: rig.engine.journal.tally().parked == 1)
    assert (await rig.store.put(rig.name("waits"), b"2")).mode is Mode.LOCAL
    rig.external.always = None
    assert (await rig.store.put(rig.name("free"), b"3")).mode is Mode.EXTERNAL
    await rig.drained()
    assert rig.outside("waits") == b"2"
    await eventually(lambda: rig.said(EventKind.ENTRY_SUPERSEDED))


async def test_a_refused_entry_is_parked_and_never_blocks_the_others(rig):
    """I7."""
    await outage(rig)
    for n in range(10):
        await rig.store.put(rig.name(f"k{n}"), os.urandom(100))

    refused_key = "k3"
    put = rig.external.put

    async def picky(name, body, attributes):
        if name.key == refused_key:
            raise RefusedError(413, "EntityTooLarge", "too large")
        return await put(name, body, attributes)

    rig.external.put = picky
    back(rig)
    await eventually(lambda: rig.engine.journal.tally().entries == 1)
    (parked,) = rig.engine.journal.entries(parked=True, after=0, limit=10)
    assert (parked.name.key, parked.error) == ("k3", "HTTP 413 EntityTooLarge: too large")
    assert rig.said(EventKind.ENTRY_PARKED)
    assert len(await rig.store.read(rig.name("k3"))) == 100, "I2: it is still served"
    refused_key = ""
    await rig.engine.journal.retry_parked()
    await rig.drained()
    assert len(rig.outside("k3")) == 100


async def test_an_entry_that_fails_again_and_again_is_parked_while_the_others_go_on(
    rig, monkeypatch
):
    """I7, I8: its content makes the server fail; the server itself is well."""
    monkeypatch.setattr(drain_module, "FAILED_FIRST", 0.01)
    monkeypatch.setattr(drain_module, "FAILED_LONGEST", 0.05)
    await outage(rig)
    for n in range(5):
        await rig.store.put(rig.name(f"k{n}"), b"x")
    put = rig.external.put

    async def poisoned(name, body, attributes):
        if name.key == "k1":
            raise OutageError(OutageKind.STATUS, "HTTP 500", in_doubt=True)
        return await put(name, body, attributes)

    rig.external.put = poisoned
    back(rig)
    await eventually(lambda: rig.engine.journal.tally().parked == 1, within=20)
    await eventually(lambda: rig.engine.journal.tally().entries == 1)
    assert rig.engine.status()["current_mode"] == "external"


async def test_the_bucket_of_faces_without_buckets_is_made_before_anything_is_given_back(rig):
    made = []

    async def ensure(bucket):
        made.append(bucket)

    await outage(rig)
    rig.external.ensure_bucket = ensure
    await rig.store.put(rig.name("k"), b"x")
    back(rig)
    await rig.drained()
    assert made == ["nobreak"]


async def test_an_overwrite_leaves_no_old_file_where_the_server_chooses_names(start):
    traits = Traits(keeps_attributes=False, chooses_names=True, lists=False)
    rig = await start(ScriptedStore(traits=traits))
    files, put = [], rig.external.put

    async def named(name, body, attributes):
        await put(name, body, attributes)
        files.append(f"file{len(files)}")
        return Receipt(remote=files[-1])

    discarded = []

    async def delete(name, *, receipt):
        discarded.append(receipt.remote)

    rig.external.put, rig.external.delete = named, delete
    await rig.store.put(rig.name("k"), b"1")
    await rig.store.put(rig.name("k"), b"2")
    await eventually(lambda: discarded == ["file0"])
    await rig.engine.choose(Override.LOCAL, "test")
    await rig.store.put(rig.name("k"), b"3")
    await rig.engine.choose(Override.AUTO, "test")
    await rig.drained()
    await eventually(lambda: discarded == ["file0", "file1"])


async def test_nothing_is_forgotten_that_the_external_store_does_not_hold(rig):
    """I3: a server that acknowledges and stores something else is found out."""
    await outage(rig)
    content = os.urandom(1000)
    await rig.store.put(rig.name("k"), content)
    put, lies = rig.external.put, 2

    async def lying(name, body, attributes):
        nonlocal lies
        receipt = await put(name, body, attributes)
        if lies:
            lies -= 1
            rig.external.objects[name] = (content[:-1], attributes)
        return receipt

    rig.external.put = lying
    back(rig)
    await eventually(lambda: lies == 0)
    assert rig.engine.journal.tally().entries == 1
    await rig.drained(within=20)
    assert rig.outside("k") == content


async def test_a_settled_entry_that_somebody_overwrote_is_sent_again(rig):
    """I4."""
    rig.external.plan.append(lambda _: "become a zombie")
    await rig.store.put(rig.name("k"), b"mine")
    await eventually(lambda: rig.outside("k") == b"mine")
    rig.external.objects[rig.name("k")] = (b"late", Attributes())
    await rig.drained()
    assert rig.outside("k") == b"mine"


async def test_the_drain_stops_when_the_server_goes_away_again_and_loses_nothing(rig):
    await outage(rig)
    contents = {f"k{n}": os.urandom(50) for n in range(40)}
    for key, content in contents.items():
        await rig.store.put(rig.name(key), content)
    put = rig.external.put

    async def slow(name, body, attributes):
        await asyncio.sleep(0.05)
        return await put(name, body, attributes)

    rig.external.put = slow
    back(rig)
    await eventually(lambda: len(rig.external.objects) > 0, every=0.005)
    await outage(rig)
    assert 0 < rig.engine.journal.tally().entries < 40
    for key, content in contents.items():
        if rig.engine.journal.newest(rig.name(key)):
            assert await rig.store.read(rig.name(key)) == content
    back(rig)
    await rig.drained()
    assert {key: rig.outside(key) for key in contents} == contents


async def test_a_pinned_local_mode_leaves_the_external_store_alone(rig):
    """A person who pins local may be working on the server."""
    await rig.engine.choose(Override.LOCAL, "test")
    assert (await rig.store.put(rig.name("k"), b"x")).mode is Mode.LOCAL
    await rig.checked()
    assert rig.outside("k") is None
    await rig.engine.choose(Override.AUTO, "test")
    await rig.drained()
    assert rig.outside("k") == b"x"
    await eventually(lambda: rig.told.kinds.count(EventKind.OVERRIDE_CHANGED) == 2)


async def test_pinned_external_never_makes_anybody_wait_for_a_dead_server(rig):
    """I5: the override says where writes belong, not that all must hang."""
    await rig.engine.choose(Override.EXTERNAL, "test")
    rig.healthy, rig.external.always = False, connection_refused
    for n in range(10):
        assert (await rig.store.put(rig.name(f"k{n}"), b"x")).mode is Mode.LOCAL
    await eventually(lambda: rig.said(EventKind.OUTAGE_WHILE_PINNED))
    assert rig.engine.status()["current_mode"] == "external"
    back(rig)
    await rig.drained()
    assert rig.external.count("put") < 15


async def test_mode_override_and_journal_survive_a_restart(start):
    """I1, I6."""
    first = await start()
    await first.engine.choose(Override.LOCAL, "test")
    for n in range(5):
        await first.store.put(first.name(f"k{n}"), os.urandom(LARGE if n == 1 else 10))
    contents = [await first.store.read(first.name(f"k{n}")) for n in range(5)]
    await first.engine.__aexit__(None, None, None)
    second = await start(first.external)
    assert second.engine.status()["current_mode"] == "local"
    assert second.engine.status()["override"] == "local"
    assert second.engine.journal.tally().entries == 5
    assert [await second.store.read(second.name(f"k{n}")) for n in range(5)] == contents
    await second.engine.choose(Override.AUTO, "test")
    await second.drained()
    assert [second.outside(f"k{n}") for n in range(5)] == contents


async def test_an_outage_survives_a_restart(start):
    first = await start()
    await outage(first)
    await first.engine.__aexit__(None, None, None)
    external = ScriptedStore(always=connection_refused)
    second = await start(external, leads=False)
    assert second.engine.status()["current_mode"] == "local"
    assert (await second.store.put(second.name("k"), b"x")).mode is Mode.LOCAL
    assert external.calls == []


async def test_use_external_false_pins_local_and_true_starts_external(start):
    """Seed: "Forçar troca manual para LOCAL", "Forçar troca manual para EXTERNO"."""
    first = await start(USE_EXTERNAL_STORAGE="false")
    assert first.engine.status()["current_mode"] == "local"
    assert (await first.store.put(first.name("k"), b"x")).mode is Mode.LOCAL
    await first.engine.__aexit__(None, None, None)
    second = await start(first.external, USE_EXTERNAL_STORAGE="true")
    assert second.engine.status()["current_mode"] == "external"
    await second.drained()
    assert second.outside("k") == b"x"


def blobs(rig):
    return [p for p in (rig.settings.local.data_dir / "blobs").rglob("*") if p.is_file()]


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
@pytest.mark.parametrize("whole", [False, True])
async def test_a_damaged_body_is_told_never_served_never_sent_and_blocks_nobody(
    start, damage, whole
):
    """I7: the client gets a clear error, the operator an alert, everything else goes on.

    A server that may keep half an object is not even asked (I1: what it has stays whole).
    """
    rig = await start(ScriptedStore(traits=replace(ORDINARY, replaces_whole=whole)))
    await outage(rig)
    await rig.store.put(rig.name("bad"), os.urandom(LARGE))
    (file,) = blobs(rig)
    await rig.store.put(rig.name("good"), os.urandom(LARGE))
    if damage == "flip":
        with file.open("r+b") as blob:
            blob.seek(LARGE // 2)
            byte = blob.read(1)[0]
            blob.seek(LARGE // 2)
            blob.write(bytes([byte ^ 1]))
    elif damage == "truncate":
        os.truncate(file, LARGE - 1)
    else:
        file.unlink()
    with pytest.raises(CorruptBodyError):
        await rig.store.read(rig.name("bad"))
    since = len(rig.external.calls)
    back(rig)
    await eventually(lambda: rig.engine.journal.tally().parked == 1)
    await eventually(lambda: rig.outside("good") is not None)
    assert rig.outside("bad") is None
    asked = ("put", "bad") in rig.external.calls[since:]
    assert asked == (whole and damage == "flip"), "any other damage shows when it is opened"
    assert rig.said(EventKind.BODY_CORRUPT)


async def test_a_full_local_store_refuses_clearly_and_everything_else_goes_on(start):
    """I7."""
    rig = await start(NOBREAK_LOCAL_MAX_BYTES="1M")
    await outage(rig)
    await rig.store.put(rig.name("k1"), os.urandom(LARGE))
    for size in (LARGE, 400_000):
        with pytest.raises(OutOfSpaceError, match="NOBREAK_LOCAL_MAX_BYTES"):
            await rig.store.put(rig.name("k2"), os.urandom(size))
    await rig.store.put(rig.name("small"), b"fits")
    assert len(await rig.store.read(rig.name("k1"))) == LARGE
    assert rig.said(EventKind.DISK_FULL)
    back(rig)
    await rig.drained()
    assert rig.outside("small") == b"fits"


async def test_a_full_disk_does_not_stop_what_a_healthy_server_can_take(start):
    """I7: bodies of some size pass through memory; what can't be kept is not acknowledged."""
    rig = await start(NOBREAK_LOCAL_MAX_BYTES="1")
    content = os.urandom(LARGE)
    assert (await rig.store.put(rig.name("k"), content)).mode is Mode.EXTERNAL
    assert rig.outside("k") == content
    rig.external.always = connection_refused
    rig.healthy = False
    with pytest.raises(OutOfSpaceError):
        await rig.store.put(rig.name("k"), os.urandom(LARGE))
    assert rig.engine.journal.tally().entries == 0


async def test_lists_are_the_external_list_with_the_journal_merged_in(rig):
    """I2: a list neither hides an object nor shows a deleted one, page by page."""
    for n in range(20):
        rig.external.objects[rig.name(f"k{n:02}")] = (b"old", Attributes())
    await rig.engine.choose(Override.LOCAL, "test")
    for n in range(0, 20, 3):
        await rig.store.delete(rig.name(f"k{n:02}"))
    for n in range(10, 30, 4):
        await rig.store.put(rig.name(f"k{n:02}"), b"newer")
    expected = {f"k{n:02}": 3 for n in range(20)}
    expected |= {f"k{n:02}": 5 for n in range(10, 30, 4)}
    for n in set(range(0, 20, 3)) - set(range(10, 30, 4)):
        del expected[f"k{n:02}"]
    rig.external.always = lambda op: (
        (_ for _ in ()).throw(RefusedError(403, "", "")) if op in {"put", "delete"} else None
    )
    await rig.engine.choose(Override.AUTO, "test")
    await rig.mode("external")
    for limit in (1, 2, 3, 7, 1000):
        found, after = {}, ""
        while True:
            page = await rig.store.list("b", start_after=after, limit=limit)
            assert len(page.objects) <= limit
            found |= {info.name.key: info.size for info in page.objects}
            if not page.truncated:
                break
            after = page.objects[-1].name.key
        assert found == expected, limit
    assert [i.name.key for i in (await rig.store.list("b", prefix="k1")).objects] == [
        key for key in sorted(expected) if key.startswith("k1")
    ]
    with pytest.raises(NotFoundError):
        await rig.store.head(rig.name("k00"))


async def test_two_engines_on_one_directory_agree_and_one_leads(start):
    """I6: what one acknowledges in an outage the other reads at once."""
    first = await start()
    second = await start(first.external, leads=False)
    await outage(first)
    second.external.always = connection_refused
    await first.store.put(first.name("k"), b"x")
    assert second.engine.status()["current_mode"] == "local"
    assert await second.store.read(second.name("k")) == b"x"
    assert second.engine.status()["monitor"]["is_running"]


async def test_writes_by_many_clients_to_one_key_end_as_reads_saw_them(rig):
    """I4: whatever the interleaving, the external store ends with what was read here last."""
    rig.external.always = lambda op: "be late" if op == "put" else None
    await asyncio.gather(*(rig.store.put(rig.name("k"), f"v{n}".encode()) for n in range(20)))
    seen = await rig.store.read(rig.name("k"))
    rig.external.always = None
    rig.external.late.set()
    await rig.drained()
    assert rig.outside("k") == seen
