"""Recovery speed: how fast the journal is given back, beside programs that copy the same objects.

    python bench/drain.py [--rounds 3] [--small 10000] [--large 200] [--large-bytes 4194304] [--write]

In each round, on a new SeaweedFS: the objects are written by way of nobreak while the server is away,
it comes back, and the drain gives them all back; `rclone copy` and `s5cmd cp` move the same objects
from files to the same server. Then once more with live traffic through nobreak, beside the drain and
beside rclone. Prints ratios; `--write` puts them into docs/benchmarks.md, too.
"""

import argparse
import asyncio
import os
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import uvloop
from drain_report import Found, Moved, Round, print_tables, write_section
from load import drive, signed
from outage import Outage
from rivals import RCLONE_16, Rival, present
from usage import Process

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import SeaweedServer
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store

SMALL_BYTES = 4096
HEALTHY_SECONDS = 4.0
OURS, LOADED, LIVE = "to-nobreak", "to-nobreak-loaded", "live"
LOADED_RCLONE = Rival(f"{RCLONE_16.name}, loaded", RCLONE_16.program, RCLONE_16.arguments)
WARM_UP = 64
FOLDERS = ("small/", "large/")


@dataclass(frozen=True, slots=True)
class Plan:
    """How many objects of which size (bytes)."""

    small: int
    large: int
    large_bytes: int

    @property
    def count(self) -> int:
        return self.small + self.large

    @property
    def bytes(self) -> int:
        return self.small * SMALL_BYTES + self.large * self.large_bytes


def make_files(folder: Path, plan: Plan) -> Path:
    """The objects as files, of bytes that nobody can compress."""
    for kind, count, size in (
        ("small", plan.small, SMALL_BYTES),
        ("large", plan.large, plan.large_bytes),
    ):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            (folder / kind / f"{number:05}").write_bytes(random.randbytes(size))
    return folder


