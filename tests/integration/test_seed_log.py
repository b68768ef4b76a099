"""The seed's two scenarios, played through the real monitor, give the seed's two log blocks."""

import asyncio
import itertools
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.support.net import eventually
from tests.support.reports import log_settings

from nobreak.core.failover import Failover, Phase, Rules
from nobreak.engine.announcing import Announcer
from nobreak.engine.modes import in_force, with_failover
from nobreak.engine.monitor import Monitor
from nobreak.reporting.hub import Hub
from nobreak.reporting.log import HealthLog
from nobreak.stores.external.checks import CheckResult, FailureKind
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.stores.sqlite.database import Database
from nobreak.words import Mode

DATA = Path(__file__).parents[1] / "data"
SEED_RULES = Rules(interval=60, fast_interval=60, max_failures=3, min_successes=3)
REFUSED = CheckResult(ok=False, seconds=0.0, kind=FailureKind.CONNECTION, detail="refused")
DOWN = Failover(phase=Phase.OUTAGE, failures=25)
"""Where the first scenario leaves off: the second one begins after 25 minutes of outage."""


class Play:
    """Checks with given outcomes at the seed's times, a minute apart; the monitor takes them."""

    def __init__(self, start: datetime, results: list[CheckResult]) -> None:
        self._start = start
        self._results = results
        self.taken = 0

    async def check(self) -> CheckResult:
        if self.taken == len(self._results):
            await asyncio.Event().wait()
        self.taken += 1
        return self._results[self.taken - 1]

    def now(self) -> datetime:
        return (self._start + timedelta(minutes=max(0, self.taken - 1))).astimezone()


async def play(tmp_path: Path, play_: Play, state: Failover) -> Path:
    """Run the real monitor through the play, with minutes that take no time."""
    database = await Database.open(tmp_path / "journal.db")
    board = SqliteBoard(database)
    await board.update(lambda notice: (in_force(with_failover(notice, state)), None))
    hub = Hub(play_.now)
    path = tmp_path / "health_monitor.log"
    log = HealthLog(log_settings(path), tmp_path, hub)
    log.open()
    announcer = Announcer(hub, lambda: SEED_RULES, lambda: 5.0)
    minutes = itertools.count(step=20.0)
    monitor = Monitor(
        board,
        announcer,
        lambda: SEED_RULES,
        lambda _doubt: play_,
        asyncio.Event(),
        now=lambda: 0.0,
        clock=lambda: next(minutes),
    )
    announcer.take_over(board.read())
    hub.add(log)
    task = asyncio.create_task(monitor.run())
    await eventually(lambda: task.done() or play_.taken == len(play_._results))
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    log.close()
    await database.aclose()
    return path


@pytest.mark.parametrize(
    ("block", "start", "results", "state", "mode"),
    [
        (
            "seed_log_offline.txt",
            datetime(2025, 10, 31, 14, 35, 20),  # noqa: DTZ001 - local, as the log shows it
            [REFUSED] * 3,
            Failover(),
            Mode.LOCAL,
        ),
        (
            "seed_log_recovery.txt",
            datetime(2025, 10, 31, 15, 0, 0),  # noqa: DTZ001
            [CheckResult(ok=True, seconds=seconds) for seconds in (0.15, 0.12, 0.18)],
            DOWN,
            Mode.EXTERNAL,
        ),
    ],
)
async def test_the_log_is_the_seeds_line_by_line(tmp_path, block, start, results, state, mode):
    """Seed: "Exemplos de Logs", both, word for word and emoji for emoji."""
    path = await play(tmp_path, Play(start, results), state)
    ours = path.read_text("utf-8").splitlines()
    ours = [line for line in ours if "🏥" not in line]
    assert ours == (DATA / block).read_text("utf-8").splitlines()
    database = await Database.open(tmp_path / "journal.db")
    assert SqliteBoard(database).read().mode is mode
    await database.aclose()
