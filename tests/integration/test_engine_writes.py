"""Writes whose attempt at the external store ends late, badly or never (I1, I4, I7)."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.support.net import eventually
from tests.support.scripted import ScriptedStore, connection_refused, server_error

from nobreak.engine.writing import Writing
from nobreak.errors import (
    InvalidRequestError,
    NotFoundError,
    OutageError,
    OutageKind,
    OutOfSpaceError,
    RefusedError,
    UnavailableError,
)
from nobreak.reporting.events import EventKind
from nobreak.stores.external.base import Traits
from nobreak.stores.local.spool import INLINE_MAX
from nobreak.stores.sqlite.catalog import SqliteCatalog
from nobreak.stores.sqlite.journal import SqliteJournal
from nobreak.words import Attributes, Mode, ObjectName, Override, Receipt

LARGE = 700_000
ZOMBIE = "become a zombie"


def blobs(rig):
    return [p for p in (rig.settings.local.data_dir / "blobs").rglob("*") if p.is_file()]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def refuse(_operation):
    raise RefusedError(403, "AccessDenied", "")


def silence(_operation):
    raise OutageError(OutageKind.TIMEOUT, "no answer in time", in_doubt=True)


def hanging(rig, ends):
    """A PUT that hangs whatever becomes of its body; `ends` hears when it is let go."""

    async def put(_name, _body, _attributes):
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("let go")

    rig.external.put = put


def journal_full(monkeypatch, times):
    """The next `times` entries find no room."""
    append, left = SqliteJournal.append, [None] * times

    async def full(journal, draft, now):
        if left:
            left.pop()
            raise OutOfSpaceError("the disk is full")
        return await append(journal, draft, now)

    monkeypatch.setattr(SqliteJournal, "append", full)


async def test_a_client_that_fails_ends_its_request_at_the_external_store_at_once(rig):
    """I5: no connection hangs on for a body that will never be whole."""
    ends = []
    hanging(rig, ends)

    async def failing(size):
        yield b"x" * size
        await asyncio.sleep(0.01)
        raise ConnectionResetError("the client went away")

    with pytest.raises(ConnectionResetError):
        await rig.store.put(rig.name("k"), failing(INLINE_MAX), size=2 * INLINE_MAX)
    assert ends == ["let go"]
    with pytest.raises(ConnectionResetError):
        await rig.store.put(rig.name("k"), failing(1000), size=2000)
    assert ends == ["let go"], "of a small body nothing goes out before it is whole"


async def test_an_attempt_that_never_ends_is_given_up_after_the_settle_time(rig):
    ends = []
    hanging(rig, ends)
    assert (await rig.store.put(rig.name("k"), b"x")).mode is Mode.LOCAL
    assert ends == []
    await eventually(lambda: ends == ["let go"], within=3)


async def test_closing_lets_go_of_what_is_still_under_way(start):
    rig = await start(NOBREAK_SETTLE="60")
    ends = []
    hanging(rig, ends)
    await rig.store.put(rig.name("k"), b"x")
    async with asyncio.timeout(5):
        await rig.engine.__aexit__(None, None, None)
    assert ends == ["let go"]


async def test_a_slow_attempt_may_read_the_body_after_the_ack_and_leaves_no_file_open(rig):
    """The spool is shared with it."""
    content, before, put = os.urandom(LARGE), open_files(), rig.external.put

    async def reading_late(name, body, attributes):
        await rig.external.late.wait()
        return await put(name, body, attributes)

    rig.external.put = reading_late
    assert (await rig.store.put(rig.name("k"), content)).mode is Mode.LOCAL
    rig.external.late.set()
    await rig.drained()
    assert rig.outside("k") == content
    assert rig.external.count("put") == 1
    await eventually(lambda: open_files() <= before)


async def test_while_a_slow_attempt_is_under_way_the_drain_leaves_its_entry_alone(start):
    """I4: of two transfers at once either could land last."""
    rig = await start(NOBREAK_SETTLE="30")
    rig.external.plan.append(lambda _: "be late")
    await rig.store.put(rig.name("k"), b"x")
    await asyncio.sleep(0.5)
    assert rig.external.count("put") == 1
    rig.external.late.set()
    await rig.drained(within=5)
    assert rig.external.count("put") == 1, "its answer spares the second transfer"


async def test_a_late_yes_is_believed_only_when_the_bytes_are_there(start):
    """I3."""
    rig = await start(NOBREAK_SETTLE="1")
    put = rig.external.put

    async def lying(name, body, attributes):
        rig.external.put = put
        await rig.external.late.wait()
        receipt = await put(name, body, attributes)
        rig.external.objects[name] = (b"something else", attributes)
        return receipt

    rig.external.put = lying
    await rig.store.put(rig.name("k"), b"mine")
    rig.external.late.set()
    await rig.drained()
    assert rig.outside("k") == b"mine"


async def test_a_late_yes_that_cannot_be_verified_is_left_to_the_drain(start):
    rig = await start(NOBREAK_SETTLE="1")
    holds, asked = rig.external.holds, []

    async def failing_once(name, fingerprint, receipt):
        asked.append(name)
        if len(asked) == 1:
            server_error("holds")
        return await holds(name, fingerprint, receipt)

    rig.external.holds = failing_once
    rig.external.plan.append(lambda _: "be late")
    await rig.store.put(rig.name("k"), b"mine")
    rig.external.late.set()
    await rig.drained()
    assert rig.outside("k") == b"mine"
    assert not rig.said(EventKind.UNEXPECTED_ERROR)


async def test_a_late_no_is_for_the_drain_to_find_out_at_once(start):
    """I7: nobody waits for the settle time to see that it is refused."""
    rig = await start(NOBREAK_SETTLE="30")

    async def refusing_late(*_):
        await rig.external.late.wait()
        refuse("put")

    rig.external.put = refusing_late
    await rig.store.put(rig.name("k"), b"x")
    rig.external.late.set()
    await eventually(lambda: rig.engine.journal.tally().parked == 1, within=5)


async def test_a_failure_that_had_no_effect_leaves_no_doubt_and_any_other_does(rig):
    """I4."""
    rig.healthy, rig.probe.slow = False, 5.0
    for key, failure in (("broken", server_error), ("refused", connection_refused)):
        rig.external.plan.append(failure)
        await rig.store.put(rig.name(key), b"x")
    doubts = {e.name.key: e.doubtful for e in rig.engine.journal.entries(
        parked=False, after=0, limit=9)}  # fmt: skip
    assert doubts == {"broken": True, "refused": False}


@pytest.mark.parametrize("operation", ["put", "delete"])
@pytest.mark.parametrize("failure", [lambda _: ZOMBIE, server_error], ids=["slow", "in doubt"])
async def test_a_write_that_found_no_room_here_may_still_land_and_is_feared(
    rig, monkeypatch, operation, failure
):
    """I4, I7: the client is told that it failed, yet it could undo what comes next."""
    journal_full(monkeypatch, times=1)
    rig.external.plan.append(failure)
    with pytest.raises(OutOfSpaceError):
        await rig.store.put(rig.name("k"), b"old")
    if operation == "put":
        assert (await rig.store.put(rig.name("k"), b"new")).mode is Mode.LOCAL
    else:
        await rig.store.delete(rig.name("k"))
    (entry,) = rig.engine.journal.entries(parked=False, after=0, limit=9)
    assert entry.doubtful

    await rig.drained()
    assert rig.outside("k") == (b"new" if operation == "put" else None)
    await asyncio.sleep(1.2)
    assert (await rig.store.put(rig.name("k"), b"x")).mode is Mode.EXTERNAL, "it is over"


async def test_a_feared_put_cannot_undo_a_delete(rig):
    """I4."""
    await rig.give_up("k", b"old")
    await rig.store.delete(rig.name("k"))
    await eventually(lambda: rig.external.count("head") == 1)
    rig.external.zombies[0].land()
    await rig.drained()
    assert rig.outside("k") is None


async def test_a_body_that_found_no_entry_is_removed(rig, monkeypatch):
    """I7: a full journal does not fill the disk."""
    journal_full(monkeypatch, times=1)
    rig.external.always = connection_refused
    with pytest.raises(OutOfSpaceError):
        await rig.store.put(rig.name("k"), os.urandom(LARGE))
    assert blobs(rig) == []
    await rig.store.put(rig.name("k"), os.urandom(LARGE))
    assert len(blobs(rig)) == 1
    assert rig.told.kinds.count(EventKind.DISK_FULL) == 1
    assert rig.said(EventKind.DISK_OK)


async def test_bodies_go_with_their_entries(start):
    """Also when they settled, and when something newer made way for them."""
    rig = await start(NOBREAK_SETTLE="1")
    rig.external.plan.append(server_error)
    await rig.store.put(rig.name("k"), os.urandom(LARGE))
    await eventually(lambda: rig.outside("k") is not None)
    (first,) = blobs(rig)
    await rig.store.put(rig.name("k"), os.urandom(LARGE))
    assert not first.exists(), "the settling entry made way"
    await rig.drained()
    await eventually(lambda: blobs(rig) == [])


async def test_an_answer_counts_as_an_answer_whatever_it_says(rig):
    """I8: time-outs of three objects in a row make a suspicion; a 403 or a 404 ends the row."""
    rig.probe.slow = 30.0
    rig.external.objects[rig.name("there")] = (b"x", Attributes())
    answers = [
        lambda: rig.store.put(rig.name("forbidden"), b"x"),
        lambda: rig.store.read(rig.name("missing")),
        lambda: rig.store.head(rig.name("missing")),
        lambda: rig.store.read(rig.name("there")),
        lambda: rig.store.head(rig.name("there")),
        lambda: rig.store.list("b"),
    ]
    for n, answer in enumerate(answers):
        for key in ("a", "b"):
            rig.external.plan.append(silence)
            await rig.store.put(rig.name(f"{key}{n}"), b"x")
        if n == 0:
            rig.external.plan.append(refuse)
        try:
            await answer()
        except UnavailableError:
            raise
        except Exception:  # noqa: BLE001 - an answer, and not what is looked at here
            pass
    assert (await rig.store.put(rig.name("fine"), b"x")).mode is Mode.EXTERNAL


async def test_the_writer_is_given_the_etag_that_readers_will_see(rig):
    async def put(_name, _body, _attributes):
        return Receipt(etag="theirs")

    rig.external.put = put
    assert (await rig.store.put(rig.name("k"), b"x")).etag == "theirs"


@pytest.mark.parametrize(
    "traits",
    [
        Traits(keeps_attributes=True, chooses_names=True, lists=False),
        Traits(keeps_attributes=False, chooses_names=False, lists=True),
    ],
)
async def test_what_only_the_catalog_knows_is_durable_before_the_ack(start, monkeypatch, traits):
    """I1."""
    rig = await start(ScriptedStore(traits=traits))

    def not_soon_enough(*_):
        pytest.fail("a crash could come before it")

    monkeypatch.setattr(SqliteCatalog, "put_soon", not_soon_enough)
    await rig.store.put(rig.name("k"), b"x", attributes=Attributes({"content-type": "a/b"}))


async def test_a_delete_names_the_object_as_the_external_store_knows_it(start):
    traits = Traits(keeps_attributes=False, chooses_names=True, lists=False)
    rig = await start(ScriptedStore(traits=traits))
    deleted = []

    async def put(_name, _body, _attributes):
        return Receipt(remote="their-name")

    async def delete(name, *, receipt):
        deleted.append((name.key, receipt and receipt.remote))

    rig.external.put, rig.external.delete = put, delete
    for key in ("a", "b"):
        await rig.store.put(rig.name(key), b"x")
    await rig.store.delete(rig.name("a"))
    connection = rig.external.delete
    rig.external.always = connection_refused

    async def refused(name, *, receipt):
        connection_refused("delete")

    rig.external.delete = refused
    await rig.store.delete(rig.name("b"))
    rig.external.delete, rig.external.always = connection, None
    await rig.drained()
    assert deleted[0] == ("a", "their-name")
    assert set(deleted[1:]) == {("b", "their-name")}


@pytest.mark.parametrize(
    ("bucket", "key"),
    [
        ("", "k"),
        ("a/b", "k"),
        ("..", "k"),
        ("a..b", "k"),
        ("b", ""),
        ("b", "é" * 513),
        ("b", "a\0b"),
        ("b", "\ud800"),
    ],
)
async def test_no_operation_takes_a_name_that_cannot_be(rig, bucket, key):
    odd, store = ObjectName(bucket, key), rig.store
    await store.put(rig.name("k"), b"x")
    calls = len(rig.external.calls)
    for operation in (
        store.put(odd, b"x"),
        store.get(odd),
        store.head(odd),
        store.delete(odd),
        store.copy(rig.name("k"), odd),
        store.copy(odd, rig.name("j")),
    ):
        with pytest.raises(InvalidRequestError):
            await operation
    assert len(rig.external.calls) == calls


async def test_the_external_store_is_told_the_length_as_soon_as_it_is_known(rig):
    """A driver that must announce it need not wait for the body's end."""
    sizes, put = [], rig.external.put

    async def announced(name, body, attributes):
        sizes.append(body.size)
        return await put(name, body, attributes)

    async def chunks():
        await asyncio.sleep(0.05)
        yield b"abc"

    rig.external.put = announced
    await rig.store.put(rig.name("bytes"), b"abcd")
    await rig.store.put(rig.name("chunks"), chunks(), size=3)
    await rig.store.copy(rig.name("bytes"), rig.name("copy"))
    assert sizes == [4, 3, 4]


