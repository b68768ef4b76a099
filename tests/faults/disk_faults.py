"""What can happen to this machine's disk, clock and limits.

Disk and clock are those of nobreak alone: a small library is preloaded into it (`disk_shim.c`).
Where it can't be built, these scenarios are skipped. A small file system of its own, which gets
really full, needs the right to mount one.
"""

import asyncio
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.faults.scenario import Scenario
from tests.faults.stage import Stage

GCC, PRLIMIT = shutil.which("gcc"), shutil.which("prlimit")
SOURCE = Path(__file__).parent / "disk_shim.c"
SMALL_DISK = "32m"


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


def has_compiler() -> bool:
    return GCC is not None


def few_files(_folder: Path, _settings: dict[str, str]) -> tuple[str, ...]:
    assert PRLIMIT is not None
    return (PRLIMIT, "--nofile=48:48")


def has_limits() -> bool:
    return PRLIMIT is not None


def mount(folder: Path, _settings: dict[str, str]) -> tuple[str, ...]:
    """A file system of its own for the data directory."""
    data = folder / "nobreak" / "data"
    data.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "nobreak-faults", str(data)]
    subprocess.run(command, check=True, capture_output=True)
    return ()


def unmount(folder: Path) -> None:
    subprocess.run(["umount", str(folder / "nobreak" / "data")], check=True, capture_output=True)


@cache
def may_mount() -> bool:
    with tempfile.TemporaryDirectory(prefix="nobreak-faults-") as folder:
        try:
            mount(Path(folder), {})
        except (OSError, subprocess.CalledProcessError):
            return False
        unmount(Path(folder))
        return True


def say(stage: Stage, fault: str) -> None:
    """Tell the library, in one step."""
    partial = stage.folder / "disk-fault.new"
    partial.write_text(fault)
    partial.replace(stage.folder / "disk-fault")


async def refuse(stage: Stage) -> None:
    await stage.proxy.refuse()


async def listen(stage: Stage) -> None:
    await stage.proxy.open()


async def _begin(stage: Stage, *, outage: bool) -> None:
    """Two seconds into an outage, or while all is well."""
    if outage:
        await stage.proxy.refuse()
        await asyncio.sleep(2)


def disk(fault: str, *, outage: bool):
    """The disk fails, two seconds into an outage or while all is well."""

    async def strike(stage: Stage) -> None:
        await _begin(stage, outage=outage)
        say(stage, fault)

    async def lift(stage: Stage) -> None:
        say(stage, "")
        await stage.proxy.open()

    return {
        "strike": strike,
        "lift": lift,
        "prepare": preload,
        "possible": has_compiler,
        "writes": "any" if outage else "own",
    }


def clock(jump: str, *, outage: bool = True):
    """The clock jumps, in the middle of an outage or while all is well, and stays there to the end."""

    async def strike(stage: Stage) -> None:
        await _begin(stage, outage=outage)
        say(stage, jump)
        await asyncio.sleep(2)

    return {
        "strike": strike,
        "lift": listen,
        "prepare": preload,
        "possible": has_compiler,
        "seconds": 7,
    }


def wrong_clock(jump: str):
    """The clock is so wrong that signatures are refused; it is put right when the store is back."""

    async def strike(stage: Stage) -> None:
        await stage.proxy.refuse()
        await asyncio.sleep(2)
        say(stage, jump)
        await asyncio.sleep(2)
        await stage.proxy.open()
        await asyncio.sleep(3)

    async def lift(stage: Stage) -> None:
        say(stage, "+0")

    return {"strike": strike, "lift": lift, "prepare": preload, "possible": has_compiler}


def fill(*, outage: bool):
    """A real disk, full to the last byte."""

    async def strike(stage: Stage) -> None:
        await _begin(stage, outage=outage)
        await asyncio.to_thread(_fill, stage.data_dir / "filler")

    async def lift(stage: Stage) -> None:
        (stage.data_dir / "filler").unlink()
        await stage.proxy.open()

    return {
        "strike": strike,
        "lift": lift,
        "prepare": mount,
        "cleanup": unmount,
        "possible": may_mount,
        "writes": "any" if outage else "own",
    }


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue


DISK = (
    Scenario("disk full in the outage", **disk("full", outage=True), fast=True),
    Scenario("disk full while the store is well", **disk("full", outage=False)),
    Scenario("a real small disk full in the outage", **fill(outage=True), fast=True),
    Scenario("a real small disk full while the store is well", **fill(outage=False)),
    Scenario("EIO on write in the outage", **disk("write", outage=True)),
    Scenario("EIO on write while the store is well", **disk("write", outage=False)),
    Scenario("EIO on fsync in the outage", **disk("fsync", outage=True)),
    Scenario("EIO on fsync while the store is well", **disk("fsync", outage=False), fast=True),
    Scenario("disk read-only in the outage", **disk("readonly", outage=True)),
    Scenario("disk read-only while the store is well", **disk("readonly", outage=False)),
    Scenario("clock set back 10 min in the outage", **clock("-600")),
    Scenario("clock set forward 10 min in the outage", **clock("+600")),
    Scenario("clock set back 10 min while all is well", **clock("-600", outage=False)),
    Scenario("clock set forward 10 min while all is well", **clock("+600", outage=False)),
    Scenario(
        "clock an hour ahead, put right after the outage", **wrong_clock("+3600"), writes="any"
    ),
    Scenario(
        "clock an hour behind, put right after the outage", **wrong_clock("-3600"), writes="any"
    ),
    Scenario(
        "48 file descriptors, in an outage",
        strike=refuse,
        lift=listen,
        prepare=few_files,
        possible=has_limits,
        writes="any",
        fast=True,
    ),
    Scenario(
        "48 file descriptors while the store is well",
        prepare=few_files,
        possible=has_limits,
        writes="any",
    ),
)
