"""Play a scenario, and judge it."""

import asyncio
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.sim.faults import Fault, FaultKind
from tests.sim.loop import StuckError, owner_var
from tests.sim.plan import Op, Plan
from tests.sim.truth import NEVER, Seen, explainable
from tests.sim.world import Process, World

from nobreak.engine.store import Store
from nobreak.errors import NobreakError, NotFoundError, RefusedError
from nobreak.words import ObjectName, Override

BUCKET = "nobreak"
CALM_WITHIN = 900.0
"""When the server is well again, all is given back within this (seconds)."""


@dataclass
class Verdict:
    """What came of a scenario. `wrong` is empty when nothing was."""

    seed: int
    seconds: float = 0.0
    ops: int = 0
    wrong: list[str] = field(default_factory=list)
    told: list[tuple[float, str]] = field(default_factory=list)


def play(plan: Plan) -> Verdict:
    """Run a plan in a world of its own."""
    world, verdict = World(plan), Verdict(plan.seed)
    scenario = Scenario(world, verdict)
    with world.installed():
        try:
            world.loop.run_until_complete(scenario.run())
        except StuckError as stuck:
            verdict.wrong.append(f"stuck: {stuck}")
        finally:
            world.end()
    verdict.seconds, verdict.told = world.elapsed, world.told
    return verdict