async def test_a_write_that_was_overtaken_stays_feared_after_its_own_ack(rig):
    """I4: it counts as overwritten already, and may still land."""
    rig.external.plan.append(lambda _: ZOMBIE)
    slow = asyncio.create_task(rig.store.put(rig.name("k"), b"old"))
    await eventually(lambda: bool(rig.external.zombies))
    assert (await rig.store.put(rig.name("k"), b"new")).mode is Mode.LOCAL
    await slow
    assert rig.name("k") in rig.store._doubts
    assert await rig.store.read(rig.name("k")) == b"new"
    await eventually(lambda: rig.name("k") not in rig.store._doubts)
    await rig.drained()
    assert rig.outside("k") == b"new"


@pytest.mark.parametrize("operation", ["put", "delete"])
async def test_a_slow_write_never_comes_after_one_that_is_acknowledged_at_the_same_moment(
    rig, monkeypatch, operation
):
    """I1, I4: it has taken effect, and others have seen that; a newer entry is made just before its own."""
    await rig.store.put(rig.name("k"), b"first")
    rig.external.plan.append(lambda _: ZOMBIE)
    put = operation == "put"
    work = rig.store.put(rig.name("k"), b"old") if put else rig.store.delete(rig.name("k"))
    slow = asyncio.create_task(work)
    await eventually(lambda: bool(rig.external.zombies))
    rig.external.zombies[0].land()
    monkeypatch.setattr(Writing, "_overtaken", lambda *_: False)
    assert (await rig.store.put(rig.name("k"), b"new")).mode is Mode.LOCAL
    await slow
    assert await rig.store.read(rig.name("k")) == b"new"
    await rig.drained()
    assert rig.outside("k") == b"new"


