"""The play: all well, an outage, life on the local disk, the return, the drain."""

import asyncio
from dataclasses import dataclass, field

from nobreak.demo.seaweed import SeaweedServer
from nobreak.demo.stage import Stage
from nobreak.demo.texts import RETURNS, SCENES, STRIKES, Act
from nobreak.lang import Lang, Text
from nobreak.words import Mode

FALLBACK_WITHIN = 10.0
RECOVERY_WITHIN = 40.0
"""SeaweedFS answers at once after a kill, but sometimes takes no writes for another 15 s."""
DRAINED_WITHIN = 30.0
REFUSE, FREEZE = "refuse", "freeze"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the acts take that wait for nothing, and how many clients play (seconds)."""

    normal: float = 4.0
    outage: float = 6.0
    after: float = 3.0
    clients: int = 6


QUICK = Pace(normal=1.5, outage=3.0, after=1.0, clients=4)


@dataclass(slots=True)
class Times:
    """When what happened, on the stage's clock; None: not (yet)."""

    struck: float | None = None
    fallback: float | None = None
    returned: float | None = None
    recovered: float | None = None
    drained: float | None = None

    @property
    def to_fallback(self) -> float | None:
        """Seconds from the outage to the fallback."""
        return _between(self.struck, self.fallback)

    @property
    def to_drained(self) -> float | None:
        """Seconds from the return to the last entry's leaving the journal."""
        return _between(self.returned, self.drained)


def _between(first: float | None, last: float | None) -> float | None:
    return None if first is None or last is None else last - first


@dataclass(slots=True)
class Play:
    """See the module. `outage`: `refuse` or `freeze`."""

    server: SeaweedServer
    stage: Stage
    outage: str
    pace: Pace
    lang: Lang
    times: Times = field(default_factory=Times)

    async def outage_and_return(self) -> None:
        """All well, the outage, the return, the recovery. Raises `TooLateError`."""
        self._enter(Act.NORMAL, SCENES[Act.NORMAL])
        await asyncio.sleep(self.pace.normal)
        await self._strike()
        await asyncio.sleep(self.pace.outage)
        await self._return()
        await asyncio.sleep(self.pace.after)

    async def give_back(self) -> None:
        """Wait until the journal is empty. Raises `TooLateError`."""
        self.times.drained = await self.stage.until(
            lambda: self.stage.pending == 0, within=DRAINED_WITHIN, what="drain"
        )

    async def _strike(self) -> None:
        stage, away = self.stage, self.stage.history.outage
        self._enter(Act.STRUCK, STRIKES[self.outage])
        away.began = self.times.struck = stage.clock()
        if self.outage == FREEZE:
            self.server.freeze()
        else:
            await self.server.kill()
        self.times.fallback = await stage.until(
            lambda: stage.in_mode(Mode.LOCAL), within=FALLBACK_WITHIN, what="fallback"
        )
        away.known = self.times.fallback
        self._enter(Act.OUTAGE, SCENES[Act.OUTAGE])

    async def _return(self) -> None:
        stage = self.stage
        self._enter(Act.RETURN, RETURNS[self.outage])
        if self.outage == FREEZE:
            self.server.thaw()
        else:
            await self.server.start()
        self.times.returned = stage.clock()
        self.times.recovered = await stage.until(
            lambda: stage.in_mode(Mode.EXTERNAL), within=RECOVERY_WITHIN, what="recovery"
        )
        stage.history.outage.ended = self.times.recovered
        self._enter(Act.DRAIN, SCENES[Act.DRAIN])

    def _enter(self, act: Act, scene: Text) -> None:
        self.stage.enter(act, scene.within(self.lang))
