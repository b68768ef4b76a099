"""What can happen to nobreak's own process: killed, terminated or frozen, at every stage of an outage."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.scenario import Scenario
from tests.faults.stage import Stage, second_nobreak

FROZEN_FOR = 3.0
TO_SEND = 40
"""So many entries must wait when the drain is to be hit in the middle."""


async def killed(stage: Stage) -> None:
    await stage.nobreak.kill()
    await stage.nobreak.start(within=40)


async def terminated(stage: Stage) -> None:
    await stage.nobreak.stop()
    await stage.nobreak.start(within=40)


async def frozen(stage: Stage) -> None:
    stage.nobreak.send(signal.SIGSTOP)
    await asyncio.sleep(FROZEN_FOR)
    stage.nobreak.send(signal.SIGCONT)
    await asyncio.sleep(1)


async def all_well(stage: Stage) -> None:
    await asyncio.sleep(stage.chance.uniform(0.3, 1.0))


async def outage_begins(stage: Stage) -> None:
    """Clients are being diverted, and no check has given its verdict yet."""
    await stage.proxy.refuse()
    await asyncio.sleep(stage.chance.uniform(0.05, 0.3))


async def in_outage(stage: Stage) -> None:
    await stage.proxy.refuse()
    await stage.until(lambda status: status.get("current_mode") == "local")
    await asyncio.sleep(stage.chance.uniform(0.5, 1.5))


async def store_returns(stage: Stage) -> None:
    """The store answers again, and too few checks have seen it."""
    await in_outage(stage)
    await stage.proxy.open()
    await stage.until(lambda status: status["monitor"]["consecutive_successes"] > 0)


async def in_drain(stage: Stage) -> None:
    """Mode external, and entries on their way."""
    await in_outage(stage)
    await stage.until(lambda status: status["journal"]["entries"] >= TO_SEND)
    await stage.proxy.open()
    await stage.until(lambda status: status.get("current_mode") == "external")


@dataclass(frozen=True)
class _Hit:
    """What is done to nobreak, a few times, each time at this stage."""

    at: Callable[[Stage], Awaitable[None]]
    how: Callable[[Stage], Awaitable[None]]

    async def __call__(self, stage: Stage) -> None:
        for _ in range(stage.times):
            await self.at(stage)
            await self.how(stage)
            await stage.proxy.open()
            await stage.until(lambda status: status.get("current_mode") == "external")


STAGES = {
    "while all is well": all_well,
    "as an outage begins": outage_begins,
    "in the outage": in_outage,
    "as the store returns": store_returns,
    "in the drain": in_drain,
}
HOW = {"killed": killed, "terminated": terminated, "frozen for 3 s": frozen}
FAST = {
    ("killed", "in the outage"),
    ("killed", "in the drain"),
    ("terminated", "in the drain"),
    ("frozen for 3 s", "as the store returns"),
}


async def another(stage: Stage) -> None:
    """A second nobreak on the same data directory; a third of the clients use it."""
    await second_nobreak(stage)
    await asyncio.sleep(1)
    await stage.proxy.refuse()


async def the_leader_is_killed(stage: Stage) -> None:
    """Two of them, an outage, and the first one, which leads, is killed."""
    await another(stage)
    await asyncio.sleep(2)
    await stage.nobreak.kill()
    await asyncio.sleep(1)
    await stage.nobreak.start(within=40)


async def listen(stage: Stage) -> None:
    await stage.proxy.open()


NOBREAK = (
    *(
        Scenario(
            f"nobreak {how} {stage}",
            strike=_Hit(at, does),
            writes="any",
            judged=False,
            fast=(how, stage) in FAST,
        )
        for how, does in HOW.items()
        for stage, at in STAGES.items()
    ),
    Scenario(
        "a second nobreak on the same directory",
        strike=another,
        lift=listen,
        seconds=8,
        fast=True,
    ),
    Scenario(
        "of two nobreaks the leading one killed in the outage",
        strike=the_leader_is_killed,
        lift=listen,
        writes="any",
        judged=False,
        seconds=8,
    ),
)
