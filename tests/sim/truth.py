"""The model of the truth: whether what clients saw of a key can be explained by one order of writes.

Each key is a register. An operation takes effect at one instant between its call and its answer;
a write of unknown outcome at any instant after its call, or never. A history is right if such
instants exist for all (linearizability, Herlihy & Wing 1990; found by Wing & Gong's search).
"""

from collections.abc import Sequence
from dataclasses import dataclass

NEVER = float("inf")
MOST_STATES = 200_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client did to a key and saw. `value` None: the object is not there."""

    number: int
    writes: bool
    value: bytes | None
    called: float
    answered: float
    sure: bool = True


def explainable(history: Sequence[Seen]) -> bool:
    """Whether there is an order. A history too wide to search through counts as right."""
    read = {each.value for each in history if not each.writes}
    ops = [each for each in history if each.sure or each.value in read]
    ops.sort(key=lambda each: each.called)
    done: set[tuple[int, bytes | None]] = set()
    stack: list[tuple[int, bytes | None]] = [(0, None)]
    must = sum(1 << place for place, each in enumerate(ops) if each.sure)
    while stack and len(done) < MOST_STATES:
        state = stack.pop()
        if state in done:
            continue
        done.add(state)
        mask, value = state
        if mask & must == must:
            return True
        horizon = min(
            each.answered if each.sure else NEVER
            for place, each in enumerate(ops)
            if not mask >> place & 1
        )
        for place, each in enumerate(ops):
            if each.called > horizon:
                break
            if mask >> place & 1:
                continue
            if each.writes:
                stack.append((mask | 1 << place, each.value))
            elif each.value == value:
                stack.append((mask | 1 << place, value))
    return len(done) >= MOST_STATES
