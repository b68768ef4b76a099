"""I1: no power cut loses what was acknowledged, and every fsync is there for a reason.

This is the quick part; `make powerloss` tries every place of the recordings and all fsyncs.
"""

import random
from pathlib import Path

import pytest
from tests.powerloss import runs, table
from tests.powerloss.__main__ import SHELVES_DEATH, thoroughly
from tests.powerloss.cuts import EXTREMES, Cut, Way, cuts
from tests.powerloss.recording import Kind
from tests.powerloss.search import Search
from tests.powerloss.sites import Site, sites
from tests.powerloss.without import COVERED, NEEDLESS, take_out
from tests.support.pages import has_place

pytestmark = pytest.mark.timeout(300)
QUICKLY_FOUND = [
    site
    for site in Site
    if site not in {*COVERED, *NEEDLESS, Site.SHELVES, Site.LOG_STARTS, Site.ROLLBACK_NAME}
]
"""Those whose loss is found within a second or two."""
NAMES = frozenset({Kind.RENAME, Kind.REMOVE, Kind.MAKE_FOLDER})
CLOSELY = 30
"""At so many places all ways of a cut are tried."""


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    return runs.whole(tmp_path_factory.mktemp("powerloss") / "whole", seed=1)


def told(result):
    return [str(finding) for finding in result.findings]


def test_what_was_acknowledged_survives_a_cut_at_any_place(events):
    """I1, I2, I4, I7: and it starts, and what was not acknowledged is there whole or not at all."""
    seed = random.randrange(10_000)
    chosen = set(random.Random(seed).sample(range(len(events)), CLOSELY))
    print(f"seed {seed}")

    def ways(event):
        if event in chosen:
            return cuts(event, 1, seed)
        names = events[event].kind in NAMES
        return (Cut(event, way) for way in (EXTREMES if names else (Way.NOTHING,)))

    result = Search(events, ways).run()
    assert told(result) == []
    assert len(result.states) > 200


def test_an_answer_of_the_program_leaves_only_when_what_it_says_survives_a_cut(tmp_path):
    """I1, on both faces: what counts as acknowledged is what was sent to the client."""
    events = runs.served(tmp_path / "run", 1)
    result = Search(events, lambda event: (Cut(event, Way.NOTHING), Cut(event, Way.NAMES))).run()
    assert told(result) == []
    assert take_out(events, Site.BODY_NAME, 1).finding is not None


def test_before_a_server_that_chooses_names_these_survive_a_cut(tmp_path):
    """I1: an object whose name there is lost is lost."""
    events = runs.named(tmp_path / "run", 1)
    result = Search(events, lambda event: (Cut(event, Way.NOTHING), Cut(event, Way.NAMES))).run()
    assert told(result) == []


def test_a_start_after_a_death_in_the_middle_of_an_fsync_trusts_nothing_that_it_finds(tmp_path):
    """I1: a folder that was made may not be durable, whoever made it."""
    events = runs.after_death(tmp_path / "run", 1, SHELVES_DEATH)
    result = Search(events, lambda event: (Cut(event, Way.NOTHING), Cut(event, Way.NAMES))).run()
    assert told(result) == []
    lost = take_out(events, Site.SHELVES, 1).finding
    assert lost is not None
    assert "body is not there" in lost.wrong[0]


@pytest.mark.parametrize("site", QUICKLY_FOUND, ids=lambda site: site.name)
def test_something_is_lost_without_the_fsync_of(events, site):
    """The tests above would see it if it were taken out."""
    assert take_out(events, site, 1).finding is not None


def test_every_fsync_of_a_run_is_one_that_was_thought_about(events):
    assert set(sites(events)) == set(Site)


def test_the_page_has_a_place_for_the_tables():
    assert has_place(Path(__file__).parents[2] / "docs" / "guarantees.md", table.PLACE)


async def test_what_is_left_can_be_given_back_and_the_program_starts_on_it(events):
    """I1, I3, I4."""
    wrong, _count = await thoroughly(events, random.randrange(10_000), given=8, started=1)
    assert wrong == []
