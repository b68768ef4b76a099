"""The S3 front beside its rivals: direct, nobreak, rclone, JuiceFS, all in one run, alternating.

    python bench/s3.py [--quick] [--write] [--only SETUP ...] [--sizes SIZE ...]

Prints ratios to going directly to SeaweedFS; `--write` puts them into docs/benchmarks.md, too.
"""

import argparse
import asyncio
import os
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import uvloop
from load import drive, signed
from report import Sample, Samples, print_tables, write_page
from setups import Setup, Stage, stage

CONNECTIONS = 16
KIB, MIB = 1024, 1024 * 1024
REQUESTS = {4 * KIB: 2000, 64 * KIB: 1000, MIB: 160, 64 * MIB: 16}
ROUNDS = {4 * KIB: 5, 64 * KIB: 5, MIB: 5, 64 * MIB: 3}
QUICK_ROUNDS = 2
NAMES = {4 * KIB: "4KiB", 64 * KIB: "64KiB", MIB: "1MiB", 64 * MIB: "64MiB"}
RUN_WITHIN = 120.0


async def measure(at: Stage, setup: Setup, method: str, size: int, prefix: str) -> Sample:
    """One run of one set-up."""
    body = os.urandom(size) if method == "PUT" else b""
    requests = [
        signed(
            method,
            setup.host,
            f"/{setup.bucket}/{prefix}/{number}",
            at.pair,
            body,
            expects=0 if method == "PUT" else size,
        )
        for number in range(REQUESTS[size])
    ]
    os.sync()  # what the run before left to the disk is not this one's
    setup.process.forget_peak()
    before, external = setup.process.cpu(), at.external.cpu()
    async with asyncio.timeout(RUN_WITHIN):
        seconds = await drive(setup.host, requests, CONNECTIONS)
    return Sample(
        rate=len(requests) / seconds,
        cpu=(setup.process.cpu() - before) / len(requests),
        external_cpu=(at.external.cpu() - external) / len(requests),
        peak=setup.process.peak(),
    )


async def compare(size: int, rounds: int, only: Sequence[str], found: Samples) -> None:
    """All set-ups in turn, on new servers, with objects of one size."""
    with tempfile.TemporaryDirectory(prefix="nobreak-bench-") as folder:
        async with stage(Path(folder), only) as at:
            for number in range(-1, rounds):  # the first round warms up
                order = at.setups[::-1] if number % 2 else at.setups
                for setup in order:
                    for method in ("PUT", "GET"):
                        prefix = f"{setup.name.replace(' ', '-')}/{number}".replace(",", "")
                        sample = await measure(at, setup, method, size, prefix)
                        if number >= 0:
                            found[method, NAMES[size]][setup.name].append(sample)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds only")
    parser.add_argument("--write", action="store_true", help="rewrite docs/benchmarks.md")
    parser.add_argument("--only", nargs="+", default=[], help="gateways whose names begin so")
    parser.add_argument("--sizes", nargs="+", default=list(NAMES.values()))
    arguments = parser.parse_args()
    found: Samples = defaultdict(lambda: defaultdict(list))
    for size, name in NAMES.items():
        if name in arguments.sizes:
            rounds = QUICK_ROUNDS if arguments.quick else ROUNDS[size]
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(compare(size, rounds, arguments.only, found))
            print_tables({each: rows for each, rows in found.items() if each[1] == name})
    if arguments.write:
        write_page(found)


if __name__ == "__main__":
    main()
