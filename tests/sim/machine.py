"""The simulated machine: processes with what they have open, and the thread that commits."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.sim.loop import SimTask, owner_var

from nobreak.engine.runtime import Engine
from nobreak.errors import LocalStoreError, NobreakError
from nobreak.stores.sqlite import database as sqlite

REAL_OPEN, REAL_CLOSE = os.open, os.close
NOBODYS: set[int] = set()
"""Descriptors that were opened for no process, but by the simulation itself."""


@dataclass
class Process:
    """A worker process: an engine of its own on the shared data directory."""

    number: int
    disk: "SimDisk"
    dead: bool = False
    frozen: bool = False
    held: list[Any] = field(default_factory=list)
    engine: Engine | None = None
    descriptors: set[int] = field(default_factory=set)
    databases: list["SimDatabase"] = field(default_factory=list)
    main: SimTask | None = None
    handlers: set[asyncio.Task[Any]] = field(default_factory=set)
    """The requests that it is serving."""
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


@dataclass(frozen=True)
class SimDisk:
    """What the disk does to commits: how long one takes (seconds), and how it fails, if it does."""

    commit_takes: Callable[[], float]
    commit_failure: Callable[[], NobreakError | None]


class SimDatabase(sqlite.Database):
    """The real SQL and the real file; the thread that commits is simulated."""

    def __init__(self, path: Path, writer: Any, reader: Any, on_trouble: Any = None) -> None:
        super().__init__(path, None, reader, on_trouble)
        self._writer, self._inode, self._queue = writer, path.stat().st_ino, []
        self._committing: asyncio.Task[None] | None = None
        owner = owner_var.get()
        assert isinstance(owner, Process)
        self._disk = owner.disk
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
        while self._queue:
            await asyncio.sleep(self._disk.commit_takes())
            batch, self._queue = self._queue, []
            failure = self._disk.commit_failure()
            if failure is None:
                self._commit(self._writer, batch)
            for job in batch:
                job.error = failure or job.error
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


def open_as_owner(*args: Any, **options: Any) -> int:
    """`os.open`, for the process that runs now."""
    descriptor = REAL_OPEN(*args, **options)
    owner = owner_var.get()
    if isinstance(owner, Process):
        owner.descriptors.add(descriptor)
    else:
        NOBODYS.add(descriptor)
    return descriptor


def close_as_owner(descriptor: int) -> None:
    """`os.close`; what a process had open that died is closed already."""
    owner = owner_var.get()
    if isinstance(owner, Process):
        if descriptor not in owner.descriptors:
            return
        owner.descriptors.discard(descriptor)
    elif descriptor in NOBODYS:
        NOBODYS.discard(descriptor)
    else:
        return  # what is left of a process, taken away by the garbage collector
    REAL_CLOSE(descriptor)
