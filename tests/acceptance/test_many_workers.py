"""Many processes on one data directory: one monitor, one mode, one journal (I6).

Under gunicorn, under `uvicorn --workers`, and as processes that know nothing of each other.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.support.api import storage_environment
from tests.support.net import eventually, free_port
from tests.support.servers import Server

from nobreak.demo.seaweed import SeaweedServer

APP = "tests.acceptance.worker_app:app"
WORKERS = 4
MONITOR = "health_monitor"
STARTED = "Health Monitor ATIVO"


class Workers:
    """The worker processes behind one port. Each request is a connection of its own."""

    def __init__(self, port: int, log: Path, *, count: int = WORKERS) -> None:
        self._log = log
        self._count = count
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=5.0)
        self.session = aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", connector=connector, timeout=timeout
        )

    async def answers(self, key: str = "") -> dict[int, dict]:
        """What each worker says, by process id: asked until all of them have answered."""
        found: dict[int, dict] = {}
        deadline = time.monotonic() + 10
        while len(found) < self._count:
            assert time.monotonic() < deadline, f"only {len(found)} workers answered"
            for answer in await asyncio.gather(*(self._ask(key) for _ in range(2 * WORKERS))):
                found[answer["pid"]] = answer
        return found

    async def agree(self, mode: str) -> bool:
        return {each["mode"] for each in (await self.answers()).values()} == {mode}

    async def status(self) -> dict:
        async with self.session.get("/api/storage-status") as answer:
            return await answer.json()

    async def mode_is(self, mode: str) -> bool:
        return (await self.status())["current_mode"] == mode

    async def choose(self, mode: str) -> None:
        async with self.session.post("/api/storage-mode", json={"mode": mode}) as answer:
            assert answer.status == 200, await answer.text()

    async def put(self, key: str, body: str) -> None:
        async with self.session.put(f"/files/{key}", data=body.encode()) as answer:
            assert answer.status == 201, await answer.text()

    async def everyone_reads(self, key: str, body: str) -> None:
        """At once: who does not find it fails the test (I1, I2)."""
        assert {each["body"] for each in (await self.answers(key)).values()} == {body}

    def times_started(self) -> int:
        """How often a monitor was started, as the log of all processes says."""
        return self._log.read_text().count(STARTED)

    async def _ask(self, key: str) -> dict:
        async with self.session.get("/worker", params={"key": key}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


def gunicorn(port: int) -> list[str]:
    bind = ["--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS)]
    return ["gunicorn", APP, "--worker-class", "asgi", *bind, "--no-control-socket"]


def uvicorn(port: int) -> list[str]:
    return ["uvicorn", APP, "--port", str(port), "--workers", str(WORKERS)]


@pytest.fixture(params=[gunicorn, uvicorn])
async def server(
    request: pytest.FixtureRequest, tmp_path: Path, own_seaweed: SeaweedServer
) -> AsyncIterator[tuple[Server, Workers]]:
    port = free_port()
    environment = storage_environment(tmp_path, own_seaweed)
    server = Server(request.param(port), environment, tmp_path / "server.log")
    await server.start(port)
    workers = Workers(port, tmp_path / "health.log")
    try:
        await workers.answers()
        yield server, workers
    finally:
        await workers.session.close()
        await server.stop()


def monitors(server: Server) -> list[int]:
    return [pid for pid, title in server.titles().items() if MONITOR in title]


async def test_workers_share_one_monitor_one_mode_and_one_journal(
    server: tuple[Server, Workers], own_seaweed: SeaweedServer
):
    processes, workers = server
    await eventually(lambda: len(monitors(processes)) == 1)
    (monitor,) = monitors(processes)
    assert monitor in await workers.answers()
    assert workers.times_started() == 1

    for mode in ("local", "external"):
        await workers.choose(mode)
        await eventually(lambda mode=mode: workers.agree(mode), within=1.0)
    await workers.choose("auto")

    await own_seaweed.kill()
    for n in range(12):
        await workers.put(f"out-{n}", str(n))
        await workers.everyone_reads(f"out-{n}", str(n))
    await eventually(lambda: workers.mode_is("local"), within=5.0)
    await eventually(lambda: workers.agree("local"), within=1.0)
    await own_seaweed.start()
    await eventually(lambda: workers.mode_is("external"), within=15.0)
    await eventually(lambda: workers.agree("external"), within=1.0)

    await the_monitor_dies(processes, workers, own_seaweed)


async def the_monitor_dies(processes: Server, workers: Workers, own_seaweed: SeaweedServer) -> None:
    """SIGKILL: another worker takes over within seconds, and fallback still works."""
    (before,) = monitors(processes)
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: _taken_over(processes, before), within=5.0)
    await own_seaweed.kill()
    await eventually(lambda: workers.mode_is("local"), within=5.0)
    await workers.put("after", "still here")
    await workers.everyone_reads("after", "still here")
    assert len(monitors(processes)) == 1
    await workers.answers()  # the one that came for the dead one, too: gunicorn kills no newborns


def _taken_over(processes: Server, before: int) -> bool:
    now = monitors(processes)
    return len(now) == 1 and now != [before]


async def test_processes_that_know_nothing_of_each_other_elect_one_monitor(
    tmp_path: Path, own_seaweed: SeaweedServer
):
    environment = storage_environment(tmp_path, own_seaweed)
    ports = [free_port() for _ in range(3)]
    servers = [
        Server(["uvicorn", APP, "--port", str(port)], environment, tmp_path / f"{port}.log")
        for port in ports
    ]
    every = [Workers(port, tmp_path / "health.log", count=1) for port in ports]
    try:
        await asyncio.gather(
            *(server.start(port) for server, port in zip(servers, ports, strict=True))
        )
        await eventually(lambda: len(_all_monitors(servers)) == 1)
        assert every[0].times_started() == 1
        await every[0].choose("local")
        for workers in every:
            await eventually(lambda w=workers: w.mode_is("local"), within=1.0)
        await every[1].put("shared", "by the second")
        for workers in every:
            await workers.everyone_reads("shared", "by the second")
    finally:
        for workers in every:
            await workers.session.close()
        for server in servers:
            await server.stop()


def _all_monitors(servers: list[Server]) -> list[int]:
    return [pid for server in servers for pid in monitors(server)]
