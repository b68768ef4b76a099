"""What can happen on this machine: its disk, its clock, its limits, another nobreak.

Disk and clock are those of nobreak alone: a small library is preloaded into it (`disk_shim.c`).
Where it can't be built, the scenarios are skipped.
"""

import asyncio
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.faults.stage import Scenario, Stage, second_nobreak

GCC = shutil.which("gcc")
SOURCE = Path(__file__).parent / "disk_shim.c"


@cache
def shim() -> Path:
    """The library, built once."""
    target = Path(tempfile.mkdtemp(prefix="nobreak-faults-")) / "shim.so"
    command = [GCC or "gcc", "-O1", "-shared", "-fPIC", "-o", str(target), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return target


def preload(folder: Path, settings: dict[str, str]) -> tuple[str, ...]:
    settings["LD_PRELOAD"] = str(shim())
    settings["DISK_FAULT"] = str(folder / "disk-fault")
    settings["DISK_FAULT_DIR"] = str(folder / "nobreak" / "data")
    return ()


def few_files(_folder: Path, _settings: dict[str, str]) -> tuple[str, ...]:
    return (shutil.which("prlimit") or "/usr/bin/prlimit", "--nofile=48:48")


def say(stage: Stage, fault: str) -> None:
    """Tell the library, in one step."""
    partial = stage.folder / "disk-fault.new"
    partial.write_text(fault)
    partial.replace(stage.folder / "disk-fault")


def disk(fault: str, *, outage: bool):
    """The disk fails, two seconds into an outage or while all is well."""

    async def strike(stage: Stage) -> None:
        if outage:
            await stage.proxy.refuse()
            await asyncio.sleep(2)
        say(stage, fault)

    async def lift(stage: Stage) -> None:
        say(stage, "")
        if outage:
            await stage.proxy.open()

    return {"strike": strike, "lift": lift, "prepare": preload}


def clock(jump: str):
    """The clock jumps in the middle of an outage, and stays there until the end."""

    async def strike(stage: Stage) -> None:
        await stage.proxy.refuse()
        await asyncio.sleep(2)
        say(stage, jump)
        await asyncio.sleep(2)

    async def lift(stage: Stage) -> None:
        await stage.proxy.open()

    return {"strike": strike, "lift": lift, "prepare": preload}


async def refuse(stage: Stage) -> None:
    await stage.proxy.refuse()


async def listen(stage: Stage) -> None:
    await stage.proxy.open()


async def another(stage: Stage) -> None:
    """A second nobreak on the same data directory; half of the clients use it."""
    await second_nobreak(stage)
    await asyncio.sleep(1)
    await stage.proxy.refuse()


async def another_is_killed(stage: Stage) -> None:
    """Two of them, an outage, and the first one, which leads, is killed."""
    await another(stage)
    await asyncio.sleep(2)
    await stage.nobreak.kill()
    await asyncio.sleep(1)
    await stage.nobreak.start(within=40)


LOCAL = (
    Scenario("disk full in the outage", **disk("full", outage=True), writes=False),
    Scenario("disk full while the store is well", **disk("full", outage=False)),
    Scenario("EIO on write in the outage", **disk("write", outage=True), writes=False),
    Scenario("EIO on write while the store is well", **disk("write", outage=False)),
    Scenario("EIO on fsync in the outage", **disk("fsync", outage=True), writes=False),
    Scenario("EIO on fsync while the store is well", **disk("fsync", outage=False)),
    Scenario("disk read-only in the outage", **disk("readonly", outage=True), writes=False),
    Scenario("clock set back 10 min in the outage", **clock("-600"), seconds=7),
    Scenario("clock set forward 10 min in the outage", **clock("+600"), seconds=7),
    Scenario(
        "48 file descriptors, in an outage",
        strike=refuse,
        lift=listen,
        prepare=few_files,
        writes=False,
    ),
    Scenario("a second nobreak on the same directory", strike=another, lift=listen, seconds=8),
    Scenario(
        "of two nobreaks the leading one killed in the outage",
        strike=another_is_killed,
        lift=listen,
        writes=False,
        judged=False,
        seconds=8,
    ),
)
if GCC is None:
    LOCAL = tuple(each for each in LOCAL if each.prepare is not preload)
