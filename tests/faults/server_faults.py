"""What can happen to the external server itself, a SeaweedFS of the scenario's own.

It is killed, frozen with requests in its buffers, and comes back without what it had confirmed. What
it lost that way is not nobreak's: it says so, and gives back all that was acknowledged since.
"""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.faults.scenario import Scenario
from tests.faults.stage import Stage

CAME_BACK_WITHOUT = "EXTERNAL SERVER CAME BACK WITHOUT"


async def freeze(stage: Stage) -> None:
    """It accepts, keeps silent, and executes all that it was sent when it thaws (I4)."""
    stage.seaweed.freeze()


async def thaw(stage: Stage) -> None:
    stage.seaweed.thaw()


async def kill(stage: Stage) -> None:
    await stage.seaweed.kill()


async def start(stage: Stage) -> None:
    await stage.seaweed.start()


def loses(change: Callable[[Stage], Awaitable[None]], copy: bool = False):
    """It dies, and what it holds is changed before it comes back."""

    async def strike(stage: Stage) -> None:
        if copy:
            await _take_copy(stage)
            await asyncio.sleep(2)  # of these two seconds it will know nothing
        writer = stage.client("files", "quiet", ())
        for number in range(5):
            await writer.put(f"quiet/{number}")
        await stage.seaweed.kill()
        await stage.until(lambda status: status.get("current_mode") == "local")
        await asyncio.sleep(0.5)
        stage.lost_before = time.monotonic()
        await asyncio.to_thread(shutil.rmtree, stage.seaweed.data_dir)
        await change(stage)
        await asyncio.sleep(2)

    return {"strike": strike, "lift": start, "own_server": True}


async def everything(_stage: Stage) -> None:
    pass


async def its_bucket_too(stage: Stage) -> None:
    stage.seaweed.buckets = ("another",)


async def what_is_newer_than_the_copy(stage: Stage) -> None:
    await asyncio.to_thread(shutil.copytree, _copy(stage), stage.seaweed.data_dir)


async def _take_copy(stage: Stage) -> None:
    """A copy as a snapshot of its disk would be."""
    stage.seaweed.freeze()
    ignored = shutil.ignore_patterns("*.sock")
    await asyncio.to_thread(shutil.copytree, stage.seaweed.data_dir, _copy(stage), ignore=ignored)
    stage.seaweed.thaw()


def _copy(stage: Stage) -> Path:
    return stage.folder / "older"


SERVER = (
    Scenario(
        "server frozen, thaws",
        strike=freeze,
        lift=thaw,
        own_server=True,
        settings={"NOBREAK_SETTLE": "8"},
    ),
    Scenario("server killed, started again", strike=kill, lift=start, own_server=True),
    Scenario("server returns empty", **loses(everything), says=(CAME_BACK_WITHOUT,)),
    Scenario(
        "server returns empty, without its bucket",
        **loses(its_bucket_too),
        says=(CAME_BACK_WITHOUT,),
    ),
    Scenario(
        "server returns with older data",
        **loses(what_is_newer_than_the_copy, copy=True),
        says=(CAME_BACK_WITHOUT,),
        fast=True,
    ),
)
