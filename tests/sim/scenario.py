"""Play a scenario, and judge it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.sim.clients import COPY_MARK, Clients
from tests.sim.driver import BUCKET
from tests.sim.faults import OF_A_PROCESS, OF_THE_DISK, Fault, FaultKind
from tests.sim.loop import StuckError, owner_var
from tests.sim.machine import Process
from tests.sim.plan import Op, Plan
from tests.sim.world import World

from nobreak.demo.record import Operation, Recorder, Version
from nobreak.demo.truth import Breach, explain
from nobreak.errors import ExternalError, NobreakError, UnavailableError
from nobreak.words import Override

CALM_WITHIN = 900.0
"""When the server is well again, all is given back within this (seconds)."""
WAIT_BEYOND = 0.5
"""No client waits for the external store longer than `NOBREAK_DIVERT_AFTER` and this (seconds)."""
NOT_CALM = "not calm"
FALSE_CONFLICT = "a conflict with nobody"
UNFORESEEN = "a mistake"


@dataclass
class Verdict:
    """What came of a scenario. `wrong` is empty when nothing was; each begins with its kind."""

    seed: int
    seconds: float = 0.0
    ops: int = 0
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    told: list[tuple[float, str]] = field(default_factory=list)

    @property
    def kinds(self) -> frozenset[str]:
        """What kinds of things were wrong."""
        return frozenset(each.split(":")[0] for each in self.wrong)


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
    verdict.seconds, verdict.told, verdict.events = world.elapsed, world.told, world.events
    verdict.requests = world.server.requests
    return verdict


class Scenario:
    """See the module."""

    def __init__(self, world: World, verdict: Verdict) -> None:
        self.world, self.plan, self.verdict = world, world.plan, verdict
        self.processes: list[Process] = []
        self.recorder = Recorder(lambda: world.elapsed)
        self.clients = Clients(self.recorder)

    async def run(self) -> None:
        world, plan = self.world, self.plan
        self.processes = [world.start(number) for number in range(plan.workers)]
        await self._until_up()
        if plan.indexed:
            await self._index()
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
            self._revive()
            await asyncio.sleep(0.5)
        self.verdict.wrong.append("a process does not start")

    def _revive(self) -> None:
        """Start those anew that could not start, as a supervisor does."""
        for place, process in enumerate(self.processes):
            if process.gone.is_set():
                self.processes[place] = self.world.start(process.number)

    async def _index(self) -> None:
        """`nobreak index`, once; what a fault makes of it is its own business."""
        process = self.processes[0]
        assert process.engine is not None
        with suppress(ExternalError, UnavailableError):
            await self._inside(process, process.engine.indexing.scan(BUCKET))

    async def _cause(self, fault: Fault) -> None:
        world = self.world
        await asyncio.sleep(max(0.0, fault.at - world.elapsed))
        self.verdict.faults[fault.kind.value] += 1
        with world.suffering(fault):
            if fault.kind in OF_A_PROCESS:
                chosen = [p for p in self.processes if fault.part in {-1.0, float(p.number)}]
                await asyncio.gather(*(self._hit(process, fault) for process in chosen))
            elif fault.kind is FaultKind.CLOCK:
                world.skew += fault.extra
            elif fault.kind is FaultKind.CHOICE:
                await self._choose(Override.LOCAL if fault.extra < 0.7 else Override.EXTERNAL)
                await asyncio.sleep(fault.lasts)
                await self._choose(Override.AUTO)
            else:
                await asyncio.sleep(fault.lasts)
        if fault.kind is FaultKind.FREEZE:
            engines = [each.engine for each in self.processes if each.engine is not None]
            world.server.thaw(seen=not any(_trusts(engine) for engine in engines))

    async def _choose(self, override: Override) -> None:
        """A person keeps trying until some process answers: a choice is always taken back."""
        while True:
            for process in self.processes:
                if process.engine is None or process.frozen:
                    continue
                with suppress(NobreakError, ConnectionResetError):
                    await self._inside(process, process.engine.choose(override, "a person"))
                    return
            if all(process.gone.is_set() for process in self.processes):
                self._revive()
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
            self.world.deaths += 1
        else:
            process.stop.set()
            await asyncio.wait_for(process.gone.wait(), 300)
        await asyncio.sleep(fault.lasts)
        for place, each in enumerate(self.processes):
            if each is process:
                self.processes[place] = self.world.start(process.number)

    async def _inside(self, process: Process, work: Awaitable[Any]) -> Any:
        """Run in a process, and hear of its end. Cancelled, its handler is cancelled."""
        context = self.world.loop.world.copy()
        context.run(owner_var.set, process)
        task = self.world.loop.create_task(work, context=context)  # type: ignore[arg-type]
        process.handlers.add(task)
        task.add_done_callback(process.handlers.discard)
        gone = asyncio.ensure_future(process.gone.wait())
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            task.cancel()
            task.add_done_callback(_heard)
            raise
        finally:
            gone.cancel()
        if not task.done() or task.cancelled():
            raise ConnectionResetError
        return task.result()

    async def _client(self, ops: list[Op]) -> None:
        for op in ops:
            await asyncio.sleep(max(0.0, op.at - self.world.elapsed))
            up = [p for p in self.processes if p.engine is not None]
            if not up:
                continue
            process = up[op.worker % len(up)]
            assert process.engine is not None

            async def inside(work: Awaitable[Any], process: Process = process) -> Any:
                return await self._inside(process, work)

            self.world.tell(f"BEGIN {op} (process {process.number})")
            await self.clients.do(op, process.engine, inside)
            for operation in self.recorder.returned[-2:]:
                if operation.client == f"#{op.number}":
                    self.world.tell(f"RETURN {operation}")

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
        self.verdict.wrong.append(
            f"{NOT_CALM}: entries left {CALM_WITHIN:g} s after the last fault"
        )

    def _judge(self) -> None:
        operations = self.recorder.operations()
        objects = self.world.server.objects
        held = {
            name.key: Version.of(stored.content)
            for name, stored in objects.items()
            if COPY_MARK not in name.key
        }
        wrong = self.verdict.wrong
        dies = any(fault.kind is FaultKind.KILL for fault in self.plan.faults)
        within = min(self.plan.look, 1.0) if dies else 0.0
        found = explain(operations, held, notices_within=within)
        wrong += [str(finding) for finding in found]
        wrong += [
            f"{Breach.SLOW}: {each} waited {each.wait:.2f} s" for each in self._slow(operations)
        ]
        wrong += [f"strange: {each}" for each in self.clients.strange]
        wrong += [f"{FALSE_CONFLICT}: {each}" for each in self._false_conflicts()]
        wrong += [f"{UNFORESEEN}: {each}" for each in sorted(self.world.unforeseen)]
        self.verdict.ops = len(operations)
        self.verdict.outcomes.update(
            f"{'writes' if each.action.writes else 'reads'} {each.outcome}" for each in operations
        )

    def _slow(self, operations: Iterable[Operation]) -> list[Operation]:
        """Those that waited too long, though neither our disk nor a process was in trouble (I5)."""
        limit, ops = self.plan.divert_after + WAIT_BEYOND, {op.number: op for op in self.plan.ops}
        found = []
        for operation in operations:
            op = ops[int(operation.client.removeprefix("#"))]
            feed = op.feed if op.kind in {"put", "create", "replace"} else 0.0
            if operation.wait - feed > limit and not self._troubled(operation):
                found.append(operation)
        return found

    def _troubled(self, operation: Operation) -> bool:
        return any(
            began <= operation.ended and operation.started <= ended + 1.0
            for began, ended, _fault in self.world.troubled
        )

    def _false_conflicts(self) -> list[str]:
        """Nobody else writes here: a conflict is a mistake, which costs a spare copy.

        After a crash, and when the disk fails, some are known to be made.
        """
        excused = {FaultKind.KILL, *OF_THE_DISK}
        if any(fault.kind in excused for fault in self.plan.faults):
            return []
        return sorted({kind for kind in self.world.events if kind.startswith("conflict")})


def _heard(task: asyncio.Task[Any]) -> None:
    """Its client has gone: nobody else asks what came of it."""
    if not task.cancelled():
        task.exception()


async def _retry_parked(engine: Any) -> None:
    await engine.journal.retry_parked()


def _trusts(engine: Any) -> bool:
    """Whether the checks have found the external store well."""
    return bool(engine.status()["external_server"]["trusted"])
