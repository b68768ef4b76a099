"""The world around the engines of a scenario: time, luck, disk and processes, and the server."""

import asyncio
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from tests.sim.driver import SimProbe, SimStore
from tests.sim.faults import OF_THE_DISK, Fault, FaultKind
from tests.sim.loop import SimLoop, owner_var
from tests.sim.machine import Process, SimDatabase, SimDisk, close_as_owner, open_as_owner
from tests.sim.plan import Plan
from tests.sim.server import Server

from nobreak.engine import (
    companions,
    drain,
    indexing,
    journal_file,
    leader,
    leading,
    monitor,
    opening,
    runtime,
    upload_care,
)
from nobreak.engine.deaths import note_the_dead
from nobreak.engine.reload import SettingsWatcher
from nobreak.engine.runtime import Engine
from nobreak.errors import LocalStoreError, NobreakError, OutOfSpaceError
from nobreak.reporting.events import EventKind
from nobreak.settings import load_settings
from nobreak.stores.local import bodies, disk, spool

EPOCH = 1_700_000_000.0
ROOM = 1 << 40
MISTAKE = re.compile(
    r"\w*(Assertion|Attribute|Index|Key|Name|Runtime|State|Type|Unbound\w*|Value)Error"
)
"""Errors that no fault causes, but a mistake in the program."""


class World:
    """One scenario's world. `elapsed`: seconds since its beginning."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._luck: dict[str, Random] = {}
        self.loop = SimLoop(self._disk_work)
        self.began = self.loop.now
        self.skew = 0.0
        self.server = Server(self)
        self.active: list[Fault] = []
        self.troubled: list[tuple[float, float, Fault]] = []
        """When which fault of the disk or of a process began and ended."""
        self.folder = Path(tempfile.mkdtemp(prefix="nobreak-sim-", dir=_memory()))
        self.told: list[tuple[float, str]] = []
        self.events: Counter[str] = Counter()
        self.unforeseen: set[str] = set()
        """Mistakes that the engine reported."""
        self.deaths = self.noted = 0
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

    def luck(self, what: str) -> Random:
        """The luck of one kind of thing: what is left out of a plan changes no other kind's."""
        if what not in self._luck:
            self._luck[what] = Random(f"world {self.plan.seed} {what}")
        return self._luck[what]

    def fault(self, kind: FaultKind) -> Fault | None:
        return next((fault for fault in self.active if fault.kind is kind), None)

    def emit(self, kind: Any, /, **fields: Any) -> None:
        self.events[str(kind)] += 1
        if kind is EventKind.UNEXPECTED_ERROR and MISTAKE.match(str(fields["reason"])):
            self.unforeseen.add(f"{fields['where']}: {fields['reason']}")
        self.tell(f"{kind} {fields}")

    def tell(self, text: str) -> None:
        self.told.append((self.elapsed, text))

    def _commit_takes(self) -> float:
        slow = self.fault(FaultKind.SLOW_DISK)
        return self.luck("commit").uniform(0.0005, 0.3 if slow else 0.005)

    def _commit_failure(self) -> NobreakError | None:
        if self.fault(FaultKind.FULL_DISK):
            return OutOfSpaceError("the disk under the data directory is full")
        fault = self.fault(FaultKind.BAD_DISK)
        if fault is not None and self.luck("commit").random() < fault.part * 0.3:
            return LocalStoreError("the journal can't be used: disk I/O error")
        return None

    def _disk_work(self, ours: bool) -> tuple[float, OSError | None]:
        luck, fault = self.luck("disk"), self.fault(FaultKind.BAD_DISK)
        bad = ours and fault is not None and luck.random() < fault.part * 0.3
        slow = 0.3 if self.fault(FaultKind.SLOW_DISK) else 0.002
        return luck.uniform(0.0001, slow), OSError(5, "EIO") if bad else None

    def _free_bytes(self) -> int:
        return 0 if self.fault(FaultKind.FULL_DISK) else ROOM

    @contextmanager
    def suffering(self, fault: Fault) -> Iterator[None]:
        """While the context lasts the fault is there."""
        began = self.elapsed
        self.tell(f"FAULT {fault}")
        self.active.append(fault)
        try:
            yield
        finally:
            self.active.remove(fault)
            self.tell(f"END {fault.mark}")
            if fault.kind not in OF_THE_DISK and fault.kind is not FaultKind.PAUSE:
                began = float("inf")
            self.troubled.append((began, self.elapsed, fault))

    def start(self, number: int) -> Process:
        process = Process(number, SimDisk(self._commit_takes, self._commit_failure))
        context = self.loop.world.copy()
        context.run(owner_var.set, process)
        process.main = self.loop.create_task(self._live(process), context=context)  # type: ignore[assignment]
        return process

    async def _note_the_dead(self, *places: Any) -> None:
        """As often as the real ones look, but only when there is something to find: it costs time."""
        if self.deaths != self.noted:
            deaths = self.deaths
            await note_the_dead(*places)
            self.noted = deaths

    async def _live(self, process: Process) -> None:
        try:
            async with Engine(self.settings, self, reload=lambda: self.settings) as engine:
                process.engine = engine
                await process.stop.wait()
                process.engine = None
                for handler in process.handlers:
                    handler.cancel()
                await asyncio.gather(*process.handlers, return_exceptions=True)
        except (LocalStoreError, OutOfSpaceError):
            pass  # it did not start: the supervisor tries again
        process.engine = None
        process.gone.set()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While the context lasts the engine lives in this world."""
        look = self.plan.look
        timeout = float(self.plan.settings["HEALTH_CHECK_TIMEOUT"])
        with ExitStack() as stack:

            def put(target: Any, name: str, value: Any) -> None:
                stack.enter_context(patch.object(target, name, value))

            put(os, "open", open_as_owner)
            put(os, "close", close_as_owner)
            put(journal_file, "Database", SimDatabase)
            # It waits for its lock without an end, on the one thread that all processes share here.
            put(journal_file, "_locked", lambda _path: nullcontext())
            put(opening, "time", self)
            put(bodies, "time", self)
            put(spool, "INLINE_MAX", 256)
            put(bodies, "INLINE_MAX", 256)
            put(disk.Disk, "free_bytes", lambda _disk: self._free_bytes())
            for module in (opening, runtime):
                put(module, "open_external", lambda *_: SimStore(self.server))
            for module in (leading, runtime):
                put(
                    module,
                    "build_probe",
                    lambda *_, doubt: SimProbe(self.server, doubt=doubt, timeout=timeout),
                )
            put(leading, "Title", _NoTitle)
            put(leading, "TITLE_EVERY", 1e6)
            for module in (monitor, drain):
                put(module, "LOOK_EVERY", look)
            put(companions, "LOOK_EVERY", min(look, 1.0))
            put(companions, "note_the_dead", self._note_the_dead)
            for module in (indexing, upload_care):
                put(module, "LOOK_EVERY", 2 * look)
            put(runtime, "SettingsWatcher", partial(SettingsWatcher, look_every=1e6))
            put(leader, "ATTEMPT_EVERY", look)
            yield

    def end(self) -> None:
        """Leave nothing behind."""
        self.loop.bury()
        self.loop.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class _NoTitle:
    def monitoring(self, _mode: Any) -> None:
        return

    def restore(self) -> None:
        return


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
