"""The stage of one scenario: SeaweedFS, the proxy, nobreak and its clients."""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.faults.clients import Books, Client, Face
from tests.faults.proxy import Proxy
from tests.faults.scenario import DIVERT_AFTER, Scenario
from tests.faults.scheduler import Lag

from nobreak.demo.processes import NobreakProcess, ServeError
from nobreak.demo.record import Recorder
from nobreak.demo.seaweed import SeaweedServer
from nobreak.stores.external.sigv4 import Credentials

SETTINGS = {
    "HEALTH_CHECK_INTERVAL": "1",
    "HEALTH_FAST_INTERVAL": "0.3",
    "HEALTH_CHECK_TIMEOUT": "1",
    "HEALTH_HOLD_DOWN": "2",
    "NOBREAK_DIVERT_AFTER": str(DIVERT_AFTER),
    "NOBREAK_SETTLE": "3",
    "NOBREAK_MIN_FREE_BYTES": "0",
    "NOBREAK_LANG": "en",
    "PYTHONFAULTHANDLER": "1",
}
STATUS_WITHIN = aiohttp.ClientTimeout(total=5.0)
SHARED = tuple(f"shared/{number}" for number in range(4))


@dataclass
class Behind:
    """What nobreak takes for its SeaweedFS: the proxy."""

    endpoint: str
    buckets: tuple[str, ...]
    access_key: str
    secret_key: str
    region: str = "us-east-1"


@dataclass
class Stage:
    folder: Path
    seaweed: SeaweedServer
    bucket: str
    proxy: Proxy
    nobreak: NobreakProcess
    session: aiohttp.ClientSession
    chance: random.Random
    books: Books
    lag: Lag
    times: int
    """How often nobreak is to be hit."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list[Client] = field(default_factory=list)
    second: NobreakProcess | None = None
    lost_before: float | None = None
    """When something was lost that nobody can give back: what was acknowledged later is judged."""

    @property
    def data_dir(self) -> Path:
        return self.folder / "nobreak" / "data"

    def hire(self, count: int) -> None:
        """Clients on both faces, on keys that they share and on two of their own."""
        for number in range(count):
            kind = ("s3", "files")[number % 2]
            keys = (*SHARED, f"own/{number}/a", f"own/{number}/b ç+%")
            self.clients.append(self.client(kind, f"{kind} {number}", keys))

    def client(self, kind: str, name: str, keys: tuple[str, ...]) -> Client:
        pair = Credentials(self.seaweed.access_key, self.seaweed.secret_key, "us-east-1")
        base = self.nobreak.base if kind == "files" else self.nobreak.s3
        face = Face(kind, base, self.bucket, pair, self.session)
        return Client(name, face, self.books, self.chance, keys)

    async def status(self) -> dict[str, Any]:
        url = f"{self.nobreak.base}/api/storage-status"
        try:
            async with self.session.get(url, timeout=STATUS_WITHIN) as answer:
                return await answer.json()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return {}

    async def until(self, wanted: Any, within: float = 20.0) -> dict[str, Any]:
        """Wait until the status is as wanted, or it is too late for that."""
        deadline = time.monotonic() + within
        status = await self.status()
        while not wanted(status) and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            status = await self.status()
        return status

    async def retry_parked(self) -> None:
        """What an operator does when the cause is mended."""
        await self.nobreak.command("pending", "--retry")

    def ask_where_it_hangs(self) -> None:
        """A nobreak that runs and does not answer dies, and says in its log where it was."""
        with suppress(ServeError):
            self.nobreak.send(signal.SIGABRT)

    async def converged(self, within: float) -> float | None:
        """Seconds until mode external and an empty journal; None: not in time."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            status = await self.status()
            journal = status.get("journal", {})
            if status.get("current_mode") == "external" and journal.get("entries") == 0:
                return time.monotonic() - began
            if not status:
                self.ask_where_it_hangs()
            if journal.get("parked"):
                await self.retry_parked()
            await asyncio.sleep(0.1)
        return None


async def second_nobreak(stage: Stage) -> None:
    """Another process on the same data directory; every third client goes to it."""
    nobreak = stage.nobreak
    second = NobreakProcess(stage.folder / "nobreak", nobreak.external, nobreak.settings)
    await second.start(within=40)
    stage.second = second
    for client in stage.clients[::3]:
        client.face.base = second.base if client.face.kind == "files" else second.s3


@asynccontextmanager
async def staged(
    folder: Path, seaweed: SeaweedServer, bucket: str, scenario: Scenario, seed: int
) -> AsyncIterator[Stage]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        proxy = Proxy(int(seaweed.endpoint.rpartition(":")[2]))
        await proxy.open()
        behind = Behind(proxy.endpoint, (bucket,), seaweed.access_key, seaweed.secret_key)
        extra = {**SETTINGS, **scenario.settings}
        prefix = scenario.prepare(folder, extra) if scenario.prepare else ()
        nobreak = NobreakProcess(folder / "nobreak", behind, extra)  # type: ignore[arg-type]
        stage: Stage | None = None
        try:
            await nobreak.start(within=40, prefix=prefix)
            books = Books(Recorder(time.monotonic))
            lag = Lag(lambda: nobreak.pid if nobreak.running else None)
            chance = random.Random(seed)
            stage = Stage(
                folder,
                seaweed,
                bucket,
                proxy,
                nobreak,
                session,
                chance,
                books,
                lag,
                scenario.times,
            )
            stage.hire(scenario.clients)
            yield stage
        finally:
            with suppress(Exception):
                nobreak.send(signal.SIGCONT)
            await nobreak.kill()
            if stage is not None and stage.second is not None:
                await stage.second.kill()
            await proxy.close()
            if scenario.cleanup:
                scenario.cleanup(folder)
