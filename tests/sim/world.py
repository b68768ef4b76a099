"""The world around the engines of a scenario: server, network, disk, processes, and the clock."""

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from tests.sim.faults import Fault, FaultKind
from tests.sim.loop import SimLoop, SimTask, owner_var
from tests.sim.plan import Plan

from nobreak.engine import (
    companions,
    drain,
    journal_file,
    leader,
    leading,
    monitor,
    opening,
    runtime,
)
from nobreak.engine.runtime import Engine
from nobreak.errors import LocalStoreError, NotFoundError, OutageError, OutageKind, RefusedError
from nobreak.settings import load_settings
from nobreak.stores.external.base import Body, Listing, Traits, pages_in_order
from nobreak.stores.external.checks import CheckResult, FailureKind
from nobreak.stores.local import bodies, spool
from nobreak.stores.sqlite import database as sqlite
from nobreak.words import Attributes, Fingerprint, ObjectInfo, ObjectName, Receipt

EPOCH = 1_700_000_000.0
SILENT_FOR = 30.0
ZOMBIE_SHARE = 0.9
"""A request lands within this part of the settle time, or when the server thaws: what lands later is outside of the promise."""
REAL_OPEN, REAL_CLOSE = os.open, os.close


@dataclass
class Process:
    """A worker process: an engine of its own on the shared data directory."""

    number: int
    dead: bool = False
    frozen: bool = False
    held: list[Any] = field(default_factory=list)
    engine: Engine | None = None
    descriptors: set[int] = field(default_factory=set)
    databases: list["SimDatabase"] = field(default_factory=list)
    main: SimTask | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def kill(self) -> None:
        """SIGKILL: nothing of it runs again, and the kernel closes what it had open."""
        self.dead, self.engine = True, None
        for descriptor in self.descriptors:
            REAL_CLOSE(descriptor)
        self.descriptors.clear()
        for database in self.databases:
            database.drop()
        self.gone.set()


class SimDatabase(sqlite.Database):
    """The real SQL and the real file; the thread that commits is simulated."""

    def __init__(self, path: Path, writer: Any, reader: Any, on_trouble: Any = None) -> None:
        super().__init__(path, None, reader, on_trouble)
        self._writer, self._inode, self._queue = writer, path.stat().st_ino, []
        self._committing: asyncio.Task[None] | None = None
        owner = owner_var.get()
        assert isinstance(owner, Process)
        owner.databases.append(self)

    @classmethod
    async def open(cls, path: Path, on_trouble: Any = None) -> "SimDatabase":
        writer, reader = await asyncio.to_thread(sqlite._connect, path)
        return cls(path, writer, reader, on_trouble)

    async def write(self, work: Any) -> Any:
        if self._closed:
            raise LocalStoreError("closed")
        answer = asyncio.get_running_loop().create_future()
        self._enqueue(sqlite._Job(work, answer))
        return await answer

    def write_soon(
        self,
        work: Any,
        on_failure: Callable[[], None],
        on_done: Callable[[], None] | None = None,
    ) -> None:
        if not self._closed:
            self._enqueue(sqlite._Job(work, None, on_failure, on_done))

    def _enqueue(self, job: Any) -> None:
        self._queue.append(job)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.get_running_loop().create_task(self._commit_all())

    async def _commit_all(self) -> None:
        world = WORLD[0]
        while self._queue:
            await asyncio.sleep(world.commit_delay())
            batch, self._queue = self._queue, []
            self._commit(self._writer, batch)
            await asyncio.sleep(0)
            sqlite._answer(batch)

    async def aclose(self) -> None:
        self._closed = True
        while self._committing is not None and not self._committing.done():
            await asyncio.wait({self._committing})
        self.drop()

    def drop(self) -> None:
        self._closed = True
        self._writer.close()
        self._reader.close()


@dataclass
class Fate:
    """What becomes of a request: how long it takes there and back (seconds), and how it ends."""

    there: float
    back: float
    executes: int = 1
    answers: bool = True
    failure: Exception | None = None
    broken_at: float | None = None


