"""The stage of one scenario: SeaweedFS, the proxy, nobreak and its clients; traffic, fault, proof."""

import asyncio
import random
import signal
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from tests.faults.clients import Books, Client, Face
from tests.faults.proxy import Fault, Proxy, well
from tests.faults.scheduler import Lag

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.proof import held_by
from nobreak.demo.record import Action, Outcome, Recorder
from nobreak.demo.seaweed import SeaweedServer
from nobreak.demo.truth import Finding, explain
from nobreak.stores.external.sigv4 import Credentials

DIVERT_AFTER, GRACE = 1.0, 0.5
SETTINGS = {
    "HEALTH_CHECK_INTERVAL": "1",
    "HEALTH_FAST_INTERVAL": "0.3",
    "HEALTH_CHECK_TIMEOUT": "1",
    "HEALTH_HOLD_DOWN": "2",
    "NOBREAK_DIVERT_AFTER": str(DIVERT_AFTER),
    "NOBREAK_SETTLE": "3",
    "NOBREAK_MIN_FREE_BYTES": "0",
    "NOBREAK_LANG": "en",
}
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
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list[Client] = field(default_factory=list)
    second: NobreakProcess | None = None

    @property
    def data_dir(self) -> Path:
        return self.folder / "nobreak" / "data"

    def hire(self, count: int) -> None:
        """Clients on both faces, on keys that they share and on two of their own."""
        pair = Credentials(self.seaweed.access_key, self.seaweed.secret_key, "us-east-1")
        for number in range(count):
            kind = ("s3", "files")[number % 2]
            base = self.nobreak.base if kind == "files" else self.nobreak.s3
            face = Face(kind, base, self.bucket, pair, self.session)
            keys = (*SHARED, f"own/{number}/a", f"own/{number}/b ç+%")
            self.clients.append(Client(f"{kind} {number}", face, self.books, self.chance, keys))

    async def status(self) -> dict[str, Any]:
        try:
            async with self.session.get(f"{self.nobreak.base}/api/storage-status") as answer:
                return await answer.json()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return {}

    async def retry_parked(self) -> None:
        """What an operator does when the cause is mended."""
        await self.nobreak.command("pending", "--retry")

    async def converged(self, within: float) -> float | None:
        """Seconds until mode external and an empty journal; None: not in time."""
        began = time.monotonic()
        while time.monotonic() - began < within:
            status = await self.status()
            journal = status.get("journal", {})
            if status.get("current_mode") == "external" and journal.get("entries") == 0:
                return time.monotonic() - began
            if journal.get("parked"):
                await self.retry_parked()
            await asyncio.sleep(0.1)
        return None


@dataclass(frozen=True)
class Scenario:
    """A fault, its schedule, and what clients have to get.

    `strike` and `lift` do what a fault of the proxy can't. `seconds`: how long it lasts. `judged`:
    whether waits are (a nobreak that is itself frozen or dead lets its clients wait). `writes`:
    whether every write must be acknowledged while it lasts.
    """

    name: str
    fault: Fault | Callable[[random.Random], Fault] = well
    strike: Callable[[Stage], Awaitable[object]] | None = None
    lift: Callable[[Stage], Awaitable[object]] | None = None
    seconds: float = 5.0
    clients: int = 6
    settings: Mapping[str, str] = field(default_factory=dict)
    writes: bool = True
    judged: bool = True
    median: bool = False
    fast: bool = False
    within: float = 60.0
    prepare: Callable[[Path, dict[str, str]], tuple[str, ...]] | None = None
    forgets: bool = False
    """The external store loses what it had: only what was written after that can be asked for."""


@dataclass(frozen=True)
class Report:
    """What clients saw, and whether it can be explained."""

    name: str
    acked: int
    refused: int
    denied: int
    failed: int
    answered: int
    reads_503: int
    cut: int
    longest: float
    lag: float
    converged: float | None
    findings: tuple[Finding, ...]
    median_outage: float | None
    median_local: float | None
    details: tuple[str, ...]


async def second_nobreak(stage: Stage) -> None:
    """Another process on the same data directory; every second pair of clients goes to it."""
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
            stage = Stage(folder, seaweed, bucket, proxy, nobreak, session, chance, books, lag)
            stage.hire(scenario.clients)
            yield stage
        finally:
            with suppress(Exception):
                nobreak.send(signal.SIGCONT)
            await nobreak.kill()
            if stage is not None and stage.second is not None:
                await stage.second.kill()
            await proxy.close()


