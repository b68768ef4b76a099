"""The fsyncs taken out one by one: what is lost without each, or why nothing is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.powerloss.cuts import Cut, Way
from tests.powerloss.forked import forked
from tests.powerloss.recording import Event, Kind
from tests.powerloss.search import Finding, Search, without
from tests.powerloss.sites import Site, sites

COVERED: dict[Site, tuple[tuple[Site, ...], str]] = {
    Site.LOG_NAME: (
        (Site.MARKER_NAME, Site.RUNNING, Site.BLOBS),
        "each start fsyncs this folder again before anything is acknowledged",
    ),
    Site.MARKER_NAME: (
        (Site.RUNNING, Site.BLOBS),
        "each start fsyncs this folder again before anything is acknowledged",
    ),
    Site.RUNNING: (
        (Site.BLOBS,),
        "each start fsyncs this folder again before anything is sent",
    ),
}
"""Fsyncs without which nothing is lost while there are those others after them, and why."""
NEEDLESS: dict[Site, str] = {
    Site.BEFORE_CHECKPOINT: "with `synchronous=FULL` the commit before it has done the same: SQLite's "
    "checkpoint doesn't rely on that",
}
"""Fsyncs without which nothing is ever lost, and why."""
SPEAKS_OF = {Site.MARKER_NAME: "journal.id", Site.RUNNING: "under way"}
"""What a finding has to be about."""


@dataclass(frozen=True)
class Without:
    """A site, how many fsyncs it has in the recording, and what is lost without them.

    `single`: how many of them lose something when they alone are missing. `others`: taken out as
    well. `finding` None: nothing, in so many cuts.
    """

    site: Site
    count: int
    others: tuple[Site, ...]
    finding: Finding | None
    tried: int
    single: int = 0


def take_out(
    events: Sequence[Event], site: Site, seed: int, others: Sequence[Site] = ()
) -> Without:
    """Search for what is lost without the fsyncs of a site, and of others."""
    found = sites(events)
    missing = sorted(n for each in (site, *others) for n in found.get(each, ()))
    tried = 0
    about = SPEAKS_OF.get(site, "") if others else ""
    for chosen, ignored in without(events, missing, seed):
        search = Search(events, chosen, ignored, most=40 if about else 1)
        result = search.run()
        tried += sum(result.tried.values())
        for finding in result.findings:
            if any(about in wrong for wrong in finding.wrong):
                return Without(site, len(found[site]), tuple(others), finding, tried)
    return Without(site, len(found[site]), tuple(others), None, tried)


def _matters(events: Sequence[Event], number: int) -> bool:
    """Whether something is lost without this one fsync, before the next one of the same thing."""
    path, end = events[number].path, len(events)
    again = (n for n in range(number + 1, end) if _syncs(events[n], path))
    until = next(again, end)

    def in_between(event: int) -> tuple[Cut, ...]:
        return (Cut(event, Way.NOTHING),) if number <= event <= until else ()

    return bool(
        Search(events, in_between, frozenset({events[number].ended}), most=1).run().findings
    )


def _syncs(event: Event, path: str) -> bool:
    return event.kind is Kind.SYNC and event.path == path


def all_out(
    events_of: Callable[[Site], Sequence[Event]], seed: int, jobs: int
) -> Iterator[tuple[Without, Without | None]]:
    """Every site, each alone, and with the others that cover it where there are any."""

    def one(site: Site) -> tuple[Without, Without | None]:
        events = events_of(site)
        single = sum(_matters(events, number) for number in sites(events)[site])
        alone = replace(take_out(events, site, seed), single=single)
        together = None
        if alone.finding is None and site in COVERED:
            together = take_out(events, site, seed, COVERED[site][0])
        return alone, together

    return forked(one, list(Site), jobs)
