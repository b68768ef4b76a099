"""Several processes of one data directory write the same keys: each sees what the others have under way."""

import asyncio
import hashlib
import threading
import time
from contextlib import suppress

import apsw
import pytest
from tests.support.net import eventually

from nobreak.engine.conflicts import Conflicts
from nobreak.engine.passing_by import PassingBy
from nobreak.errors import LocalStoreError, UnavailableError
from nobreak.reporting.events import EventKind
from nobreak.stores.interfaces import Draft, KeptBody
from nobreak.stores.sqlite.journal import append_entry
from nobreak.words import Attributes, EntryKind, Fingerprint, Mode, Override

ZOMBIE = "become a zombie"
DIRECT = b"directly"
DIRECT_ETAG = hashlib.md5(DIRECT).hexdigest()


async def two_that_know_a_key(start):
    """Two processes, the first of which leads, and an object of which both have heard."""
    one = await start()
    two, key = await start(one.external, leads=False), one.name("k")
    await two.store.put(key, b"first")
    await eventually(lambda: one.store._context.catalog.get(key) is not None)
    return one, two, key


async def test_what_one_process_gave_up_undoes_no_write_of_another(start):
    """I4: it may land late; what was acknowledged meanwhile is there in the end."""
    one = await start()
    two, key = await start(one.external, leads=False), one.name("k")
    await one.give_up("k", b"old")
    assert (await two.store.put(key, b"new")).mode is Mode.LOCAL
    await eventually(lambda: one.outside("k") == b"new")
    one.external.zombies[0].land()
    assert one.outside("k") == b"old"
    await one.drained()
    assert one.outside("k") == b"new"


async def test_no_process_sends_past_what_another_is_taking_into_the_journal(start):
    """I4: nor does it while it holds the key itself."""
    one = await start(NOBREAK_WRITE_POLICY="back")
    two, key = await start(one.external, leads=False), one.name("k")
    coming = asyncio.Event()

    async def body():
        yield b"jour"
        await coming.wait()
        yield b"nalled"

    journalled = asyncio.create_task(one.store.put(key, body()))
    await eventually(lambda: key in one.store._doubts._here)
    assert (await two.store.put(key, b"beside it")).mode is Mode.LOCAL
    coming.set()
    await journalled
    await one.drained()
    assert one.outside("k") == b"journalled"
    assert (await two.store.put(key, b"after it")).mode is Mode.EXTERNAL


async def test_what_another_process_is_deleting_is_no_conflict(start):
    """I7: it is gone there, and the catalog hears of it a moment later."""
    one, two, key = await two_that_know_a_key(start)
    delete, answer = one.external.delete, asyncio.Event()

    async def slow(name, *, receipt):
        await delete(name, receipt=receipt)
        await answer.wait()

    one.external.delete = slow
    deleting = asyncio.create_task(two.store.delete(key))
    await eventually(lambda: one.outside("k") is None)
    assert (await one.store.put(key, b"new")).mode is Mode.LOCAL
    looks = one.external.count("head")
    await eventually(lambda: one.external.count("head") > looks)
    answer.set()
    await deleting
    await one.drained()
    assert one.outside("k") == b"new"
    assert not one.said(EventKind.CONFLICT_DELETED)


async def test_what_another_process_made_beside_an_entry_is_no_conflict(start):
    """I7: the entry's confirmation takes the place of its catalog row, so that must be told apart."""
    one = await start(NOBREAK_SETTLE="3")
    two, key = await start(one.external, leads=False), one.name("k")
    put, answer = one.external.put, asyncio.Event()

    async def slow(name, body, attributes):
        receipt = await put(name, body, attributes)
        if receipt.etag == DIRECT_ETAG:
            await answer.wait()
        return receipt

    one.external.put = slow
    direct = asyncio.create_task(two.store.put(key, DIRECT))
    await eventually(lambda: one.outside("k") == DIRECT)
    assert (await one.store.put(key, b"journalled")).mode is Mode.LOCAL
    answer.set()
    assert (await direct).mode is Mode.EXTERNAL
    await eventually(lambda: one.store._context.ours.may_have_made(key, DIRECT_ETAG))


async def test_somebody_elses_version_is_kept_though_the_row_is_forgotten_meanwhile(
    start, monkeypatch
):
    """I7: what was given up makes the catalog forget the object while the drain waits to be told."""
    one = await start()
    key, catalog = one.name("k"), one.store._context.catalog
    await one.store.put(key, b"first")
    await eventually(lambda: catalog.get(key) is not None)

    async def told(_conflicts, name):
        await catalog.remove(name)

    monkeypatch.setattr(Conflicts, "_until_told", told)
    await one.engine.choose(Override.LOCAL, "test")
    await one.store.put(key, b"mine")
    one.external.objects[key] = (b"somebody else's", Attributes())
    await one.engine.choose(Override.AUTO, "test")
    await one.drained()
    assert one.said(EventKind.CONFLICT_KEPT_BOTH)
    assert one.outside("k") == b"mine"