class Bench:
    """One round: its own server and nobreak, and what was found."""

    def __init__(self, folder: Path, files: Path, plan: Plan, rivals: Sequence[Rival]) -> None:
        self._plan = plan
        self._files = files
        self._rivals = rivals
        buckets = (OURS, LOADED, LIVE, LOADED_RCLONE.bucket, *(each.bucket for each in rivals))
        self._server = SeaweedServer(folder / "seaweed", buckets=buckets)
        settings = {"NOBREAK_DIVERT_AFTER": "30", "NOBREAK_ENV_FILE": os.devnull}
        self._nobreak = NobreakProcess(folder / "nobreak", self._server, settings)
        self._outage = Outage(self._server, self._nobreak, files)

    async def run(self, *, ours_first: bool) -> Round:
        """All in turn. The order alternates from round to round."""
        try:
            await self._server.start()
            for bucket in self._server.buckets:
                await self._warm_up(bucket)
            await self._nobreak.start()
            alone = {} if ours_first else await self._all_rivals()
            ours, to_recovery = await self._drain()
            alone |= {"nobreak": ours} | (await self._all_rivals() if ours_first else {})
            healthy = await self._healthy()
            if ours_first:
                loaded = [await self._loaded_drain(), await self._loaded_rclone()]
            else:
                loaded = [await self._loaded_rclone(), await self._loaded_drain()][::-1]
        finally:
            await self._nobreak.kill()
            await self._server.kill()
        return Round(to_recovery, alone, healthy, *loaded)

    async def _all_rivals(self) -> dict[str, Moved]:
        order = self._rivals if len(self._rivals) % 2 else self._rivals[::-1]
        return {rival.name: await self._move(rival) for rival in order}

    async def _warm_up(self, bucket: str) -> None:
        """The first object of a bucket makes its volumes, which takes a second."""
        host = self._server.endpoint.removeprefix("http://")
        pair = (self._server.access_key, self._server.secret_key)
        puts = [
            signed("PUT", host, f"/{bucket}/warm/{n}", pair, b"x", expects=0)
            for n in range(WARM_UP)
        ]
        await drive(host, puts, 8)

    async def _move(self, rival: Rival) -> Moved:
        os.sync()  # what the run before left to the disk is not this one's
        server = Process(self._server.pid)
        before = server.cpu()
        seconds, cpu = await rival.move(self._files, self._server)
        await self._check(rival.bucket)
        return Moved(seconds, cpu / self._plan.count, (server.cpu() - before) / self._plan.count)

    async def _drain(self) -> tuple[Moved, float]:
        """Outage, return, drain: what the drain took, and the seconds from return to recovery."""
        await self._outage.begin(OURS)
        os.sync()
        returned, recovered = await self._outage.end()
        ours, server = Process(self._nobreak.pid), Process(self._server.pid)
        before, external = ours.cpu(), server.cpu()
        empty = await self._outage.drained()
        used, external = ours.cpu() - before, server.cpu() - external
        await self._check(OURS)
        count = self._plan.count
        return Moved(empty - recovered, used / count, external / count), recovered - returned

    async def _healthy(self) -> float:
        """Live traffic by itself, in requests per second."""
        os.sync()
        async with self._outage.live(LIVE) as live:
            await asyncio.sleep(1.0)
            live.begin()
            await asyncio.sleep(HEALTHY_SECONDS)
            return live.rate()

    async def _loaded_drain(self) -> tuple[float, float]:
        """The drain beside live traffic: its seconds, and the rate of the traffic meanwhile."""
        await self._outage.begin(LOADED)
        os.sync()
        _, recovered = await self._outage.end()
        async with self._outage.live(LIVE) as live:
            live.begin()
            empty = await self._outage.drained()
            rate = live.rate()
        await self._check(LOADED)
        return empty - recovered, rate

    async def _loaded_rclone(self) -> tuple[float, float]:
        """The same of rclone."""
        os.sync()
        async with self._outage.live(LIVE) as live:
            live.begin()
            seconds, _ = await LOADED_RCLONE.move(self._files, self._server)
            rate = live.rate()
        await self._check(LOADED_RCLONE.bucket)
        return seconds, rate

    async def _check(self, bucket: str) -> None:
        """All objects have arrived. Ends the bench otherwise."""
        server, count, size = self._server, 0, 0
        store = S3Store(
            server.endpoint,
            access_key=server.access_key,
            secret_key=server.secret_key,
            region=server.region,
            timeouts=Timeouts(),
        )
        async with aclosing(store):
            async for page in store.pages(bucket):
                there = [each for each in page if each.name.key.startswith(FOLDERS)]
                count, size = count + len(there), size + sum(each.size for each in there)
        if (count, size) != (self._plan.count, self._plan.bytes):
            raise SystemExit(f"{bucket}: {count} objects of {size} bytes have arrived")


async def measure(plan: Plan, rounds: int) -> list[Round]:
    found, rivals = [], present()
    with tempfile.TemporaryDirectory(prefix="nobreak-drain-") as place:
        files = make_files(Path(place, "files"), plan)
        for number in range(rounds):
            folder, began = Path(place, str(number)), time.monotonic()
            folder.mkdir()
            bench = Bench(folder, files, plan, rivals)
            found.append(await bench.run(ours_first=number % 2 == 0))
            shutil.rmtree(folder)
            print(f"round {number + 1} of {rounds}: {time.monotonic() - began:.0f} s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=200)
    parser.add_argument("--large-bytes", type=int, default=4 * 1024 * 1024)
    parser.add_argument("--write", action="store_true", help="rewrite docs/benchmarks.md")
    arguments = parser.parse_args()
    plan = Plan(arguments.small, arguments.large, arguments.large_bytes)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rounds = runner.run(measure(plan, arguments.rounds))
    found = Found(plan.count, plan.bytes, tuple(rounds))
    print_tables(found)
    if arguments.write:
        write_section(found)


if __name__ == "__main__":
    main()
