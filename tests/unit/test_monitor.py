"""The monitor between the rule and the board: what it asks, when, and what it lets others know."""

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from tests.support.net import eventually
from tests.support.reports import Told

from nobreak.core.failover import Failover, Phase, Rules
from nobreak.engine.announcing import Announcer
from nobreak.engine.modes import apply_use_external, choose, failover_of, with_failover
from nobreak.engine.monitor import Monitor
from nobreak.errors import OutOfSpaceError
from nobreak.reporting.events import EventKind
from nobreak.stores.external.checks import CheckResult, FailureKind
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.stores.sqlite.database import Database
from nobreak.words import Mode, Override

LEISURE = Rules(interval=60.0, fast_interval=0.05, hold_down=0.0)
"""Checks come fast only for a reason."""
QUICK = replace(LEISURE, interval=0.05)


class Server:
    """What checks find; also the probe of it."""

    def __init__(self):
        self.well, self.checks, self.doubts, self.gate = True, 0, [], None

    def probe(self, doubt):
        self.doubts.append(doubt)
        return self

    async def check(self):
        self.checks += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.well:
            return CheckResult(ok=True, seconds=0.01)
        return CheckResult(ok=False, seconds=0.01, kind=FailureKind.CONNECTION, detail="refused")


@pytest.fixture
async def board(tmp_path):
    database = await Database.open(tmp_path / "journal.db")
    yield SqliteBoard(database)
    await database.aclose()


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def wanted():
    return asyncio.Event()


@pytest.fixture
def monitoring(board, server, told, wanted):
    """Runs a monitor for as long as the context lasts."""

    @asynccontextmanager
    async def run(rules=LEISURE):
        monitor = Monitor(
            board,
            Announcer(told, lambda: rules, lambda: 5.0),
            lambda: rules,
            server.probe,
            wanted,
            lambda: 1_700_000_000.0,
            asyncio.get_running_loop().time,
        )
        task = asyncio.create_task(monitor.run())
        try:
            await eventually(lambda: server.checks >= 1)
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, OutOfSpaceError):
                await task

    return run


async def ask(board):
    """What live traffic does when it fails."""
    await board.update(
        lambda notice: (replace(notice, asked=notice.asked + 1, suspicion="reset"), None)
    )


async def outage(board):
    down = Failover(Phase.OUTAGE, failures=3, outages=1)
    await board.update(lambda notice: (with_failover(notice, down), None))


async def settled(server):
    """Until no check is taken any more."""
    while True:
        before = server.checks
        await asyncio.sleep(0.3)
        if server.checks == before:
            return


async def test_it_looks_at_once_and_then_at_leisure(monitoring, server, board, told):
    async with monitoring():
        await settled(server)
        assert (server.checks, server.doubts) == (1, [False])
        await eventually(lambda: board.read().monitor.get("last_ok") is True)
        assert board.read().monitor["last_check"] == "2023-11-14T22:13:20+00:00"
    assert told.kinds == [EventKind.MONITOR_STARTED, EventKind.CHECK_OK]


async def test_a_suspicion_of_another_process_is_looked_into_at_once_and_closely(
    monitoring, server, board, told
):
    """I5: the others wait for the answer. I8: one healthy look ends it."""
    async with monitoring():
        await settled(server)
        await ask(board)
        await eventually(lambda: board.read().answered == 1, within=1)
        await settled(server)
        assert server.doubts[1:] == [True]
        assert told.kinds.count(EventKind.SUSPICION) == 1
        assert failover_of(board.read()).phase is Phase.STEADY


async def test_what_was_asked_before_there_was_a_monitor_is_looked_into_closely(
    monitoring, server, board
):
    await ask(board)
    async with monitoring():
        await eventually(lambda: board.read().answered == 1)
    assert server.doubts[0] is True


async def test_only_what_was_asked_before_a_check_began_is_answered_by_it(
    monitoring, server, board, wanted
):
    """A look that began before a failure says nothing about it."""
    server.gate = asyncio.Event()
    async with monitoring():
        await ask(board)
        wanted.set()
        server.gate.set()
        await eventually(lambda: server.checks == 2, within=2)
        await eventually(lambda: board.read().answered == 1, within=2)
        server.gate = asyncio.Event()
        await ask(board)
        await eventually(lambda: server.checks == 3, within=2)
        await ask(board)
        assert board.read().answered == 1
        gate, server.gate = server.gate, asyncio.Event()
        gate.set()
        await eventually(lambda: board.read().answered == 2, within=2)
        server.gate.set()
        await eventually(lambda: board.read().answered == 3, within=2)


async def test_three_failures_later_all_know_and_the_log_says_why(monitoring, server, board, told):
    """I6."""
    server.well = False
    async with monitoring():
        await eventually(lambda: board.read().mode is Mode.LOCAL)
        assert server.checks == 3
        assert not board.read().trusted
        assert server.doubts == [False, True, True]
    assert [(c.mode, c.reason) for c in board.changes_of_mode(9)] == [(Mode.LOCAL, "checks")]
    assert told.kinds[-1] is EventKind.FALLBACK_COMPLETE


async def test_a_look_between_two_intervals_that_is_no_news_leaves_the_last_news_on_the_board(
    monitoring, server, board
):
    """Seed: in an outage failures are counted and shown once an interval."""
    server.well = False
    async with monitoring():
        await eventually(lambda: board.read().mode is Mode.LOCAL)
        await board.update(lambda notice: (replace(notice, monitor={"last_ok": "news"}), None))
        checks = server.checks
        await eventually(lambda: server.checks > checks + 2)
        assert board.read().monitor == {"last_ok": "news"}
        assert failover_of(board.read()).failures == 3