async def test_what_another_process_gave_up_is_no_conflict(start):
    """I7: only its process knows that it asked for it, unless it tells."""
    one, two, key = await two_that_know_a_key(start)
    await two.give_up("k", b"given up")
    one.external.zombies[0].land()
    assert (await one.store.put(key, b"new")).mode is Mode.LOCAL
    await one.drained()
    assert one.outside("k") == b"new"
    assert not one.said(EventKind.CONFLICT_KEPT_BOTH)
    assert [name.key for name in one.external.objects if "conflict" in name.key] == []


def journalled_by_another(two, key) -> None:
    """Another process takes a write in and lets the key go, all within a turn of ours."""
    database = two.store._context.journal._database
    fingerprint = Fingerprint(5, "0" * 32)
    body = KeptBody(inline=b"other")
    draft = Draft(key, EntryKind.PUT, Attributes(), fingerprint, body)
    database.write_soon(lambda writer: append_entry(writer, draft, time.time()), lambda: None)
    looker, until = apsw.Connection(str(database.path)), time.monotonic() + 5
    while not looker.execute("SELECT 1 FROM entry WHERE key = ?", (key.key,)).fetchone():
        assert time.monotonic() < until, "it was not committed"
    looker.close()


@pytest.mark.parametrize("passing", [False, True], ids=["a put", "a write that passes by"])
async def test_a_write_sees_what_was_journalled_until_it_had_the_key(start, monkeypatch, passing):
    """I4: also what another process committed after this turn's look at the journal."""
    one = await start()
    two, key = await start(one.external, leads=False), one.name("k")
    context = one.store._context
    direct = context.doubts.direct

    def late(name, *, fenced=False):
        monkeypatch.setattr(type(context.doubts), "direct", lambda _self, *a, **k: direct(*a, **k))
        assert context.journal.newest(key) is None
        journalled_by_another(two, key)
        return direct(name, fenced=fenced)

    monkeypatch.setattr(type(context.doubts), "direct", lambda _self, *a, **k: late(*a, **k))
    if passing:
        with pytest.raises(UnavailableError):
            async with PassingBy(context, [key]):
                pass
    else:
        assert (await one.store.put(key, b"after it")).mode is Mode.LOCAL
        await one.drained()
        assert one.outside("k") == b"after it"


async def test_what_another_process_has_made_just_now_is_no_conflict(start):
    """I7: it is there before its process hears of it, and tells the catalog."""
    one, two, key = await two_that_know_a_key(start)
    put, answered = one.external.put, asyncio.Event()

    async def answered_late(name, body, attributes, **more):
        receipt = await put(name, body, attributes, **more)
        if one.outside("k") == b"second":
            await answered.wait()
        return receipt

    one.external.put = answered_late
    second = asyncio.create_task(two.store.put(key, b"second"))
    await eventually(lambda: one.outside("k") == b"second")
    assert (await one.store.put(key, b"third")).mode is Mode.LOCAL
    asyncio.get_running_loop().call_later(0.2, answered.set)
    await second
    await one.drained()
    assert one.outside("k") == b"third"
    assert not one.said(EventKind.CONFLICT_KEPT_BOTH)


@pytest.mark.parametrize("passing", [False, True], ids=["a put", "a write that passes by"])
async def test_a_look_at_the_journal_that_fails_leaves_no_key_held(start, monkeypatch, passing):
    """I7: one failure of the disk must not send all later writes of a key through the journal."""
    one = await start()
    two, key, other = await start(one.external, leads=False), one.name("k"), one.name("other")
    context = one.store._context

    def fails():
        raise LocalStoreError("the disk does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(context.journal, "look_anew", fails)
        writing = (
            PassingBy(context, [other, key]).__aenter__()
            if passing
            else one.store.put(key, b"first")
        )
        with pytest.raises(LocalStoreError):
            await writing
    for name in (key, other):
        assert (await two.store.put(name, b"second")).mode is Mode.EXTERNAL
        assert (await one.store.put(name, b"third")).mode is Mode.EXTERNAL


async def test_what_was_given_up_on_its_way_into_the_journal_undoes_no_later_write(start):
    """I4: its client went away while the commit was under way; the entry is made all the same."""
    one = await start()
    two, key = await start(one.external, leads=False), one.name("k")
    database = one.store._context.journal._database
    entered, go_on = threading.Event(), threading.Event()

    def slow_disk(_writer):
        entered.set()
        assert go_on.wait(10)

    one.store._context.doubts.begin(key)
    database.write_soon(slow_disk, lambda: None)
    await eventually(entered.is_set)
    given_up = asyncio.create_task(one.store.put(key, b"old"))
    await eventually(lambda: not database._jobs.empty())
    one.store._context.doubts.end(key)
    given_up.cancel()
    with suppress(asyncio.CancelledError):
        await given_up
    news = [asyncio.create_task(each.store.put(key, b"new")) for each in (one, two)]
    await asyncio.sleep(0.05)
    assert one.outside("k") is None, "nothing goes past it"
    go_on.set()
    assert [(await new).mode for new in news] == [Mode.LOCAL] * 2
    await one.drained()
    assert one.outside("k") == b"new"
    assert not one.store._doubts._here
    assert (await two.store.put(key, b"later")).mode is Mode.EXTERNAL
