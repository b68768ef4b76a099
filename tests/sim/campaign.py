"""Many scenarios, on all cores, and what came of them; or one, told from beginning to end."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.pool import Pool

from tests.sim.plan import Plan, make_plan
from tests.sim.scenario import Verdict, play
from tests.sim.shrink import arguments, shrunk

TELL_EVERY = 500


def run(plan: Plan) -> Verdict:
    """Play a plan; what goes wrong with the simulation itself is wrong, too."""
    try:
        return play(plan)
    except Exception as error:  # noqa: BLE001 - one scenario's trouble is told with its seed
        return Verdict(plan.seed, wrong=[f"the simulation failed: {error!r}"])


def fails_alike(plan: Plan, verdict: Verdict) -> bool:
    """Whether a plan fails in one of the ways of this verdict."""
    return bool(run(plan).kinds & verdict.kinds)


def one(seed: int, keep: str | None, workers: int | None) -> int:
    """Play one scenario, and tell what happened; 1 when something was wrong."""
    plan = make_plan(seed)
    marks = plan.marks if keep is None else keep.split(",")
    plan = plan.keeping(marks, workers)
    verdict = run(plan)
    print(described(plan))
    for at, text in verdict.told:
        print(f"{at:9.3f} {text}")
    print(f"seed {seed}:", "; ".join(verdict.wrong) or "well")
    return bool(verdict.wrong)


def described(plan: Plan) -> str:
    """A plan for people."""
    settings = ", ".join(f"{name}={value}" for name, value in plan.settings.items())
    lines = [f"{plan.workers} processes, indexed: {plan.indexed}, {settings}"]
    return "\n".join([*lines, *map(str, plan.faults), *map(str, plan.ops)])


class Summary:
    """What many scenarios came to."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.scenarios = self.failed = self.ops = self.requests = 0
        self.seconds = 0.0
        self.faults: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def add(self, verdict: Verdict) -> None:
        self.scenarios += 1
        self.failed += bool(verdict.wrong)
        self.ops += verdict.ops
        self.requests += verdict.requests
        self.seconds += verdict.seconds
        self.faults += verdict.faults
        self.outcomes += verdict.outcomes

    def __str__(self) -> str:
        return (
            f"{self.scenarios} scenarios, {self.seconds / 3600:.1f} simulated hours, {self.ops} operations, "
            f"{self.requests} requests, {self.failed} failed, {time.monotonic() - self.began:.0f} s"
        )

    def details(self) -> str:
        """Faults and outcomes, by kind."""
        told = [("faults", self.faults), ("outcomes", self.outcomes)]
        return "\n".join(
            f"{what}: " + ", ".join(f"{kind} {count}" for kind, count in sorted(counter.items()))
            for what, counter in told
        )


def many(seeds: Sequence[int], jobs: int, played: Callable[[int], Verdict], *, shrink: bool) -> int:
    """Play these scenarios by `played`, with a line for each that failed; 1 when any did."""
    summary = Summary()
    with workers(jobs, 100) as pool:
        for verdict in pool.imap_unordered(played, seeds):
            summary.add(verdict)
            if verdict.wrong:
                _tell_failure(verdict, shrink=shrink)
            if summary.scenarios % TELL_EVERY == 0:
                print(summary, flush=True)
    print(summary)
    print(summary.details(), flush=True)
    return summary.failed > 0


def workers(jobs: int, tasks_each: int) -> Pool:
    """Processes to play scenarios in. Not forked from this one, whose main thread plays, too.

    A child that is forked while that holds a lock of SQLite's waits for it for ever.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.sim.mutations"])
    return context.Pool(jobs, maxtasksperchild=tasks_each)


def played(seed: int) -> Verdict:
    """Play the scenario of a seed."""
    verdict = run(make_plan(seed))
    verdict.told = []  # of thousands nobody wants to hear everything
    return verdict


def _tell_failure(verdict: Verdict, *, shrink: bool) -> None:
    whole = make_plan(verdict.seed)
    print(f"seed {verdict.seed}: {'; '.join(verdict.wrong)}")
    print(f'  again: make sim ARGS="{arguments(whole, whole)}"', flush=True)
    if shrink:
        small = shrunk(whole, lambda plan: fails_alike(plan, verdict))
        print(f'  shrunk: make sim ARGS="{arguments(small, whole)}"')
        print("    " + described(small).replace("\n", "\n    "), flush=True)