async def test_a_monitor_that_takes_over_goes_on_where_the_last_one_stopped(
    monitoring, server, board, told
):
    """I6: one healthy look is not enough after an outage, whoever looks."""
    await outage(board)
    await board.update(lambda notice: (replace(notice, leader=-1), None))
    server.gate = asyncio.Event()
    async with monitoring():
        assert board.read().mode is Mode.LOCAL
        assert server.doubts == [True]
        server.gate.set()
        await eventually(lambda: board.read().mode is Mode.EXTERNAL)
        assert server.checks == 3
    assert told.kinds[0] is EventKind.MONITOR_TAKEN_OVER


async def test_one_that_took_over_on_the_way_back_starts_its_count_anew(monitoring, server, board):
    back = Failover(Phase.RETURNING, successes=2, outages=1)
    await board.update(lambda notice: (with_failover(notice, back), None))
    async with monitoring():
        await eventually(lambda: board.read().mode is Mode.EXTERNAL)
    assert server.checks == 3


async def test_what_people_choose_is_said_and_overrules_its_verdict(
    monitoring, server, board, told
):
    async with monitoring(QUICK):
        await choose(board, Override.EXTERNAL, "api", 1.0)
        await eventually(lambda: EventKind.OVERRIDE_CHANGED in told.kinds)
        server.well = False
        await eventually(lambda: EventKind.OUTAGE_WHILE_PINNED in told.kinds)
        assert board.read().mode is Mode.EXTERNAL
        await choose(board, Override.AUTO, "api", 2.0)
        assert board.read().mode is Mode.LOCAL
        await eventually(lambda: told.kinds.count(EventKind.OVERRIDE_CHANGED) == 2)
        await asyncio.sleep(0.2)
    assert told.kinds.count(EventKind.OVERRIDE_CHANGED) == 2, "its own changes are no news"


async def test_what_people_choose_while_a_check_is_under_way_is_said_too(
    monitoring, server, board, told
):
    server.gate = asyncio.Event()
    async with monitoring():
        await choose(board, Override.LOCAL, "api", 1.0)
        await apply_use_external(board, 1.0, use_external=False)
        server.gate.set()
        await eventually(lambda: EventKind.OVERRIDE_CHANGED in told.kinds, within=2)
        assert EventKind.USE_EXTERNAL_CHANGED in told.kinds


async def test_however_often_it_is_asked_it_looks_no_oftener_than_in_doubt(
    monitoring, server, board, wanted
):
    """I5: thousands of failing requests must not become thousands of checks."""
    async with monitoring(replace(LEISURE, fast_interval=0.2)):
        for _ in range(50):
            await ask(board)
            wanted.set()
            await asyncio.sleep(0.02)
        assert 3 <= server.checks <= 7


async def test_turned_on_by_a_person_it_starts_external_and_looks_at_once(
    monitoring, server, board
):
    """Seed: USE_EXTERNAL_STORAGE."""
    server.well = False
    async with monitoring():
        await eventually(lambda: board.read().mode is Mode.LOCAL)
        server.well = True
        server.gate = asyncio.Event()
        checks = server.checks
        await eventually(lambda: server.checks > checks)
        await apply_use_external(board, 1.0, use_external=False)
        server.gate.set()
        await asyncio.sleep(0.1)
        assert board.read().mode is Mode.LOCAL
        server.well = False
        await eventually(lambda: failover_of(board.read()).phase is Phase.OUTAGE)
        server.gate = asyncio.Event()
        checks = server.checks
        await eventually(lambda: server.checks > checks)
        await apply_use_external(board, 1.0, use_external=True)
        server.well = True
        server.gate.set()
        await eventually(lambda: failover_of(board.read()) == Failover(successes=1), within=2)
        assert board.read().mode is Mode.EXTERNAL


async def test_turned_off_and_on_again_it_starts_external_each_time(monitoring, server, board):
    async with monitoring():
        for _ in range(2):
            await apply_use_external(board, 1.0, use_external=False)
            await asyncio.sleep(0.15)
            assert board.read().mode is Mode.LOCAL
            checks = server.checks
            await apply_use_external(board, 1.0, use_external=True)
            await eventually(lambda checks=checks: server.checks == checks + 1, within=1)


async def test_a_full_disk_does_not_silence_the_log(monitoring, server, board, told, monkeypatch):
    """I7."""
    server.gate = asyncio.Event()
    async with monitoring() as task:

        async def full(_decide):
            raise OutOfSpaceError("the disk is full")

        monkeypatch.setattr(board, "update", full)
        server.well = False
        server.gate.set()
        with pytest.raises(OutOfSpaceError):
            await asyncio.wait_for(task, 5)
    assert EventKind.FAILURE_COUNTED in told.kinds


async def test_a_slow_check_is_followed_by_a_whole_interval(monitoring, server):
    """The time between two checks is theirs to rest, not the check's own."""
    rules = replace(LEISURE, interval=0.4)
    server.gate = asyncio.Event()
    async with monitoring(rules):
        await asyncio.sleep(0.5)
        server.gate.set()
        await asyncio.sleep(0.2)
        assert server.checks == 1
        await eventually(lambda: server.checks == 2, within=2)


async def test_while_nothing_is_wanted_it_waits_without_turning_round_and_round(
    monitoring, server, board, wanted, monkeypatch
):
    """A wish that was answered is forgotten."""
    async with monitoring():
        await settled(server)
        wanted.set()
        reads, read = 0, board.read

        def counted():
            nonlocal reads
            reads += 1
            return read()

        monkeypatch.setattr(board, "read", counted)
        await asyncio.sleep(0.5)
        assert reads < 30
