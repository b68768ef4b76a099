"""Reads, lists and copies: the newest acknowledged version or an honest 503, soon (I2, I5)."""

import asyncio
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.net import eventually
from tests.support.scripted import ScriptedDownload, ScriptedStore, connection_refused

from nobreak.engine import store as store_module
from nobreak.errors import (
    BodyMismatchError,
    CorruptBodyError,
    NotFoundError,
    OutageError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from nobreak.reporting.events import EventKind
from nobreak.stores.external.base import Traits
from nobreak.words import Attributes, Mode, Override, RangeRequest, Receipt

LARGE = 700_000


def there(rig, key, content=b"there"):
    rig.external.objects[rig.name(key)] = (content, Attributes())


def asked(rig):
    """How often this machine's monitor was asked for a check."""
    return rig.engine._context.board.read().asked


def keys(page):
    return [info.name.key for info in page.objects]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def forever(*_args, **_more):
    await asyncio.Event().wait()


async def journalled(rig, key, content):
    await rig.engine.choose(Override.LOCAL, "test")
    await rig.store.put(rig.name(key), content)


@pytest.mark.parametrize("operation", ["get", "head", "list"])
async def test_a_silent_server_costs_a_reader_no_more_than_the_divert_time(rig, operation):
    """I5; and the monitor is asked to look."""
    there(rig, "k")
    setattr(rig.external, operation, forever)
    ask = {
        "get": lambda: rig.store.read(rig.name("k")),
        "head": lambda: rig.store.head(rig.name("k")),
        "list": lambda: rig.store.list("b"),
    }[operation]
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await ask()
    assert time.monotonic() - began < 1.0
    await eventually(lambda: asked(rig) == 1)


@pytest.mark.parametrize("operation", ["get", "head", "list"])
async def test_after_a_refused_connection_readers_are_answered_without_a_try(rig, operation):
    """I5."""
    rig.probe.slow = 30.0
    rig.external.always = connection_refused
    ask = {
        "get": lambda: rig.store.read(rig.name("k")),
        "head": lambda: rig.store.head(rig.name("k")),
        "list": lambda: rig.store.list("b"),
    }[operation]
    for _ in range(5):
        with pytest.raises(UnavailableError):
            await ask()
    assert rig.external.count(operation) == 1


async def test_a_server_that_stops_in_the_middle_is_given_up_and_told_of(rig):
    """I5: the reader sees an early end and can come again; it never hangs."""
    there(rig, "k", os.urandom(5000))
    closed = []

    class Stalling(ScriptedDownload):
        async def chunks(self):
            yield self.content[:1000]
            await asyncio.Event().wait()

        async def aclose(self):
            closed.append(True)

    get = rig.external.get

    async def stalling(name, **more):
        found = await get(name, **more)
        return Stalling(found.info, found.start, found.content)

    rig.external.get = stalling
    began = time.monotonic()
    with pytest.raises(OutageError):
        await rig.store.read(rig.name("k"))
    assert time.monotonic() - began < 2.0
    assert closed
    await eventually(lambda: asked(rig) == 1)


async def test_a_connection_that_breaks_in_the_middle_is_told_of(rig):
    there(rig, "k", os.urandom(5000))
    rig.external.plan.append(lambda _: "break in the middle")
    with pytest.raises(OutageError):
        await rig.store.read(rig.name("k"))
    await eventually(lambda: asked(rig) == 1)


async def test_an_entry_that_leaves_while_it_is_read_is_read_where_it_went(rig, monkeypatch):
    """I2: neither a 404 nor an alarm about bytes that are rightly gone."""
    content = os.urandom(LARGE)
    await journalled(rig, "k", content)
    bodies, open_kept = rig.engine._context.bodies, rig.engine._context.bodies.open_kept

    async def too_late(kept, fingerprint):
        monkeypatch.setattr(bodies, "open_kept", open_kept)
        await rig.engine.choose(Override.AUTO, "test")
        await rig.drained()
        return await open_kept(kept, fingerprint)

    monkeypatch.setattr(bodies, "open_kept", too_late)
    assert await rig.store.read(rig.name("k")) == content
    assert not rig.said(EventKind.BODY_CORRUPT)


async def test_a_body_that_is_gone_is_told_and_never_taken_for_no_object(rig):
    """I2, I7."""
    await journalled(rig, "k", os.urandom(LARGE))
    for path in (rig.settings.local.data_dir / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    with pytest.raises(CorruptBodyError):
        await rig.store.read(rig.name("k"))
    assert rig.said(EventKind.BODY_CORRUPT)


async def test_a_range_that_cannot_be_is_refused_from_both_sides(rig):
    there(rig, "there", bytes(10))
    await rig.store.put(rig.name("here"), bytes(10))
    await journalled(rig, "here", bytes(10))
    with pytest.raises(RangeNotSatisfiableError):
        await rig.store.get(rig.name("here"), range_=RangeRequest(10, None))
    await rig.engine.choose(Override.AUTO, "test")
    with pytest.raises(RangeNotSatisfiableError):
        await rig.store.get(rig.name("there"), range_=RangeRequest(10, None))


async def test_a_reading_that_is_closed_early_leaves_no_file_open(rig):
    await journalled(rig, "k", os.urandom(LARGE))
    before = open_files()
    for _ in range(5):
        reading = await rig.store.get(rig.name("k"))
        await anext(reading.chunks())
        await reading.aclose()
        await reading.aclose()
    assert open_files() <= before


async def test_a_server_that_chooses_names_is_asked_by_the_names_it_chose(start):
    traits = Traits(keeps_attributes=False, chooses_names=True, lists=False)
    rig = await start(ScriptedStore(traits=traits))
    names, put, get, head = [], rig.external.put, rig.external.get, rig.external.head

    async def named(name, body, attributes):
        await put(name, body, attributes)
        return Receipt(remote="chosen")

    async def get_named(name, *, range_=None, receipt):
        names.append(receipt.remote)
        return await get(name, range_=range_, receipt=receipt)

    async def head_named(name, *, receipt):
        names.append(receipt.remote)
        return await head(name, receipt=receipt)

    rig.external.put, rig.external.get, rig.external.head = named, get_named, head_named
    await rig.store.put(rig.name("k"), b"x")
    await rig.store.read(rig.name("k"))
    await rig.store.head(rig.name("k"))
    assert names == ["chosen", "chosen"]
    await rig.engine.choose(Override.LOCAL, "test")
    assert keys(await rig.store.list("b")) == ["k"], "its list is here, also in an outage"


async def test_pages_have_a_limit_of_their_own(rig, monkeypatch):
    monkeypatch.setattr(store_module, "MAX_PAGE", 3)
    for n in range(8):
        there(rig, f"k{n}")
    assert keys(await rig.store.list("b", limit=100)) == ["k0", "k1", "k2"]
    for limit in (0, -1, 1):
        page = await rig.store.list("b", limit=limit)
        assert (keys(page), page.truncated) == (["k0"], True)


async def test_a_walk_goes_through_all_pages_and_comes_to_an_end(rig, monkeypatch):
    monkeypatch.setattr(store_module, "MAX_PAGE", 3)
    for n in range(8):
        there(rig, f"k{n}")
        there(rig, f"j{n}")
    walked = [info.name.key async for info in rig.store.walk("b", prefix="k")]
    assert walked == [f"k{n}" for n in range(8)]
    assert [info async for info in rig.store.walk("b", prefix="nothing")] == []


async def test_a_list_shows_each_object_with_the_etag_that_its_writer_was_given(rig):
    """Else a client that compares the two would think it changed."""
    put = rig.external.put

    async def other_etag(name, body, attributes):
        await put(name, body, attributes)
        return Receipt(etag=(await rig.external.head(name, receipt=None)).etag)

    rig.external.put = other_etag
    written = await rig.store.put(rig.name("k"), b"x")
    (listed,) = (await rig.store.list("b")).objects
    assert listed.etag == written.etag == (await rig.store.head(rig.name("k"))).etag


async def test_a_copy_whose_source_breaks_in_the_middle_leaves_no_trace(rig):
    """I1: and it is a 503, to come again."""
    there(rig, "source", os.urandom(50_000))
    there(rig, "target", b"before")
    rig.external.plan.append(lambda _: "break in the middle")
    with pytest.raises(UnavailableError):
        await rig.store.copy(rig.name("source"), rig.name("target"))
    assert rig.outside("target") == b"before"
    assert rig.engine.journal.tally().entries == 0


async def test_a_copy_of_a_source_that_ends_early_in_silence_leaves_no_trace(rig):
    """I1: its size is known, so nobody takes the half for the whole."""
    there(rig, "source", os.urandom(5000))
    get = rig.external.get

    async def short(name, **more):
        found = await get(name, **more)
        return ScriptedDownload(found.info, found.start, found.content[:4000])

    rig.external.get = short
    with pytest.raises(BodyMismatchError):
        await rig.store.copy(rig.name("source"), rig.name("target"))
    assert rig.outside("target") is None


async def test_what_was_deleted_here_is_gone_for_all_reads_at_once(rig):
    """I2."""
    there(rig, "k")
    await rig.engine.choose(Override.LOCAL, "test")
    await rig.store.delete(rig.name("k"))
    for ask in (rig.store.read, rig.store.head):
        with pytest.raises(NotFoundError):
            await ask(rig.name("k"))
    with pytest.raises(NotFoundError):
        await rig.store.copy(rig.name("k"), rig.name("j"))
    assert (await rig.store.put(rig.name("k"), b"new")).mode is Mode.LOCAL
    assert await rig.store.read(rig.name("k")) == b"new"


async def test_an_answer_that_was_read_to_its_end_lets_go_of_its_connection(rig):
    there(rig, "k")
    closed, get = [], rig.external.get

    class Closing(ScriptedDownload):
        async def aclose(self):
            closed.append(True)

    async def closing(name, **more):
        found = await get(name, **more)
        return Closing(found.info, found.start, found.content)

    rig.external.get = closing
    reading = await rig.store.get(rig.name("k"))
    assert [chunk async for chunk in reading.chunks()] == [b"there"]
    assert closed


@pytest.mark.parametrize("why", ["slow", "cancelled"])
async def test_a_request_that_nobody_waits_for_any_more_is_let_go(rig, why):
    """I5: else a silent server would collect our connections."""
    there(rig, "k")
    ends = []

    async def hanging(*_args, **_more):
        try:
            await asyncio.Event().wait()
        finally:
            ends.append(why)

    rig.external.get = hanging
    task = asyncio.ensure_future(rig.store.read(rig.name("k")))
    if why == "cancelled":
        await asyncio.sleep(0.05)
        task.cancel()
    with pytest.raises((UnavailableError, asyncio.CancelledError)):
        await task
    assert ends == [why]


@pytest.mark.timeout(20)
async def test_a_read_of_what_leaves_the_journal_at_that_moment_goes_on_outside(start, tmp_path):
    """I5: it looks again, and lets everybody else have a turn before it does."""
    rig = await start(leads=False)
    await journalled(rig, "k", b"ours")
    await rig.engine.choose(Override.EXTERNAL, "test")
    there(rig, "k", b"ours")
    assert rig.engine.journal.newest(rig.name("k")) is not None
    with closing(sqlite3.connect(tmp_path / "data" / "journal.db")) as other, other:
        other.execute("DELETE FROM entry")  # another process confirmed it: in this very turn
    assert await rig.store.read(rig.name("k")) == b"ours"
