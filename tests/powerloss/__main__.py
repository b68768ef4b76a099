"""`make powerloss`: try all states, take the fsyncs out one by one, write the tables.

One cut again: `python -m tests.powerloss --recording build/powerloss/whole --cut 1853:MIXED:1000`, with
`--without CHECKPOINT` as if those fsyncs were not there.
"""

import argparse
import asyncio
import os
import random
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.powerloss import runs, table
from tests.powerloss.cuts import Cut, Way, left_by, parsed
from tests.powerloss.disk import Disk
from tests.powerloss.expected import Expected
from tests.powerloss.marks import Marks
from tests.powerloss.recording import Event
from tests.powerloss.restart import Restarts
from tests.powerloss.search import Result, Search, at, everywhere, in_parallel
from tests.powerloss.sites import Site, sites
from tests.powerloss.thorough import answers_of_a_process, given_back
from tests.powerloss.without import all_out
from tests.support.pages import has_place, marks, put_into

GIVEN, STARTED = 60, 15
"""From so many states all is given back; on so many the program is started."""
SHELVES_DEATH = 13
"""A process that dies before this fsync has made a folder in `blobs/` and not fsynced its name."""


async def thoroughly(
    events: Sequence[Event], seed: int, *, given: int, started: int
) -> tuple[list[str], int]:
    """Give back from so many states, start the program on so many; what is wrong, and of how many."""
    chance, wrong = random.Random(seed), []
    places = sorted(chance.sample(range(len(events)), given))
    programs = set(chance.sample(places, started))
    disk, expected = Disk(), Expected()
    with Restarts() as restarts:
        for place, event in enumerate(events):
            disk.follow(event)
            if event.mark is not None:
                expected.follow(event.mark)
            if place not in places:
                continue
            cut = Cut(place, chance.choice((Way.NOTHING, Way.CUT, Way.MIXED)), seed)
            state, nobody = left_by(disk, cut), Marks(Path(os.devnull))
            with restarts.on_disk(state) as root:
                held = await given_back(root, expected, nobody)
            answers: dict[str, str | None] = {key: held.get(key, "") for key in expected.keys}
            wrong += [f"given back after {cut}: {each}" for each in expected.judge_answers(answers)]
            if place in programs:
                with restarts.on_disk(state) as root:
                    answers = await answers_of_a_process(root, expected.keys)
                wrong += [f"asked after {cut}: {each}" for each in expected.judge_answers(answers)]
    return wrong, len(places)


def again(folder: Path, cut: Cut, without: Sequence[Site]) -> int:
    """One cut of a recording again, told in full."""
    events = runs.read(folder)
    found = sites(events)
    missing = frozenset(events[n].ended for site in without for n in found[site])
    result = Search(events, at(cut), missing).run()
    print(events[cut.event])
    for finding in result.findings:
        print(f"cut {finding.cut} ({finding.cut.way.value}):", *finding.wrong, sep="\n  ")
    print("nothing is lost" if not result.findings else "")
    return bool(result.findings)


def everything(folder: Path, seed: int, chances: int, jobs: int, page: Path | None) -> int:
    """All recordings, all cuts, all fsyncs."""
    began = time.monotonic()
    shutil.rmtree(folder, ignore_errors=True)
    events = runs.whole(folder / "whole", seed)
    whole = in_parallel(events, everywhere(chances, seed), jobs)
    _say(began, f"{sum(whole.tried.values())} cuts of the whole run", whole)
    deaths = Result()
    by_death: dict[int, list[Event]] = {}
    for death in range(1, runs.LAST_DEATH + 1):
        by_death[death] = runs.after_death(folder / f"death-{death}", seed, death)
        deaths.add(in_parallel(by_death[death], everywhere(chances - 1, seed), jobs))
    _say(began, f"{sum(deaths.tried.values())} cuts after {runs.LAST_DEATH} deaths", deaths)
    faces = runs.served(folder / "served", seed)
    served = in_parallel(faces, everywhere(chances, seed), jobs)
    _say(began, f"{sum(served.tried.values())} cuts of a server's run", served)
    handles = runs.named(folder / "named", seed)
    named = in_parallel(handles, everywhere(chances, seed), jobs)
    _say(began, f"{sum(named.tried.values())} cuts before a server that chooses names", named)
    wrong, sampled = asyncio.run(thoroughly(events, seed, given=GIVEN, started=STARTED))
    print(
        f"{time.monotonic() - began:.0f} s: {sampled} states given back",
        *wrong,
        sep="\n",
        flush=True,
    )
    rows = []
    by_site = {Site.SHELVES: by_death[SHELVES_DEATH]}
    for alone, together in all_out(lambda site: by_site.get(site, events), seed, jobs):
        rows.append((alone, together))
        print(f"{time.monotonic() - began:.0f} s: without {alone}, {together}", flush=True)
    results = [
        ("the engine, all that it does", whole),
        ("a start after a death", deaths),
        ("`nobreak serve`, both faces", served),
        ("before the seed's server", named),
    ]
    told = (
        f"{table.states(results)}\n\nOf {sampled} of these states all was given back to the external store, and on "
        f"{STARTED} of them the program was started and asked for every object: {len(wrong) or 'nothing'} "
        f"lost or wrong.\n\n{table.fsyncs(rows)}"
    )
    print(told)
    if page is not None:
        put_into(page, table.PLACE, told)
    unexplained = "not explained" in told or any(t and not t.finding for _, t in rows)
    lost = any(result.findings for _, result in results)
    return bool(lost or wrong or unexplained)


def _say(began: float, what: str, result: Result) -> None:
    print(f"{time.monotonic() - began:.0f} s: {what}, {len(result.states)} states,", flush=True)
    print(*result.findings, f"{len(result.findings)} findings", sep="\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.powerloss", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--chances", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--recording", type=Path)
    parser.add_argument("--cut", type=parsed)
    parser.add_argument("--without", type=lambda name: Site[name], action="append", default=[])
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    if given.page is not None and not has_place(given.page, table.PLACE):
        begin, end = marks(table.PLACE)
        parser.error(f"{given.page} has no place for the tables: {begin} ... {end}")
    if given.cut is not None:
        return again(given.recording, given.cut, given.without)
    return everything(
        given.recording or Path("build/powerloss"),
        given.seed,
        given.chances,
        given.jobs,
        given.page,
    )


if __name__ == "__main__":
    sys.exit(main())
