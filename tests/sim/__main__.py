"""Play scenarios under a virtual clock: many, or one again.

make sim                                        10,000 scenarios
make sim ARGS="--count 500 --first 20000"       others
make sim ARGS="--seed 7"                        one, with everything that happened
make sim ARGS="--seed 7 --keep f1,3,9"          only this of it, as a shrunk failure says
make sim ARGS="--mutations"                     break the engine on purpose: is it found?
"""

import argparse
import os
import sys
from functools import partial

from tests.sim import campaign, mutations


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.sim",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="play this scenario, and tell what happened")
    parser.add_argument("--keep", help="of its faults (f0, f1, ...) and operations only these")
    parser.add_argument("--workers", type=int, help="with no more than so many processes")
    parser.add_argument("--first", type=int, default=1, help="the first seed of many")
    parser.add_argument("--count", type=int, default=10_000, help="how many scenarios")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("--no-shrink", action="store_true", help="show failures as they are")
    parser.add_argument("--mutations", nargs="*", metavar="NAME", help="of these, or of all")
    parser.add_argument("--mutation", metavar="NAME", help="play with the engine broken like this")
    given = parser.parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is a part of the scenario
        os.execve(sys.executable, [sys.executable, "-m", "tests.sim", *sys.argv[1:]],
                  {**os.environ, "PYTHONHASHSEED": "0"})  # fmt: skip
    if given.mutations is not None:
        return mutations.table(given.mutations, given.first, given.count, given.jobs)
    with mutations.applied(given.mutation):
        if given.seed is not None:
            return campaign.one(given.seed, given.keep, given.workers)
        seeds = range(given.first, given.first + given.count)
        played = partial(
            mutations.played, given.mutation
        )  # they don't inherit what is applied here
        return campaign.many(seeds, given.jobs, played, shrink=not given.no_shrink)


if __name__ == "__main__":
    sys.exit(main())