@dataclass
class Server:
    """The external server. `log` is what it executed: when, on which key, which content."""

    world: "World"
    objects: dict[ObjectName, tuple[bytes, Attributes, float]] = field(default_factory=dict)
    log: list[tuple[float, str, bytes | None]] = field(default_factory=list)
    waiting: list[Callable[[], None]] = field(default_factory=list)

    def store(self, name: ObjectName, content: bytes | None, attributes: Attributes) -> None:
        self.log.append((self.world.elapsed, name.key, content))
        if content is None:
            self.objects.pop(name, None)
        else:
            self.objects[name] = (content, attributes, self.world.now())

    def info(self, name: ObjectName) -> ObjectInfo:
        if name not in self.objects:
            raise NotFoundError(name)
        content, attributes, at = self.objects[name]
        etag = hashlib.md5(content).hexdigest()
        return ObjectInfo(name, len(content), etag, datetime.fromtimestamp(at, UTC), attributes)

    async def ask(self, effect: Callable[[], Any], *, changes: bool) -> Any:  # noqa: C901 - its two callbacks
        """One request over the network, with whatever may happen to it."""
        world, rng = self.world, self.world.rng
        if world.fault(FaultKind.DOWN):
            await asyncio.sleep(0.002)
            raise OutageError(OutageKind.CONNECTION, "refused", in_doubt=False)
        loop = world.loop
        reply: asyncio.Future[Any] = loop.create_future()
        fate = self._fate(changes=changes)

        def arrive() -> None:
            if world.fault(FaultKind.FREEZE):
                self.waiting.append(arrive)
                return
            if world.fault(FaultKind.DOWN) and fate.executes and rng.random() < 0.5:
                tell(None, OutageError(OutageKind.BROKEN, "reset", in_doubt=changes))
                return
            result, error = None, fate.failure
            for _ in range(fate.executes):
                try:
                    result = effect()
                except NotFoundError as not_found:
                    error = not_found
            if fate.answers:
                loop.call_later(fate.back, tell, result, error, context=loop.world)

        def tell(result: Any, error: BaseException | None) -> None:
            if reply.done():
                return
            if error is not None:
                reply.set_exception(error)
            else:
                reply.set_result(result)

        loop.call_later(fate.there, arrive, context=loop.world)
        if fate.broken_at is not None:
            error = OutageError(OutageKind.BROKEN, "reset", in_doubt=changes)
            loop.call_later(fate.broken_at, tell, None, error, context=loop.world)
        try:
            async with asyncio.timeout(SILENT_FOR):
                return await reply
        except TimeoutError as silent:
            raise OutageError(OutageKind.TIMEOUT, "silent", in_doubt=changes) from silent

    def _fate(self, *, changes: bool) -> "Fate":
        world, rng = self.world, self.world.rng
        fate = Fate(rng.uniform(0.001, 0.02), rng.uniform(0.001, 0.02))
        if slow := world.fault(FaultKind.SLOW):
            fate.back += slow.extra
        if failure := self._failure(changes=changes):
            fate.failure, fate.executes = failure[0], int(failure[1])
        if (lossy := world.fault(FaultKind.LOSSY)) and rng.random() < lossy.part * 0.5:
            kind = rng.choice(["lost", "unanswered", "late", "zombie", "twice"])
            fate.executes = {"lost": 0, "twice": 2}.get(kind, 1)
            fate.answers = kind in {"late", "twice"}
            if kind in {"late", "zombie"}:
                fate.there = rng.uniform(0, ZOMBIE_SHARE * world.plan.settle)
            if not fate.answers and rng.random() < 0.5:
                fate.broken_at = rng.uniform(0.001, 0.5)
        return fate

    def _failure(self, *, changes: bool) -> tuple[Exception, bool] | None:
        """An answer that is no success, and whether the request was executed all the same."""
        world, rng = self.world, self.world.rng
        status = OutageError(OutageKind.STATUS, "HTTP 500", in_doubt=changes, status=500)
        if changes and world.fault(FaultKind.FORBID):
            return RefusedError(403, "AccessDenied", "no"), False
        if changes and world.fault(FaultKind.READ_ONLY):
            return status, rng.random() < 0.2
        if (fault := world.fault(FaultKind.ERRORS)) and rng.random() < fault.part:
            return status, rng.random() < 0.4
        return None

    def thaw(self) -> None:
        waiting, self.waiting = self.waiting, []
        for arrive in waiting:
            arrive()


