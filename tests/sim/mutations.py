"""Breaks of the engine, each of one rule, and put back what was found: does the simulation see them?

Each is patched in while scenarios are played. `make sim ARGS="--mutations"` says which seed finds
which; `make sim ARGS="--mutation NAME --seed N"` plays one of these scenarios.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from tests.sim import campaign
from tests.sim.breaks import MUTATIONS
from tests.sim.campaign import run, workers
from tests.sim.plan import make_plan
from tests.sim.scenario import Verdict


@contextmanager
def applied(name: str | None) -> Iterator[None]:
    """While the context lasts the engine is broken like this; None: it is not."""
    with ExitStack() as stack:
        for target, attribute, value in MUTATIONS[name].patches() if name else []:
            stack.enter_context(patch.object(target, attribute, value))
        yield


def played(name: str | None, seed: int) -> Verdict:
    """The scenario of a seed, with the engine broken like this; None: it is not."""
    with applied(name):
        return campaign.played(seed)


def first_found(task: tuple[str, int, int]) -> tuple[str, int | None, str]:
    """A mutation, the first seed of so many that finds it, and what was wrong then."""
    name, first, count = task
    with applied(name):
        for seed in range(first, first + count):
            verdict = run(make_plan(seed))
            if verdict.wrong:
                return name, seed, "; ".join(sorted(verdict.kinds))
    return name, None, ""


def table(names: Sequence[str], first: int, count: int, jobs: int) -> int:
    """Print which seed finds which mutation; 1 when one of them is not found."""
    tasks = [(name, first, count) for name in names or MUTATIONS]
    missed = 0
    print("| mutation | what is wrong then | seed | found as |\n| --- | --- | --- | --- |")
    with workers(jobs, 1) as pool:
        for name, seed, kinds in pool.imap(first_found, tasks):
            missed += seed is None
            found = seed or "none"
            print(f"| `{name}` | {MUTATIONS[name].breaks} | {found} | {kinds} |", flush=True)
    return missed > 0