async def test_a_write_that_is_overtaken_when_its_client_has_gone_leaves_no_body(
    rig, monkeypatch, tmp_path
):
    """I7: its entry is refused when nobody waits for it any more."""
    rig.external.plan.append(lambda _: ZOMBIE)
    append, begins, goes_on = SqliteJournal.append, asyncio.Event(), asyncio.Event()

    async def slowly(journal, draft, now):
        if draft.only_after is not None:
            begins.set()
            await goes_on.wait()
        return await append(journal, draft, now)

    monkeypatch.setattr(SqliteJournal, "append", slowly)
    slow = asyncio.create_task(rig.store.put(rig.name("k"), bytes(LARGE)))
    await begins.wait()
    assert (await rig.store.put(rig.name("k"), b"new")).mode is Mode.LOCAL
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    bodies = tmp_path / "data" / "blobs"
    assert [each for each in bodies.rglob("*") if each.is_file()]
    goes_on.set()
    await eventually(lambda: not [each for each in bodies.rglob("*") if each.is_file()])
    await rig.drained()
    assert rig.outside("k") == b"new"


@pytest.mark.parametrize("operation", ["put", "delete"])
async def test_an_earlier_write_that_the_catalog_learns_of_late_overtakes_nothing(
    rig, monkeypatch, operation
):
    """I1: the catalog is told without waiting; what comes next must not be lost for it."""
    put_soon = SqliteCatalog.put_soon

    def later(catalog, info, receipt, untold):
        asyncio.get_running_loop().call_later(0.1, put_soon, catalog, info, receipt, untold)

    monkeypatch.setattr(SqliteCatalog, "put_soon", later)
    for n in range(3):
        await rig.store.put(rig.name("k"), f"first {n}".encode())
        rig.external.plan.append(lambda _: "become a zombie")
        if operation == "put":
            await rig.store.put(rig.name("k"), f"second {n}".encode())
            assert await rig.store.read(rig.name("k")) == f"second {n}".encode()
        else:
            await rig.store.delete(rig.name("k"))
            with pytest.raises(NotFoundError):
                await rig.store.read(rig.name("k"))
        await rig.drained()
        assert rig.outside("k") == (f"second {n}".encode() if operation == "put" else None)
        await asyncio.sleep(1.0)


