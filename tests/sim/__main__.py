"""Play scenarios: `python -m tests.sim --count 1000`, or one again: `python -m tests.sim --seed 7`."""

import argparse
import multiprocessing
import os
import sys
import time

from tests.sim.plan import make_plan
from tests.sim.scenario import Verdict, play


def run(seed: int) -> Verdict:
    """Play the scenario of a seed."""
    try:
        return play(make_plan(seed))
    except Exception as error:  # noqa: BLE001 - one scenario's trouble is told with its seed
        return Verdict(seed, wrong=[f"the simulation failed: {error!r}"])


def one(seed: int) -> int:
    plan = make_plan(seed)
    verdict = play(plan)
    for at, text in verdict.told:
        print(f"{at:9.3f} {text}")
    for op in plan.ops:
        print(op)
    print(f"seed {seed}:", "; ".join(verdict.wrong) or "well")
    return bool(verdict.wrong)


def many(first: int, count: int, jobs: int) -> int:
    began, hours, ops, failed = time.monotonic(), 0.0, 0, 0
    with multiprocessing.Pool(jobs, maxtasksperchild=50) as pool:
        for done, verdict in enumerate(pool.imap_unordered(run, range(first, first + count)), 1):
            hours, ops = hours + verdict.seconds / 3600, ops + verdict.ops
            if verdict.wrong:
                failed += 1
                print(f"seed {verdict.seed}: {'; '.join(verdict.wrong)}")
                print(f"  again: python -m tests.sim --seed {verdict.seed}", flush=True)
            if done % 500 == 0 or done == count:
                print(f"{done} scenarios, {hours:.1f} h, {ops} operations, {failed} failed, "
                      f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
    return failed > 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is a part of the scenario
        os.execve(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]],
                  {**os.environ, "PYTHONHASHSEED": "0"})  # fmt: skip
    if given.seed is not None:
        return one(given.seed)
    return many(given.first, given.count, given.jobs)


if __name__ == "__main__":
    sys.exit(main())
