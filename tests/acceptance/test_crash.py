"""SIGKILL at 50 random moments of a write load, in an outage: nothing acknowledged is lost (I1).

CRASH_SEED=n repeats a run's choices; CRASHES=n makes it longer or shorter.
"""

import asyncio
import os
import random
import statistics
import time
from pathlib import Path

import aiohttp
import pytest
from tests.support.net import eventually
from tests.support.status import status_is

from nobreak.demo.history import History, Limits
from nobreak.demo.processes import NobreakProcess
from nobreak.demo.proof import held_by
from nobreak.demo.record import ABSENT, Action, Operation, Outcome, Version
from nobreak.demo.seaweed import SeaweedServer
from nobreak.demo.truth import Breach
from nobreak.demo.wire import Answer, Wire

HANGS = 5.0
"""No start-up takes as long on any machine, unless it walks the journal (seconds)."""
CRASHES = int(os.environ.get("CRASHES", "50"))
WRITERS = 6
KEYS_EACH = 8
KIB = 1024
SETTINGS = {
    "HEALTH_CHECK_INTERVAL": "0.5",
    "HEALTH_FAST_INTERVAL": "0.2",
    "HEALTH_CHECK_TIMEOUT": "1",
    "NOBREAK_SETTLE": "1",
}


class Load:
    """Writers on one nobreak, each on keys of its own, until the next crash."""

    def __init__(self, wire: Wire, history: History, chance: random.Random) -> None:
        self._wire = wire
        self._history = history
        self._chance = chance
        self.crashed = asyncio.Event()
        self.surprises: list[str] = []
        """What failed though nobody had killed nobreak."""

    async def write(self, writer: int) -> None:
        """Put, overwrite and delete, until something fails."""
        while await self._write_once(f"writer-{writer}/{self._chance.randrange(KEYS_EACH)}"):
            await asyncio.sleep(self._chance.uniform(0.0, 0.04))

    async def _write_once(self, key: str) -> bool:
        started = time.monotonic()
        if self._chance.random() < 0.15:
            answer = await self._wire.delete(key)
            return self._note(Action.DELETE, key, answer, started, ABSENT)
        large = self._chance.random() < 0.2
        size = self._chance.randrange(*((257 * KIB, 600 * KIB) if large else (0, 8 * KIB)))
        body = self._chance.randbytes(size)
        answer = await self._wire.put(key, body)
        return self._note(Action.PUT, key, answer, started, Version.of(body))

    async def read(self, key: str) -> None:
        """What was acknowledged before a crash must be seen after it."""
        started = time.monotonic()
        answer = await self._wire.read(key)
        seen = ABSENT if answer.body is None else Version.of(answer.body)
        self._note(Action.READ, key, answer, started, seen)

    def _note(
        self, action: Action, key: str, answer: Answer, started: float, version: Version
    ) -> bool:
        outcome = answer.outcome
        self._history.add(
            Operation(action, key, outcome, started, time.monotonic(), version, answer.detail)
        )
        if outcome is not Outcome.DONE and not self.crashed.is_set():
            self.surprises.append(f"{key}: {answer.detail}")
        return outcome is Outcome.DONE


async def crash_once(
    nobreak: NobreakProcess, session: aiohttp.ClientSession, history: History, chance: random.Random
) -> None:
    """Look whether all is there, load it with writes, and kill it."""
    load = Load(Wire(session, nobreak.base), history, chance)
    known = history.written()
    for key in chance.sample(known, min(len(known), 8)):
        await load.read(key)
    writers = [asyncio.create_task(load.write(number)) for number in range(WRITERS)]
    await asyncio.sleep(chance.uniform(0.1, 0.4))
    load.crashed.set()
    await nobreak.kill()
    await asyncio.gather(*writers)
    assert load.surprises == []


def queued_seconds(pid: int) -> float:
    """What its main thread has waited for a processor (second field of /proc/pid/schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


async def begin_outage(nobreak: NobreakProcess, server: SeaweedServer) -> None:
    await nobreak.start()
    await server.kill()
    await eventually(lambda: status_is(nobreak, mode="local"), within=20)
    await nobreak.kill()


@pytest.mark.timeout(240)
async def test_no_acknowledged_write_is_lost_however_often_nobreak_is_killed(tmp_path: Path):
    """I1, I2, I3, I4; the start-ups' times are printed, whatever the crash left behind.

    Time that other programs keep the processors busy is not counted.
    """
    seed = int(os.environ.get("CRASH_SEED") or random.randrange(2**32))
    print(f"CRASH_SEED={seed}")
    chance, history = random.Random(seed), History(Limits(wait=30.0, refusal=30.0))
    server = SeaweedServer(tmp_path / "seaweedfs")
    nobreak = NobreakProcess(tmp_path / "nobreak", server, SETTINGS)
    start_ups: list[float] = []
    own: list[float] = []
    try:
        await server.start()
        await begin_outage(nobreak, server)
        async with aiohttp.ClientSession() as session:
            for _ in range(CRASHES):
                start_ups.append(await nobreak.start())
                own.append(start_ups[-1] - queued_seconds(nobreak.pid))
                await crash_once(nobreak, session, history, chance)
        await server.start()
        await nobreak.start()
        await eventually(lambda: status_is(nobreak, mode="external", entries=0), within=60)
        held = await held_by(server)
    finally:
        await nobreak.kill()
        await server.kill()
    history.compare(held)
    acked = sum(each.outcome is Outcome.DONE for each in history.operations if each.action.writes)
    print(f"{acked} acknowledged writes, {len(held)} objects compared")
    for label, seconds in (("start-up", start_ups), ("without queueing for a processor", own)):
        print(f"{label}: median {statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s")
    assert [f for f in history.findings if f.breach is not Breach.WRITE_FAILED] == []
    assert acked > 10 * CRASHES
    assert max(own) < HANGS, "a start-up that repairs something that is not O(1)"
