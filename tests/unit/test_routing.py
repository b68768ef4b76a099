"""core.routing: the whole table, row by row, against the invariants."""

from itertools import product

import pytest

from nobreak.core.pace import Pace, beside, retry_in
from nobreak.core.routing import Held, Link, Next, Operation, Outcome, Step, after, link, route
from nobreak.words import EntryKind, Mode, WritePolicy

READS = [Operation.GET, Operation.HEAD]
WRITES = [Operation.PUT, Operation.DELETE]
ROWS = list(product(Operation, Link, Held, WritePolicy, [False, True], [False, True]))


@pytest.mark.parametrize(("operation", "state", "held", "policy", "complete", "cached"), ROWS)
def test_every_row_keeps_the_invariants(operation, state, held, policy, complete, cached):
    step = route(operation, state, held, policy, complete=complete, cached=cached)
    if state is Link.OPEN:
        assert step is not Step.CACHE, "others may have written: who can be asked is asked"
    if state is not Link.OPEN:
        assert step not in {Step.TRY_EXTERNAL, Step.MERGE}, "I5: nobody tries a dead server"
    if operation in WRITES:
        assert step in {Step.TRY_EXTERNAL, Step.JOURNAL}, "a write always has somewhere to go"
        if held is not Held.NOTHING:
            assert step is Step.JOURNAL, "I4: one key, one order"
        if policy is WritePolicy.BACK:
            assert step is Step.JOURNAL, "write-back acknowledges from local disk, always"


@pytest.mark.parametrize(
    ("operation", "state", "held", "policy", "complete", "cached"),
    list(product(READS, Link, Held, WritePolicy, (False, True), (False, True))),
)
def test_every_row_of_a_read_keeps_the_invariants(operation, state, held, policy, complete, cached):
    step = route(operation, state, held, policy, complete=complete, cached=cached)
    if held is Held.PUT:
        assert step is Step.ANSWER_HERE, "I2: the newest acked version is here"
    elif held is Held.DELETE:
        assert step is Step.NOT_FOUND, "I2: the newest acked version is its absence"
    elif held is Held.NEW_BUCKET:
        assert step is Step.NOT_FOUND, "the journal has made the bucket, and holds all of it"
    elif state is Link.OPEN and held is not Held.BUCKET:
        assert step is Step.TRY_EXTERNAL
    elif cached and held is Held.NOTHING:
        assert step is Step.CACHE, "nothing here says that the copy is not the newest version"
    elif complete and held is Held.NOTHING:
        assert step is Step.KNOWN, "the catalog is sure of the key, and nothing can change it"
    else:
        assert step is Step.REFUSE, "I2: an honest 503, never a guess"


@pytest.mark.parametrize(
    ("state", "held", "policy", "complete"),
    list(product(Link, Held, WritePolicy, (False, True))),
)
def test_every_row_of_a_list_keeps_the_invariants(state, held, policy, complete):
    step = route(Operation.LIST, state, held, policy, complete=complete)
    assert step in {Step.MERGE, Step.CATALOG, Step.REFUSE}, "I2: no list that hides an object"
    if state is not Link.OPEN:
        assert step is not Step.MERGE, "I5: nobody tries a dead server"
    knows_all = complete or held is Held.NEW_BUCKET
    assert knows_all or step is not Step.CATALOG, "I2: only who knows all may list here"
    if held in {Held.BUCKET, Held.NEW_BUCKET}:
        assert step is not Step.MERGE, "the external store may not have the bucket yet"


@pytest.mark.parametrize(("operation", "outcome"), list(product(Operation, Outcome)))
def test_every_outcome_keeps_the_invariants(operation, outcome):
    step = after(operation, outcome)
    assert (step is Next.ACKNOWLEDGE) == (outcome is Outcome.DONE), "I1"
    assert (step is Next.RELAY) == (outcome is Outcome.ANSWERED), "I8: answers are no outages"
    if outcome in {Outcome.FAILED, Outcome.UNKNOWN, Outcome.SLOW}:
        if operation in READS:
            assert step is Next.REFUSE, "I2"
        if operation in WRITES:
            assert step in {Next.DIVERT, Next.DIVERT_IN_DOUBT}, "the client never sees it"
            assert (step is Next.DIVERT) == (outcome is Outcome.FAILED), "I4: doubt is recorded"


def test_the_link_follows_mode_and_trust():
    assert link(Mode.EXTERNAL, trusted=True) is Link.OPEN
    assert link(Mode.EXTERNAL, trusted=False) is Link.SUSPECT
    assert link(Mode.LOCAL, trusted=True) is Link.CLOSED


def test_held_speaks_of_the_newest_entry():
    assert [Held.of(kind) for kind in (None, *EntryKind)] == [Held.NOTHING, Held.PUT, Held.DELETE]


def test_the_drain_begins_gently_and_halves_on_failure():
    pace = Pace(limit=16)
    assert pace.allowed == 1
    opened = []
    for _ in range(200):
        pace = pace.succeeded()
        opened.append(pace.allowed)
    assert opened == sorted(opened)
    assert opened.index(2) < opened.index(4) < opened.index(8) < opened.index(16)
    assert opened.index(16) > 16 * 6, "one more for each full window, not for each success"
    assert pace.failed().allowed == 8
    assert Pace(limit=16).failed().allowed == 1


def test_clients_take_places_of_the_drain_down_to_a_third_of_them():
    """Issue 4.8: live traffic keeps its pace, and the drain ends."""
    assert [beside(16, live) for live in (0, 1, 9, 10, 11, 1000)] == [16, 15, 7, 6, 6, 6]
    assert [beside(allowed, 100) for allowed in (1, 2, 3, 4)] == [1, 1, 1, 2]


def test_retries_come_ever_later_up_to_a_limit():
    waits = [retry_in(n, first=1, longest=60) for n in range(1, 10)]
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == 60
    assert retry_in(10_000, first=1, longest=60) == 60
