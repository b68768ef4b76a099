"""I4: an old request is feared for a settle time in which the external store was well throughout."""

import asyncio

import pytest
from tests.support.net import eventually
from tests.support.scripted import server_error

from nobreak.core.failover import Failover
from nobreak.engine.calm import Calm
from nobreak.engine.modes import after_crash, with_failover
from nobreak.errors import LocalStoreError, OutOfSpaceError
from nobreak.words import Mode


async def break_off(rig):
    """A check fails, and the next one is well, before anybody has looked."""
    board = rig.engine._context.board
    for state in (Failover(failures=1), Failover()):
        await board.update(lambda notice, state=state: (with_failover(notice, state), None))


async def test_what_was_given_up_is_feared_until_the_server_was_well_for_a_settle_time(start):
    """It may have frozen with the server, and goes on when that thaws."""
    rig = await start(NOBREAK_SETTLE="0.8")
    await rig.give_up("k", b"old")
    rig.healthy = False
    await rig.mode("local")
    await asyncio.sleep(1.5)
    rig.healthy = True
    await rig.mode("external")
    assert (await rig.store.put(rig.name("k"), b"new")).mode is Mode.LOCAL
    rig.external.zombies[0].land()
    await rig.drained()
    assert rig.outside("k") == b"new"
    await asyncio.sleep(1.5)
    assert (await rig.store.put(rig.name("k"), b"newer")).mode is Mode.EXTERNAL


async def test_it_settles_anew_after_a_break_that_was_over_before_the_drain_looked(start):
    rig = await start(NOBREAK_SETTLE="0.8")
    await rig.put_that_settles("k", b"mine")
    await asyncio.sleep(0.5)
    await break_off(rig)
    await asyncio.sleep(0.5)
    assert rig.external.count("holds") == 1, "not looked at before it has settled again"
    await rig.drained()


async def test_a_look_that_is_answered_as_the_server_thaws_says_nothing_yet(start):
    """It was asked before, and the checks have found the server away meanwhile."""
    rig = await start(NOBREAK_SETTLE="0.8")
    holds, thaws = rig.external.holds, asyncio.Event()

    async def frozen(*asked):
        found = await holds(*asked)
        if rig.external.count("holds") == 2:
            await thaws.wait()
        return found

    rig.external.holds = frozen
    rig.external.plan.append(server_error)
    await rig.store.put(rig.name("k"), b"mine")
    await eventually(lambda: rig.external.count("holds") == 2)
    await break_off(rig)
    thaws.set()
    await asyncio.sleep(0.5)
    assert rig.external.count("holds") == 2
    assert rig.engine.journal.tally().entries == 1, "it settles anew"
    await rig.drained()


async def test_what_was_given_up_is_feared_while_the_server_does_not_answer(start):
    """No check may have come to see that it froze."""
    rig = await start(NOBREAK_SETTLE="0.5", HEALTH_CHECK_INTERVAL="60")
    await rig.give_up("k", b"old")
    head, thaws = rig.external.head, asyncio.Event()

    async def frozen(name, *, receipt):
        await thaws.wait()
        return await head(name, receipt=receipt)

    rig.external.head = frozen
    await asyncio.sleep(2.0)
    assert rig.name("k") in rig.store._doubts
    thaws.set()
    await eventually(lambda: rig.name("k") not in rig.store._doubts, within=5)


async def test_what_was_given_up_keeps_no_body_while_it_is_feared(start, tmp_path):
    """I7: that may be for all of an outage, when room is short."""
    rig = await start(NOBREAK_SETTLE="4")
    for number in range(3):
        await rig.give_up(f"k{number}", bytes(9_000_000))
    assert len(list((tmp_path / "data" / "spool").iterdir())) == 3
    rig.healthy = False
    await rig.mode("local")
    await eventually(lambda: not list((tmp_path / "data" / "spool").iterdir()), within=10)
    assert rig.name("k0") in rig.store._doubts


async def test_what_was_given_up_is_feared_though_the_disk_is_full(start, monkeypatch):
    rig = await start(NOBREAK_SETTLE="1.5")
    await rig.store.put(rig.name("k"), b"first")
    catalog = rig.engine._context.catalog
    await eventually(lambda: catalog.get(rig.name("k")) is not None)
    await rig.give_up("k", b"old")

    async def full(*_arguments):
        raise OutOfSpaceError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(type(catalog), "remove", full)
        await asyncio.sleep(1.0)
    assert (await rig.store.put(rig.name("k"), b"new")).mode is Mode.LOCAL


async def test_what_was_given_up_is_feared_though_the_journal_can_not_be_read(start, monkeypatch):
    rig = await start(NOBREAK_SETTLE="0.6")
    await rig.give_up("k", b"old")

    def broken(_calm):
        raise LocalStoreError("EIO")

    with monkeypatch.context() as patch:
        patch.setattr(Calm, "lasts", broken)
        await asyncio.sleep(1.5)
    assert rig.name("k") in rig.store._doubts
    await eventually(lambda: rig.name("k") not in rig.store._doubts, within=5)


async def test_a_second_death_is_feared_for_a_whole_settle_time_too(start):
    rig = await start(NOBREAK_SETTLE="1")
    board = rig.engine._context.board
    await board.update(after_crash)
    await asyncio.sleep(0.7)
    await board.update(after_crash)
    await asyncio.sleep(0.7)
    assert board.read().crashed
    await eventually(lambda: not board.read().crashed, within=5)


@pytest.mark.parametrize("break_", ["away", "clock"])
async def test_an_answer_cuts_no_doubt_short_that_was_taken_over(start, break_):
    """The PUT was under way when the server froze, or the clock was set."""
    rig = await start(NOBREAK_SETTLE="1")
    await rig.put_that_settles("k", b"first")
    rig.external.always = lambda operation: "be late" if operation == "put" else None
    await rig.store.put(rig.name("k"), b"second")
    await eventually(lambda: rig.external.count("put") == 3)
    context = rig.engine._context
    if break_ == "away":
        await asyncio.sleep(0.9)
        rig.healthy = False
        await eventually(lambda: not context.board.read().trusted)
    else:
        now = context.now
        object.__setattr__(context, "now", lambda: now() + 600)
    rig.external.late.set()
    await eventually(lambda: rig.outside("k") == b"second")
    await asyncio.sleep(0.2)
    assert rig.engine.journal.newest(rig.name("k")) is not None
    rig.healthy = True
    await rig.drained()


async def test_doubt_that_a_newer_write_took_over_is_postponed_too(start):
    rig = await start(NOBREAK_SETTLE="0.8")
    await rig.put_that_settles("k", b"first")
    rig.healthy = False
    await rig.mode("local")
    await rig.store.put(rig.name("k"), b"second")
    await asyncio.sleep(1.0)
    rig.healthy = True
    await eventually(lambda: rig.external.count("holds") == 2)
    rig.external.objects[rig.name("k")] = (b"thawed", rig.external.objects[rig.name("k")][1])
    await rig.drained()
    assert rig.outside("k") == b"second"


async def test_a_key_that_is_written_all_the_time_leaves_the_journal(start):
    """Doubt ends though newer writes keep coming: they take over what is left of it, no more."""
    rig = await start(NOBREAK_SETTLE="1")
    rig.external.plan.append(server_error)
    last, loop = await rig.store.put(rig.name("k"), b"0"), asyncio.get_running_loop()
    until = loop.time() + 3.0
    while last.mode is Mode.LOCAL and loop.time() < until:
        await asyncio.sleep(0.25)
        last = await rig.store.put(rig.name("k"), b"again")
    assert last.mode is Mode.EXTERNAL