async def play(stage: Stage, scenario: Scenario) -> Report:
    """Traffic, the fault, its end, the drain; then what SeaweedFS itself holds."""
    ticking = asyncio.create_task(stage.lag.run())
    working = [asyncio.create_task(client.run(stage.stop)) for client in stage.clients]
    await asyncio.sleep(1.0)
    if scenario.forgets:
        await _renew(stage)
    struck = time.monotonic()
    fault = scenario.fault
    try:
        stage.proxy.fault = fault(stage.chance) if getattr(fault, "seeded", False) else fault  # type: ignore[assignment,arg-type]
        if scenario.strike:
            await scenario.strike(stage)
        await asyncio.sleep(max(0.0, struck + scenario.seconds - time.monotonic()))
    finally:
        stage.proxy.fault = well
        if scenario.lift:
            await scenario.lift(stage)
    lifted = time.monotonic()
    await asyncio.sleep(1.0)
    stage.stop.set()
    await asyncio.gather(*working)
    await stage.proxy.landed()
    converged = await stage.converged(scenario.within)
    ticking.cancel()
    median_outage, median_local = (
        await _medians(stage, struck, lifted) if scenario.median else (None, None)
    )
    behind = stage.seaweed
    held = await held_by(_Bucket(behind, stage.bucket))
    operations = stage.books.recorder.operations()
    if scenario.forgets:
        operations = [op for op in operations if op.key.startswith("after/")]
        held = {key: version for key, version in held.items() if key.startswith("after/")}
    findings = explain(operations, held)
    took = None if converged is None else converged + time.monotonic() * 0
    return _report(stage, scenario, struck, lifted, took, findings, median_outage, median_local)


async def _renew(stage: Stage) -> None:
    """From here on, clients work on new keys."""
    for client in stage.clients:
        client.keys = tuple(f"after/{key}" for key in client.keys)
        client.lists = False


class _Bucket:
    """The server, with the scenario's bucket as its first."""

    def __init__(self, server: SeaweedServer, bucket: str) -> None:
        self.endpoint, self.region = server.endpoint, server.region
        self.access_key, self.secret_key = server.access_key, server.secret_key
        self.buckets = (bucket,)


async def _medians(stage: Stage, struck: float, lifted: float) -> tuple[float, float]:
    """The median PUT after the first second of the outage, and in a mode local that was chosen."""
    outage = [w.seconds for w in stage.books.waits if _put(w) and struck + 1 < w.began < lifted]
    await stage.nobreak.command("mode", "local")
    began = time.monotonic()
    stop = asyncio.Event()
    working = [asyncio.create_task(client.run(stop)) for client in stage.clients]
    await asyncio.sleep(3.0)
    stop.set()
    await asyncio.gather(*working)
    local = [w.seconds for w in stage.books.waits if _put(w) and w.began > began + 0.3]
    await stage.nobreak.command("mode", "auto")
    await stage.converged(60)
    return statistics.median(outage), statistics.median(local)


def _put(wait: Any) -> bool:
    return wait.action is Action.PUT and wait.outcome is Outcome.DONE


def _report(stage, scenario, struck, lifted, converged, findings, outage, local) -> Report:
    operations = stage.books.recorder.returned
    writes = [op.outcome for op in operations if op.action.writes]
    reads = [op.outcome for op in operations if not op.action.writes]
    # Only what the fault, or its aftermath, could have touched.
    spans = [(w, stage.lag.between(w.began, w.began + w.seconds)) for w in stage.books.waits]
    own = [max(0.0, w.seconds - lag) for w, lag in spans]
    worst = max(range(len(own)), key=own.__getitem__)
    bad = [op for op in operations if op.outcome in {Outcome.FAILED, Outcome.DENIED}]
    bad += [op for op in operations if op.action.writes and op.outcome is Outcome.REFUSED]
    slow = [
        f"{w} lag {lag:.2f}"
        for (w, lag), s in zip(spans, own, strict=True)
        if s > DIVERT_AFTER + GRACE
    ]
    return Report(
        name=scenario.name,
        acked=writes.count(Outcome.DONE),
        refused=writes.count(Outcome.REFUSED),
        denied=writes.count(Outcome.DENIED),
        failed=writes.count(Outcome.FAILED) + reads.count(Outcome.FAILED),
        answered=reads.count(Outcome.DONE),
        reads_503=reads.count(Outcome.REFUSED) + reads.count(Outcome.DENIED),
        cut=reads.count(Outcome.CUT),
        longest=own[worst],
        lag=spans[worst][1],
        converged=converged,
        findings=tuple(findings),
        median_outage=outage,
        median_local=local,
        details=tuple(
            [f"{op} {op.detail[:160]} (+{op.started - struck:.1f} s)" for op in bad[:6]] + slow[:6]
        ),
    )