class Scenario:
    """See the module."""

    def __init__(self, world: World, verdict: Verdict) -> None:
        self.world, self.plan, self.verdict = world, world.plan, verdict
        self.processes: list[Process] = []
        self.history: dict[str, list[Seen]] = {}
        self.written: dict[str, bytes] = {}

    async def run(self) -> None:
        world, plan = self.world, self.plan
        self.processes = [world.start(number) for number in range(plan.workers)]
        await self._until_up()
        clients = {op.client for op in plan.ops}
        async with asyncio.TaskGroup() as tasks:
            for fault in plan.faults:
                tasks.create_task(self._cause(fault))
            for client in sorted(clients):
                tasks.create_task(self._client([op for op in plan.ops if op.client == client]))
        await self._calm()
        await asyncio.sleep(2 * plan.settle)
        self._judge()
        for process in self.processes:
            process.stop.set()
            await process.gone.wait()

    async def _until_up(self) -> None:
        for _ in range(600):
            if all(process.engine for process in self.processes):
                return
            for place, process in enumerate(self.processes):
                if process.gone.is_set():
                    self.processes[place] = self.world.start(process.number)
            await asyncio.sleep(0.5)
        self.verdict.wrong.append("a process does not start")

    async def _cause(self, fault: Fault) -> None:
        world = self.world
        await asyncio.sleep(fault.at)
        world.told.append((world.elapsed, f"FAULT {fault}"))
        if fault.kind in {FaultKind.KILL, FaultKind.STOP, FaultKind.PAUSE}:
            chosen = [p for p in self.processes if fault.part in {-1.0, float(p.number)}]
            await asyncio.gather(*(self._hit(process, fault) for process in chosen))
        elif fault.kind is FaultKind.CLOCK:
            world.skew += fault.extra
        elif fault.kind is FaultKind.CHOICE:
            override = Override.LOCAL if fault.extra < 0.7 else Override.EXTERNAL
            await self._choose(override)
            await asyncio.sleep(fault.lasts)
            await self._choose(Override.AUTO)
        else:
            world.active.append(fault)
            await asyncio.sleep(fault.lasts)
            world.active.remove(fault)
            if fault.kind is FaultKind.FREEZE:
                world.server.thaw()

    async def _choose(self, override: Override) -> None:
        """A person keeps trying until some process answers: a choice is always taken back."""
        while True:
            for process in self.processes:
                if process.engine is None or process.frozen:
                    continue
                with suppress(NobreakError, ConnectionResetError):
                    await self._inside(process, process.engine.choose(override, "a person"))
                    return
            await asyncio.sleep(0.5)

    async def _hit(self, process: Process, fault: Fault) -> None:
        if process.gone.is_set():
            return
        if fault.kind is FaultKind.PAUSE:
            process.frozen = True
            await asyncio.sleep(fault.lasts)
            process.frozen = False
            self.world.loop.thaw(process)
            return
        if fault.kind is FaultKind.KILL:
            process.kill()
        else:
            process.stop.set()
            await asyncio.wait_for(process.gone.wait(), 300)
        await asyncio.sleep(fault.lasts)
        for place, each in enumerate(self.processes):
            if each is process:
                self.processes[place] = self.world.start(process.number)

    async def _inside(self, process: Process, work: Any) -> Any:
        """Run in a process, and hear of its death. Cancelled, its handler is cancelled."""
        context = self.world.loop.world.copy()
        context.run(owner_var.set, process)
        task = self.world.loop.create_task(work, context=context)
        gone = asyncio.ensure_future(process.gone.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            task.add_done_callback(_heard)
            raise
        finally:
            gone.cancel()
        if not task.done():
            raise ConnectionResetError
        return task.result()

    async def _client(self, ops: list[Op]) -> None:
        for op in ops:
            await asyncio.sleep(max(0.0, op.at - self.world.elapsed))
            up = [p for p in self.processes if p.engine is not None]
            if up:
                await self._do(op, up[op.worker % len(up)])

    async def _do(self, op: Op, process: Process) -> None:
        engine = process.engine
        assert engine is not None
        called = self.world.elapsed
        value = f"{op.number:05d}".encode() * (op.size // 5) if op.kind == "put" else None
        if value is not None:
            self.written[hashlib.md5(value).hexdigest()] = value
        work = _work(engine.store, op, value)
        writes, sure, result = op.kind in {"put", "delete"}, True, None
        try:
            async with asyncio.timeout(op.patience):
                result = await self._inside(process, work)
        except NotFoundError:
            result = None
        except RefusedError:
            return
        except (NobreakError, ConnectionResetError, TimeoutError):
            sure = False
        except Exception as error:  # noqa: BLE001 - nothing else may come out of the store
            self.verdict.wrong.append(f"{op}: {error!r}")
            return
        self.verdict.ops += 1
        answered = self.world.elapsed if sure else NEVER
        if writes:
            self._note(op.key, Seen(op.number, True, value, called, answered, sure))
        elif sure:
            self._note_read(op, result, called)

    def _note_read(self, op: Op, result: Any, called: float) -> None:
        now = self.world.elapsed
        if op.kind == "list":
            held = {info.name.key: self.written.get(info.etag, b"?") for info in result.objects}
            for key in {each.key for each in self.plan.ops}:
                self._note(key, Seen(op.number, False, held.get(key), called, now))
            return
        if op.kind == "head" and result is not None:
            result = self.written.get(result.etag, b"?")
        self._note(op.key, Seen(op.number, False, result, called, now))

    def _note(self, key: str, seen: Seen) -> None:
        self.history.setdefault(key, []).append(seen)

    async def _calm(self) -> None:
        """The server is well: all must come back (I3, I7)."""
        await self._until_up()
        until = self.world.elapsed + CALM_WITHIN
        while self.world.elapsed < until:
            await asyncio.sleep(2.0)
            engine = self.processes[0].engine
            if engine is None:
                continue
            await self._inside(self.processes[0], _retry_parked(engine))
            status = engine.status()
            if status["current_mode"] == "external" and not status["journal"]["entries"]:
                return
        self.verdict.wrong.append(f"not calm {CALM_WITHIN:g} s after the last fault")

    def _judge(self) -> None:
        end = self.world.elapsed
        for key in sorted(self.history):
            held = self.world.server.objects.get(ObjectName(BUCKET, key))
            last = Seen(-1, False, held[0] if held else None, end, end)
            if not explainable([*self.history[key], last]):
                self.verdict.wrong.append(f"no order explains what was seen of {key!r}")


def _heard(task: asyncio.Task[Any]) -> None:
    """Its client has gone: nobody else asks what came of it."""
    if not task.cancelled():
        task.exception()


def _work(store: Store, op: Op, value: bytes | None) -> Any:
    name = ObjectName(BUCKET, op.key)
    if value is not None:
        return store.put(name, _fed(value, op.feed) if op.feed else value)
    match op.kind:
        case "delete":
            return store.delete(name)
        case "list":
            return store.list(BUCKET)
        case "head":
            return store.head(name)
    return store.read(name)


async def _retry_parked(engine: Any) -> None:
    await engine.journal.retry_parked()


async def _fed(value: bytes, pause: float) -> Any:
    half = len(value) // 2
    yield value[:half]
    await asyncio.sleep(pause)
    yield value[half:]
