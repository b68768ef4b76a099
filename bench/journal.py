"""A journal of a million entries: start-up, status and memory, beside those of an empty one.

    python bench/journal.py [--entries 1000000]

Each measurement runs in a process of its own, alternating between the two journals, so that
memory and caches are not shared. Prints a table and the ratios.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import apsw

from nobreak.engine.runtime import Engine
from nobreak.reporting.hub import Hub
from nobreak.settings import load_settings
from nobreak.stores.sqlite.database import Database

ROUNDS = 5
ENTRY = (
    "INSERT INTO entry (bucket, key, kind, head, size, md5, attributes, acked_at) "
    "VALUES ('nobreak', ?, 'put', ?, 100, '00000000000000000000000000000000', '{}', ?)"
)


def settings_for(folder: Path):
    return load_settings(
        {
            "EXTERNAL_STORAGE_HOST": "127.0.0.1",
            "EXTERNAL_STORAGE_PORT": "1",
            "NOBREAK_DATA_DIR": str(folder),
            "HEALTH_LOG_FILE": str(folder / "health.log"),
            "NOBREAK_ENV_FILE": "/dev/null",
        }
    )


async def fill(folder: Path, entries: int) -> None:
    """Write the entries that this many acknowledged 100-byte PUTs would have left."""
    database = await Database.open(folder / "journal.db")

    def work(writer: apsw.Connection) -> None:
        now = time.time()
        # Nine keys in ten are written once, one in ten holds ten versions.
        names = ((f"k{n}" if n % 10 else f"many{n // 100}", n % 10 != 0) for n in range(entries))
        writer.executemany(ENTRY, ((key, int(head), now) for key, head in names))
        writer.executemany(
            "INSERT INTO body VALUES (?, zeroblob(100))", ((n,) for n in range(1, entries + 1))
        )

    await database.write(work)
    await database.aclose()


async def measure(folder: Path) -> dict[str, float]:
    """Open an engine as `nobreak serve` does, and use it."""
    settings = settings_for(folder)
    began = time.perf_counter()
    async with Engine(settings, Hub()) as engine:
        opened = time.perf_counter() - began
        times = []
        for _ in range(20):
            before = time.perf_counter()
            engine.status()
            times.append(time.perf_counter() - before)
        before = time.perf_counter()
        engine.journal.ready(time.time(), 32)
        picked = time.perf_counter() - before
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "start-up (ms)": opened * 1000,
        "status, slowest of 20 (ms)": max(times) * 1000,
        "picking what to drain (ms)": picked * 1000,
        "peak memory (MiB)": rss,
    }


def in_its_own_process(folder: Path) -> dict[str, float]:
    output = subprocess.run(
        [sys.executable, __file__, "--measure", str(folder)], check=True, capture_output=True
    ).stdout
    found: dict[str, float] = json.loads(output)
    return found


def compare(entries: int) -> None:
    with tempfile.TemporaryDirectory(prefix="nobreak-bench-") as place:
        empty, full = Path(place, "empty"), Path(place, "full")
        for folder, count in ((empty, 0), (full, entries)):
            folder.mkdir()
            asyncio.run(fill(folder, count))
        rounds = [(in_its_own_process(empty), in_its_own_process(full)) for _ in range(ROUNDS)]
    title = f"{entries:,} entries"
    print(f"{'median of ' + str(ROUNDS):<30}{'empty':>12}{title:>22}{'ratio':>9}")
    for what in rounds[0][0]:
        few = statistics.median(pair[0][what] for pair in rounds)
        many = statistics.median(pair[1][what] for pair in rounds)
        print(f"{what:<30}{few:>12.2f}{many:>22.2f}{many / few:>9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--measure", type=Path)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(asyncio.run(measure(arguments.measure))))
    else:
        compare(arguments.entries)


if __name__ == "__main__":
    main()
