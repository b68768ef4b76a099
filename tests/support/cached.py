"""What tests of the cache look at: the engine's copies, and their files."""

from pathlib import Path
from typing import Any

from tests.support.net import eventually

from nobreak.engine.away import copy_of_newest
from nobreak.words import Override


def context(rig: Any) -> Any:
    return rig.engine._opened


def tally(rig: Any) -> Any:
    return context(rig).cache.tally()


def files(rig: Any) -> list[Path]:
    folder = rig.settings.local.data_dir / "cache"
    return [path for path in folder.glob("*/*") if path.is_file()]


async def copied(rig: Any, count: int = 1) -> None:
    """Until there are so many copies, each with its file."""
    await eventually(lambda: tally(rig).copies == count and len(files(rig)) == count)


async def is_copied(rig: Any, key: str) -> None:
    """Until the newest version has a copy."""
    await eventually(lambda: copy_of_newest(context(rig), rig.name(key)) is not None)


async def settled(rig: Any) -> None:
    """Until nothing is on its way into the cache."""
    await eventually(lambda: not context(rig).cache._under_way)


async def local(rig: Any) -> None:
    await rig.engine.choose(Override.LOCAL, "test")


async def external(rig: Any) -> None:
    await rig.engine.choose(Override.AUTO, "test")
