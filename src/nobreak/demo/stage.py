"""The state of the play at this moment: what the screen shows and the acts wait for."""

import asyncio
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import aiohttp

from nobreak.demo.history import History
from nobreak.demo.record import Operation, Outcome
from nobreak.demo.texts import Act
from nobreak.demo.truth import Breach
from nobreak.errors import NobreakError
from nobreak.words import Mode

LOOK_EVERY = 0.1
"""How often nobreak is asked for its status (seconds)."""
RECENT = 5.0
"""The screen shows the waits of the last so many seconds."""
FAILURES = (Breach.WRITE_FAILED, Breach.READ_FAILED, Breach.WRONG_BYTES)


class TooLateError(NobreakError):
    """Something that the play waits for does not come."""


@dataclass(slots=True)
class Stage:
    """See the module. `clock` gives seconds; `status` and `log` are nobreak's own words."""

    history: History
    clock: Callable[[], float]
    began: float
    act: Act = Act.SETUP
    scene: str = ""
    status: dict[str, Any] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds since the play began."""
        return self.clock() - self.began

    @property
    def mode(self) -> str:
        """The mode as nobreak tells it, empty while unknown."""
        return str(self.status.get("current_mode", ""))

    @property
    def pending(self) -> int | None:
        """The length of the journal, None while unknown."""
        journal = self.status.get("journal")
        return None if journal is None else int(journal["entries"])

    @property
    def failures(self) -> int:
        """What clients have seen go wrong so far."""
        return self.history.count(*FAILURES)

    def enter(self, act: Act, scene: str) -> None:
        """The next act begins."""
        self.act, self.scene = act, scene

    async def until(self, condition: Callable[[], bool], *, within: float, what: str) -> float:
        """Wait for `condition`; the time when it held. Raises `TooLateError`."""
        deadline = self.clock() + within
        while not condition():
            if self.clock() > deadline:
                raise TooLateError(f"{what}: not within {within:g} s")
            await asyncio.sleep(LOOK_EVERY / 2)
        return self.clock()

    def in_mode(self, mode: Mode) -> bool:
        """Whether nobreak is in this mode."""
        return self.mode == mode.value

    def recent(self) -> Sequence[Operation]:
        """The operations that ended in the last `RECENT` seconds."""
        since = self.clock() - RECENT
        newest_first = reversed(self.history.operations)
        return list(takewhile(lambda operation: operation.ended > since, newest_first))


@dataclass(frozen=True, slots=True)
class Pulse:
    """The last seconds in numbers: operations a second, and waits in seconds."""

    rate: float
    median: float
    longest: float

    @classmethod
    def of(cls, stage: Stage) -> "Pulse":
        """The pulse of this moment."""
        waits = [operation.wait for operation in stage.recent()]
        if not waits:
            return cls(0.0, 0.0, 0.0)
        seconds = min(RECENT, max(1.0, stage.clock() - stage.history.operations[0].started))
        return cls(len(waits) / seconds, statistics.median(waits), max(waits))


def counts(operations: Sequence[Operation]) -> tuple[int, int, int, int]:
    """How many writes, reads, reads refused honestly and reads cut short there were."""
    writes = sum(operation.action.writes for operation in operations)
    outcomes = [op.outcome for op in operations if not op.action.writes]
    refused, cut = outcomes.count(Outcome.REFUSED), outcomes.count(Outcome.CUT)
    return writes, len(outcomes), refused, cut


async def follow(stage: Stage, base: str, health_log: Path) -> None:
    """Keep the stage informed of nobreak's status and log, for ever."""
    timeout = aiohttp.ClientTimeout(total=5.0)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        while True:
            try:
                async with session.get(f"{base}/api/storage-status") as response:
                    stage.status = await response.json()
            except (aiohttp.ClientError, TimeoutError):
                stage.status = {}
            if health_log.exists():
                stage.log = health_log.read_text("utf-8").splitlines()
            await asyncio.sleep(LOOK_EVERY)
