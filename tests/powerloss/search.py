"""Walk through a recording, cut the power at each place in many ways, and start on what is left."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.powerloss.cuts import EXTREMES, Cut, Way, cuts, left_by
from tests.powerloss.disk import Disk
from tests.powerloss.expected import Expected
from tests.powerloss.forked import forked
from tests.powerloss.marks import Sort
from tests.powerloss.recording import Event, Kind
from tests.powerloss.restart import Found, Restarts

AFTER = 40
"""Where an fsync is missing, what follows it is looked at closely: so many events."""
LOOKS = 24
"""How many seeded cuts of each way are tried after the fsyncs of a site, in all, at each distance."""

Chosen = Callable[[int], Iterable[Cut]]
"""The cuts to try after the event of that number."""


@dataclass(frozen=True)
class Finding:
    """What was wrong after a cut."""

    cut: Cut
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        return f"cut {self.cut} ({self.cut.way.value}): {'; '.join(self.wrong)}"


@dataclass
class Result:
    """`tried`: cuts by their way; `states`: how many different states these left."""

    tried: Counter[Way] = field(default_factory=Counter)
    states: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        self.tried += other.tried
        self.states |= other.states
        self.findings += other.findings


def everywhere(chances: int, seed: int) -> Chosen:
    """At every place, in all ways."""
    return lambda event: cuts(event, chances, seed)


def at(*chosen: Cut) -> Chosen:
    """Just these."""
    return lambda event: (cut for cut in chosen if cut.event == event)


def only_extremes(event: int) -> Iterable[Cut]:
    """At every place, without chance."""
    return (Cut(event, way) for way in EXTREMES)


def without(
    events: Sequence[Event], missing: Sequence[int], seed: int
) -> Iterator[tuple[Chosen, frozenset[int]]]:
    """Searches for what is lost without these fsyncs, the quick one first."""
    ignored = frozenset(events[number].ended for number in missing)
    yield (lambda event: (Cut(event, Way.NOTHING),)), ignored
    near = {place for number in missing for place in range(number, number + AFTER)}
    chances = max(1, LOOKS // len(missing))

    def closely(event: int) -> Iterable[Cut]:
        return cuts(event, chances, seed) if event in near else ()

    yield closely, ignored


@dataclass
class Search:
    """Through one recording. `ignored`: places of fsyncs that are taken out.

    `most`: it ends after so many findings; `share` (number, of how many): its part of the places.
    """

    events: Sequence[Event]
    chosen: Chosen
    ignored: frozenset[int] = frozenset()
    most: int = 10
    share: tuple[int, int] = (0, 1)
    known: dict[str, Found] = field(default_factory=dict)
    result: Result = field(default_factory=Result)

    def run(self) -> Result:
        """Try all cuts."""
        with Restarts() as restarts:
            asyncio.run(self._walk(restarts))
        return self.result

    async def _walk(self, restarts: Restarts) -> None:
        disk, expected = Disk(self.ignored), Expected()
        number, of = self.share
        for place, event in enumerate(self.events):
            changed = disk.follow(event)
            if event.mark is not None:
                expected.follow(event.mark)
                changed = event.mark.sort in {Sort.ACK, Sort.SENT}
            if not changed or place // 4 % of != number:
                continue
            for cut in self.chosen(place):
                if event.kind is Kind.MARK and cut.way not in EXTREMES:
                    continue  # the disk is as it was: chance was tried there
                await self._try(restarts, disk, expected, cut)
                if len(self.result.findings) >= self.most:
                    return

    async def _try(self, restarts: Restarts, disk: Disk, expected: Expected, cut: Cut) -> None:
        state = left_by(disk, cut)
        digest = state.digest()
        if digest not in self.known:
            self.known[digest] = await restarts.look(state)
        self.result.tried[cut.way] += 1
        self.result.states.add(digest)
        wrong = expected.judge(self.known[digest])
        if wrong:
            self.result.findings.append(Finding(cut, tuple(wrong)))


def in_parallel(events: Sequence[Event], chosen: Chosen, jobs: int) -> Result:
    """The same as one search, by several processes, each with a part of the places."""
    result = Result()
    shares = [(number, jobs) for number in range(jobs)]
    for each in forked(lambda share: Search(events, chosen, share=share).run(), shares, jobs):
        result.add(each)
    result.findings.sort(key=lambda finding: finding.cut.event)
    return result
