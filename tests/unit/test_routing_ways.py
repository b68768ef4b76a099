"""core.routing and core.pace: a healthy server is used, and what failed once may come back."""

import pytest

from nobreak.core.pace import Pace, retry_in
from nobreak.core.routing import Held, Link, Operation, Step, route
from nobreak.words import WritePolicy

THROUGH = WritePolicy.THROUGH


@pytest.mark.parametrize("operation", [Operation.PUT, Operation.DELETE])
def test_a_write_to_a_healthy_server_goes_there_first(operation):
    assert route(operation, Link.OPEN, Held.NOTHING, THROUGH) is Step.TRY_EXTERNAL


@pytest.mark.parametrize("held", sorted(set(Held) - {Held.BUCKET, Held.NEW_BUCKET}))
def test_a_list_is_answered_while_the_external_store_can_be_asked(held):
    """I2: it alone knows all objects."""
    assert route(Operation.LIST, Link.OPEN, held, THROUGH) is Step.MERGE
    for link in (Link.SUSPECT, Link.CLOSED):
        assert route(Operation.LIST, link, held, THROUGH) is Step.REFUSE
        assert route(Operation.LIST, link, held, THROUGH, complete=True) is Step.CATALOG


def test_however_often_the_drain_failed_it_opens_again_by_one_for_one():
    pace = Pace(limit=16)
    for _ in range(100):
        pace = pace.failed()
    assert (pace.allowed, pace.succeeded().allowed, pace.succeeded().succeeded().allowed) == (
        1,
        2,
        2,
    )


def test_an_entry_that_failed_for_years_has_a_time_for_its_next_try():
    assert retry_in(10_000, first=1.0, longest=60.0) == 60.0
    assert retry_in(0, first=1.0, longest=60.0) == 1.0