class SimStore:
    """A driver of the simulated server."""

    traits = Traits(keeps_attributes=True, chooses_names=False, lists=True, shows_many=True)

    def __init__(self, server: Server) -> None:
        self._server = server

    async def put(self, name: ObjectName, body: Body, attributes: Attributes) -> Receipt:
        content = b"".join([chunk async for chunk in body.chunks()])
        await body.finished()
        await self._server.ask(lambda: self._server.store(name, content, attributes), changes=True)
        return Receipt(etag=hashlib.md5(content).hexdigest())

    async def get(self, name: ObjectName, *, range_: Any = None, receipt: Any) -> "SimDownload":
        server = self._server
        info, content = await server.ask(
            lambda: (server.info(name), server.objects[name][0]), changes=False
        )
        return SimDownload(info, content)

    async def head(self, name: ObjectName, *, receipt: Any) -> ObjectInfo:
        info: ObjectInfo = await self._server.ask(lambda: self._server.info(name), changes=False)
        return info

    async def delete(self, name: ObjectName, *, receipt: Any) -> None:
        await self._server.ask(lambda: self._server.store(name, None, Attributes()), changes=True)

    async def list(self, bucket: str, *, prefix: str, start_after: str, limit: int) -> Listing:
        def look() -> Listing:
            names = sorted(
                name
                for name in self._server.objects
                if name.bucket == bucket and name.key.startswith(prefix) and name.key > start_after
            )
            infos = tuple(self._server.info(name) for name in names[:limit])
            return Listing(infos, len(names) > limit)

        listing: Listing = await self._server.ask(look, changes=False)
        return listing

    def pages(self, bucket: str) -> AsyncIterator[Any]:
        return pages_in_order(self, bucket)

    async def holds(self, name: ObjectName, fingerprint: Fingerprint, receipt: Any) -> bool:
        def look() -> bool:
            held = self._server.objects.get(name)
            return held is not None and hashlib.md5(held[0]).hexdigest() == fingerprint.md5

        return bool(await self._server.ask(look, changes=False))

    async def shown(self, expected: Any) -> frozenset[ObjectName]:
        def look() -> frozenset[ObjectName]:
            infos = [self._server.info(name) for name in expected if name in self._server.objects]
            return frozenset(
                info.name
                for info in infos
                if info.size == expected[info.name][0] and info.etag in expected[info.name][1]
            )

        found: frozenset[ObjectName] = await self._server.ask(look, changes=False)
        return found

    async def ensure_bucket(self, bucket: str) -> None:
        await self._server.ask(lambda: None, changes=False)

    async def delete_bucket(self, bucket: str) -> None:
        await self._server.ask(lambda: None, changes=False)

    async def aclose(self) -> None:
        return


@dataclass
class SimDownload:
    info: ObjectInfo
    content: bytes
    start: int = 0

    @property
    def length(self) -> int:
        return len(self.content)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.content

    async def aclose(self) -> None:
        return


class SimProbe:
    """Asks the server whether it is there, and in doubt whether it stores."""

    def __init__(self, world: "World", *, doubt: bool) -> None:
        self._world, self._doubt = world, doubt

    async def check(self) -> CheckResult:
        timeout = float(self._world.plan.settings["HEALTH_CHECK_TIMEOUT"])
        try:
            async with asyncio.timeout(timeout):
                await self._world.server.ask(lambda: None, changes=self._doubt)
        except (OutageError, TimeoutError):
            return CheckResult(ok=False, seconds=0.0, kind=FailureKind.TIMEOUT, detail="away")
        except RefusedError:
            pass
        return CheckResult(ok=True, seconds=0.0)


