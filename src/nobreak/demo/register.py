"""Whether what happened to one key can be explained: a register that is written, deleted and read.

A write may be conditional: it happens only while the register holds what it needs.

The key is explainable (linearizable) when every operation can be given an instant between its call
and its return so that each read sees what the last write before it left. A write of unknown outcome
may have its instant at any time after its call, or none at all, but never two; and never one after
a write that was called when it had been given up, and was acknowledged.

The search is that of Wing and Gong with the memory of Lowe ("Testing for linearizability", 2017):
operations are placed one after another; what was placed, and what the key holds then, is
remembered, so that no position is tried twice. Reads that fit are placed at once: they change
nothing, so this can't be wrong. Pure.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nobreak.demo.record import ABSENT, SOME, Version

Moment = tuple[float, int]
"""Seconds, and a number that orders what happened at one time."""
NEVER: Moment = (math.inf, 0)
MOST_POSITIONS = 500_000


class TooManyPositionsError(Exception):
    """The search was given up: the history has too many operations of unknown outcome at once."""


@dataclass(frozen=True, slots=True)
class Step:
    """An operation on the key. A write `sets` a version, a read `sees` one.

    `needs`: what the key holds when a conditional write happens (`ABSENT`: nothing). `differs`: a
    read that saw, without seeing what there is, that an object is there and not this version.
    `certain`: it has happened. Else it may have, at any time after its call. `given_up`: when its
    client gave it up (None: it was answered): it can't undo a write that was called later.
    """

    called: Moment
    returned: Moment
    sets: Version | None = None
    sees: Version | None = None
    certain: bool = True
    needs: Version | None = None
    differs: Version | None = None
    given_up: Moment | None = None

    def fits(self, held: Version) -> bool:
        """Whether a read could see what it saw while the key holds this."""
        if self.differs is not None:
            return held not in {ABSENT, self.differs}
        return held != ABSENT if self.sees == SOME else held == self.sees

    def may_happen(self, held: Version) -> bool:
        """Whether a write can happen while the key holds this."""
        return self.needs is None or self.needs == held


def explainable(steps: Iterable[Step], initially: Version = ABSENT) -> bool:
    """Whether these operations on one key can be explained. Raises `TooManyPositionsError`."""
    ordered = sorted(_simplified(list(steps), initially), key=lambda step: step.called)
    return _Search(ordered).succeeds(initially)


def _simplified(steps: Sequence[Step], initially: Version) -> list[Step]:
    """Say more about writes of unknown outcome, as far as it follows from what was read.

    One whose version nobody saw need not have happened. One whose version was seen, and that
    nobody else wrote, has happened, before the first such read returned.
    """
    seen_by: dict[Version, Moment] = {}
    something = NEVER
    for step in steps:
        if step.sees is not None:
            seen_by[step.sees] = min(seen_by.get(step.sees, NEVER), step.returned)
        if step.sees == SOME or step.differs is not None:
            something = min(something, step.returned)
        if step.needs is not None and step.certain:
            seen_by[step.needs] = min(seen_by.get(step.needs, NEVER), step.returned)
        elif step.needs is not None:
            # Whether it happened is open, and so whether what it needs was ever there.
            seen_by.setdefault(step.needs, NEVER)
    writers = Counter(step.sets for step in steps if step.sets is not None)
    writers[initially] += 1
    found = []
    for step in steps:
        if step.certain or step.sets is None:
            found.append(step)
        elif seen_by.get(step.sets, NEVER) < NEVER and writers[step.sets] == 1:
            found.append(replace(step, certain=True, returned=seen_by[step.sets]))
        elif step.sets in seen_by or (step.sets != ABSENT and something < NEVER):
            found.append(replace(step, returned=NEVER))
    return found


class _Search:
    """See the module. `steps` in the order of their calls; the set of placed ones is a number."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._must = sum(1 << at for at, step in enumerate(steps) if step.certain)
        self._writers: dict[Version, int] = defaultdict(int)
        self._readers: dict[Version, int] = defaultdict(int)
        self._needers: dict[Version, int] = defaultdict(int)
        for at, step in enumerate(steps):
            if step.sets is not None:
                self._writers[step.sets] |= 1 << at
            elif step.sees is not None:
                self._readers[step.sees] |= 1 << at
            if step.sets is not None and step.needs is not None and step.certain:
                self._needers[step.needs] |= 1 << at
        self._newer = [self._newer_than(step.given_up) for step in steps]

    def _newer_than(self, given_up: Moment | None) -> int:
        """The acknowledged writes that a write which was given up then can't undo (I4)."""
        if given_up is None:
            return 0
        return sum(
            1 << at
            for at, step in enumerate(self._steps)
            if step.sets is not None and step.given_up is None and step.called > given_up
        )

    def succeeds(self, initially: Version) -> bool:
        # A position: what is placed, what the key holds, and the first step that is not placed.
        stack = [self._with_reads(0, initially, 0)]
        tried = set()
        while stack:
            placed, held, first = stack.pop()
            if placed & self._must == self._must:
                return True
            if (placed, held) in tried:
                continue
            tried.add((placed, held))
            if len(tried) > MOST_POSITIONS:
                raise TooManyPositionsError
            for at in self._writes(placed, held, first):
                if self._robs(at, placed, held):
                    continue
                sets = self._steps[at].sets or ABSENT
                stack.append(self._with_reads(placed | 1 << at, sets, first))
        return False

    def _robs(self, at: int, placed: int, held: Version) -> bool:
        """Whether this write takes away what a read has still to see, and nothing brings it back."""
        after = placed | 1 << at
        wanted = (self._readers[held] | self._needers[held]) & ~after
        left = wanted and not self._writers[held] & ~after
        return bool(left) and self._steps[at].sets != held

    def _writes(self, placed: int, held: Version, first: int) -> list[int]:
        """The writes that may come next. Of uncertain ones that are the same, any is as good."""
        found: list[int] = []
        alike: set[tuple[Version, Version | None, int]] = set()
        for at in self._candidates(placed, first):
            step = self._steps[at]
            newer = self._newer[at]
            if step.sets is None or not step.may_happen(held) or newer & placed:
                continue
            if not step.certain:
                if step.sets == held or (step.sets, step.needs, newer) in alike:
                    continue
                alike.add((step.sets, step.needs, newer))
            found.append(at)
        return found

    def _candidates(self, placed: int, first: int) -> list[int]:
        """The steps that may come next: called before any other that is left has returned."""
        found: list[int] = []
        bound = NEVER
        for at in range(first, len(self._steps)):
            step = self._steps[at]
            if step.called > bound:
                break  # all others were called later still
            if not placed >> at & 1:
                found.append(at)
                if step.certain:
                    bound = min(bound, step.returned)
        return [at for at in found if self._steps[at].called <= bound]

    def _with_reads(self, placed: int, held: Version, first: int) -> tuple[int, Version, int]:
        """Place all reads that fit now, and again those that may come because of that."""
        steps = self._steps
        more = True
        while more:
            while first < len(steps) and placed >> first & 1:
                first += 1
            more = False
            for at in self._candidates(placed, first):
                if steps[at].sets is None and steps[at].fits(held):
                    placed |= 1 << at
                    more = True
        return placed, held, first
