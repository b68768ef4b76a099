"""The recordings: each in a folder of its own, from which it can be read again."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from tests.powerloss.marks import Sort
from tests.powerloss.recording import Event, Kind, Reader, record, recorder
from tests.powerloss.served import planned, serve

KILLED = -9
SEED = "served-with-seed"
"""The file that tells that a recording is one of a server."""
LAST_DEATH = 14
"""A short run has so many fsyncs outside of SQLite (and then some)."""


def whole(folder: Path, seed: int) -> list[Event]:
    """All that the workload does: two starts, a passing command, drains, an end by SIGKILL."""
    _record(folder, seed, "whole", 0)
    return read(folder)


def named(folder: Path, seed: int) -> list[Event]:
    """Before a server that chooses names, as the original system's does."""
    _record(folder, seed, "named", 0)
    return read(folder)


def after_death(folder: Path, seed: int, death: int) -> list[Event]:
    """A first start that is killed before its fsync of that number, and another start after it."""
    _record(folder, seed, "short", death)
    _record(folder, seed + 1, "short", 0)
    return read(folder)


def served(folder: Path, seed: int) -> list[Event]:
    """A real `nobreak serve` in an outage, and its clients over HTTP."""
    folder = folder.resolve()
    (folder / "disk").mkdir(parents=True)
    (folder / SEED).write_text(str(seed))
    asyncio.run(serve(folder, seed, recorder(folder / "trace-0")))
    return read(folder)


def read(folder: Path) -> list[Event]:
    """What was recorded in a folder."""
    folder = folder.resolve()
    traces = sorted(folder.glob("trace-*"))
    if not (folder / SEED).exists():
        return Reader(folder / "disk", folder / "marks").events(traces)
    begun = [mark for _, mark, _ in planned(int((folder / SEED).read_text()))]
    answered = [replace(mark, sort=Sort.ACK) for mark in begun]
    events = Reader(folder / "disk", folder / "marks", answered).events(traces)
    # What is planned for later can't be there before: it counts as begun from the start.
    return [*(Event(Kind.MARK, 0, 0, mark=mark) for mark in begun), *events]


def _record(folder: Path, seed: int, extent: str, death: int) -> None:
    folder = folder.resolve()
    (folder / "disk").mkdir(parents=True, exist_ok=True)
    trace = folder / f"trace-{len(list(folder.glob('trace-*')))}"
    arguments = (str(folder / "disk"), str(folder / "marks"), str(seed), extent, str(death))
    code = record((sys.executable, "-m", "tests.powerloss.workload", *arguments), trace)
    assert code == KILLED, f"the workload ended with {code}, see {folder}"
