"""Shrink a scenario that fails: leave out what it does not need (delta debugging, Zeller 2002).

What each request meets in the network is drawn from the luck of its own key, so that what is left
out changes little of the rest. Every attempt is played: only one that fails in the same way counts.
"""

from collections.abc import Callable, Iterator, Sequence

from tests.sim.plan import Plan

MOST_ATTEMPTS = 400

Fails = Callable[[Plan], bool]


def shrunk(plan: Plan, fails: Fails, most: int = MOST_ATTEMPTS) -> Plan:
    """The smallest plan that was found to fail as this one does, after so many attempts at most."""
    attempts = iter(range(most))

    def tried(smaller: Plan) -> bool:
        return next(attempts, None) is not None and fails(smaller)

    best = plan
    for workers in range(1, plan.workers):
        if tried(plan.keeping(plan.marks, workers)):
            best = plan.keeping(plan.marks, workers)
            break
    size = max(1, len(best.marks) // 2)
    while True:
        smaller = next((each for each in _without_some(best, size) if tried(each)), None)
        if smaller is not None:
            best = smaller
        elif size == 1:
            return best
        else:
            size = max(1, size // 2)


def _without_some(plan: Plan, size: int) -> Iterator[Plan]:
    """The plan without so many of its parts in a row, from the last ones to the first."""
    marks = plan.marks
    for start in reversed(range(0, len(marks), size)):
        yield plan.keeping(marks[:start] + marks[start + size :])


def arguments(plan: Plan, whole: Plan) -> str:
    """What plays this plan again, a part of the `whole` one of its seed."""
    said = [f"--seed {plan.seed}"]
    if plan.marks != whole.marks:
        said.append(f"--keep {_joined(plan.marks) or 'nothing'}")
    if plan.workers != whole.workers:
        said.append(f"--workers {plan.workers}")
    return " ".join(said)


def _joined(marks: Sequence[str]) -> str:
    return ",".join(marks)