class World:
    """One scenario's world. `elapsed`: seconds since its beginning."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = Random(f"world {plan.seed}")
        self.loop = SimLoop(self._disk_delay)
        self.began = self.loop.now
        self.skew = 0.0
        self.server = Server(self)
        self.active: list[Fault] = []
        self.folder = Path(tempfile.mkdtemp(prefix="nobreak-sim-", dir=_memory()))
        self.told: list[tuple[float, str]] = []
        (self.folder / "env").touch()
        self.settings = load_settings(
            {
                "EXTERNAL_STORAGE_URL": "s3+http://127.0.0.1:1",
                "EXTERNAL_STORAGE_ACCESS_KEY": "key",
                "EXTERNAL_STORAGE_SECRET_KEY": "secret",
                "NOBREAK_DATA_DIR": str(self.folder / "data"),
                "NOBREAK_ENV_FILE": str(self.folder / "env"),
                "HEALTH_LOG_FILE": str(self.folder / "log"),
                "NOBREAK_MIN_FREE_BYTES": "0",
                **plan.settings,
            }
        )

    @property
    def elapsed(self) -> float:
        return self.loop.now - self.began

    def now(self) -> float:
        return EPOCH + self.elapsed + self.skew

    def time(self) -> float:
        return self.now()

    def monotonic(self) -> float:
        return self.loop.now

    def fault(self, kind: FaultKind) -> Fault | None:
        return next((fault for fault in self.active if fault.kind is kind), None)

    def emit(self, kind: Any, /, **fields: Any) -> None:
        self.told.append((self.elapsed, f"{kind} {fields}"))

    def commit_delay(self) -> float:
        return self.rng.uniform(0.0005, 0.3 if self.fault(FaultKind.SLOW_DISK) else 0.005)

    def _disk_delay(self, ours: bool) -> tuple[float, OSError | None]:
        fault = self.fault(FaultKind.BAD_DISK)
        bad = ours and fault is not None and self.rng.random() < fault.part * 0.3
        slow = 0.3 if self.fault(FaultKind.SLOW_DISK) else 0.002
        return self.rng.uniform(0.0001, slow), OSError(5, "EIO") if bad else None

    def start(self, number: int) -> Process:
        process = Process(number)
        context = self.loop.world.copy()
        context.run(owner_var.set, process)
        process.main = self.loop.create_task(self._live(process), context=context)  # type: ignore[assignment]
        return process

    async def _live(self, process: Process) -> None:
        try:
            async with Engine(self.settings, self, reload=lambda: self.settings) as engine:
                process.engine = engine
                await process.stop.wait()
                process.engine = None
        except LocalStoreError:
            pass  # it did not start: the supervisor tries again
        finally:
            process.dead = process.dead or False
        process.engine = None
        process.gone.set()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While the context lasts the engine lives in this world."""
        WORLD[:] = [self]
        look = self.plan.look
        with ExitStack() as stack:

            def put(target: Any, name: str, value: Any) -> None:
                stack.enter_context(patch.object(target, name, value))

            put(os, "open", _open)
            put(os, "close", _close)
            put(journal_file, "Database", SimDatabase)
            # It waits for its lock without an end, on the one thread that all processes share here.
            put(journal_file, "_locked", lambda _path: nullcontext())
            put(opening, "time", self)
            put(bodies, "time", self)
            put(spool, "INLINE_MAX", 256)
            put(bodies, "INLINE_MAX", 256)
            for module in (opening, runtime):
                put(module, "open_external", lambda *_: SimStore(self.server))
            for module in (leading, runtime):
                put(module, "build_probe", lambda *_, doubt: SimProbe(self, doubt=doubt))
            put(leading, "Title", _NoTitle)
            put(leading, "TITLE_EVERY", 1e6)
            for module in (monitor, drain, companions):
                put(module, "LOOK_EVERY", look)
            put(leader, "ATTEMPT_EVERY", look)
            yield

    def end(self) -> None:
        """Leave nothing behind."""
        self.loop.bury()
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)


WORLD: list[World] = []


class _NoTitle:
    def monitoring(self, _mode: Any) -> None:
        return

    def restore(self) -> None:
        return


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _open(*args: Any, **options: Any) -> int:
    descriptor = REAL_OPEN(*args, **options)
    owner = owner_var.get()
    if isinstance(owner, Process):
        owner.descriptors.add(descriptor)
    return descriptor


def _close(descriptor: int) -> None:
    owner = owner_var.get()
    if isinstance(owner, Process):
        if descriptor not in owner.descriptors:
            return  # the kernel has closed it when the process died
        owner.descriptors.discard(descriptor)
    REAL_CLOSE(descriptor)