@pytest.mark.parametrize("came", ["and waits", "and is gone", "past us", "as a delete"])
async def test_a_write_that_was_given_up_and_sent_again_does_not_come_after_the_second_one(
    start, monkeypatch, came
):
    """I4: the second one was acknowledged first, here or by another process of the machine."""
    rig = await start(NOBREAK_DIVERT_AFTER="1.0", NOBREAK_SETTLE="0.2")
    other = await start(rig.external, leads=False, NOBREAK_SETTLE="0.2")
    await rig.store.put(rig.name("k"), b"before")
    await asyncio.sleep(0.2)
    rig.external.plan.append(lambda _: "become a zombie")
    slow = asyncio.create_task(rig.store.put(rig.name("k"), b"given up"))
    await eventually(lambda: bool(rig.external.zombies))
    if came == "as a delete":
        await other.store.delete(rig.name("k"))
    elif came == "past us":
        await other.store.put(rig.name("k"), b"sent again")
    else:
        if came == "and waits":
            await rig.engine.choose(Override.LOCAL, "test")  # so that it is not given back yet
        await rig.store.put(rig.name("k"), b"sent again")
        if came == "and is gone":
            await rig.drained()
    await slow
    assert rig.engine.journal.count(rig.name("k")) <= 1
    await rig.engine.choose(Override.AUTO, "test")
    await rig.drained()
    expected = None if came == "as a delete" else b"sent again"
    assert rig.outside("k") == expected
