"""What a process believes of the external store between two checks (I5, I8)."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.net import eventually

from nobreak.core import routing
from nobreak.engine import link as link_module
from nobreak.engine.background import Background
from nobreak.engine.link import Link
from nobreak.errors import OutageError, OutageKind, OutOfSpaceError
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.stores.sqlite.database import Database
from nobreak.words import Mode, ObjectName

REFUSED = OutageError(OutageKind.CONNECTION, "refused", in_doubt=False)
SILENT = OutageError(OutageKind.TIMEOUT, "no answer in time", in_doubt=True)
OPEN, SUSPECT, CLOSED = routing.Link.OPEN, routing.Link.SUSPECT, routing.Link.CLOSED


def name(key):
    return ObjectName("b", key)


@pytest.fixture
async def board(tmp_path):
    database = await Database.open(tmp_path / "journal.db")
    yield SqliteBoard(database)
    await database.aclose()


@pytest.fixture
async def background():
    def fail(error):
        raise error

    tasks = Background(fail)
    yield tasks
    await tasks.aclose(0.0)


@pytest.fixture
def link(board, background):
    return Link(board, background)


async def asked(link, board, number):
    """Until the monitor was asked so often, and the link knows it."""
    await eventually(lambda: board.read().asked == number and link.checks_wanted.is_set())
    link.checks_wanted.clear()


async def answer(board, number):
    await board.update(lambda notice: (replace(notice, answered=number), None))


async def test_a_refused_connection_stops_all_tries_at_once_until_a_check_answers(link, board):
    link.failed(name("k"), REFUSED)
    assert link.state() is SUSPECT
    await asked(link, board, 1)
    assert link.state() is SUSPECT
    await answer(board, 1)
    assert link.state() is OPEN


async def test_only_a_check_that_began_after_the_failure_brings_trust_back(link, board):
    """The numbers on the board say which check looked into which suspicion."""
    await board.update(lambda notice: (replace(notice, asked=5, answered=5), None))
    link.failed(name("k"), REFUSED)
    await asked(link, board, 6)
    assert link.state() is SUSPECT, "the answers of earlier checks do not count"
    await answer(board, 6)
    assert link.state() is OPEN


async def test_a_check_that_answers_an_older_suspicion_does_not_clear_a_newer_one(
    link, board, monkeypatch
):
    link.failed(name("k"), SILENT)
    await asked(link, board, 1)
    update, gate = board.update, asyncio.Event()

    async def slowly(decide):
        await gate.wait()
        return await update(decide)

    monkeypatch.setattr(board, "update", slowly)
    link.failed(name("k"), REFUSED)
    await asyncio.sleep(0.01)
    await update(lambda notice: (replace(notice, answered=1), None))
    assert link.state() is SUSPECT, "that check began before the second failure"
    gate.set()
    await asked(link, board, 2)
    assert link.state() is SUSPECT
    await answer(board, 2)
    assert link.state() is OPEN


async def test_failures_that_come_quickly_are_for_a_check_to_judge(link, board):
    """I8: they cost nobody time."""
    for n in range(50):
        link.failed(name(f"k{n}"), OutageError(OutageKind.STATUS, "HTTP 500", in_doubt=True))
    assert link.state() is OPEN
    await asked(link, board, 1)


async def test_three_different_objects_in_a_row_make_a_suspicion_two_do_not(link):
    for key in ("a", "b"):
        link.failed(name(key), SILENT)
    assert link.state() is OPEN
    link.failed(name("c"), SILENT)
    assert link.state() is SUSPECT


async def test_one_object_can_fail_as_often_as_it_likes(link):
    """I8: no request's content can trip the breaker."""
    for _ in range(100):
        link.failed(name("poison"), SILENT)
    assert link.state() is OPEN


async def test_an_answer_between_failures_starts_the_count_again(link):
    for key in ("a", "b"):
        link.failed(name(key), SILENT)
    link.answered()
    for key in ("c", "d"):
        link.failed(name(key), SILENT)
    assert link.state() is OPEN


async def test_after_a_check_has_answered_the_count_starts_again(link, board):
    for key in ("a", "b"):
        link.failed(name(key), SILENT)
    await asked(link, board, 1)
    await answer(board, 1)
    assert link.state() is OPEN
    link.failed(name("c"), SILENT)
    assert link.state() is OPEN


async def test_an_answer_of_live_traffic_does_not_lift_a_suspicion(link):
    """Only checks give verdicts."""
    link.failed(name("k"), REFUSED)
    link.answered()
    assert link.state() is SUSPECT


async def test_many_failures_at_once_ask_once(link, board):
    for n in range(50):
        link.failed(name(f"k{n}"), REFUSED)
    await asked(link, board, 1)
    link.failed(name("later"), REFUSED)
    await asked(link, board, 2)
    assert "later" in board.read().suspicion


async def test_the_board_says_what_the_mode_is_and_what_checks_found(link, board):
    await board.update(lambda notice: (replace(notice, trusted=False), None))
    assert link.state() is SUSPECT
    await board.update(lambda notice: (replace(notice, mode=Mode.LOCAL), None))
    assert (link.state(), link.mode) == (CLOSED, Mode.LOCAL)


async def test_a_suspicion_that_could_not_be_told_to_anybody_does_not_last(
    link, board, monkeypatch
):
    """I7: with a full disk no check can answer it, and the external store may be well."""
    monkeypatch.setattr(link_module, "UNHEARD", 0.1)

    async def full(_decide):
        raise OutOfSpaceError("the disk is full")

    monkeypatch.setattr(board, "update", full)
    link.failed(name("k"), REFUSED)
    assert link.state() is SUSPECT
    await asyncio.sleep(0.05)
    assert link.state() is SUSPECT
    await eventually(lambda: link.state() is OPEN, within=2)


async def silent_until(link, wanted):
    """How many objects time out before nobody tries any more; `wanted` at most."""
    for n in range(1, wanted + 1):
        link.failed(name(f"k{n}"), SILENT)
        if link.state() is SUSPECT:
            return n
    return None


async def answered_well(link, board):
    await eventually(link.checks_wanted.is_set)
    link.checks_wanted.clear()
    await answer(board, board.read().asked)
    assert link.state() is OPEN


async def test_a_suspicion_that_checks_do_not_share_makes_the_next_one_need_more(link, board):
    """I8: some requests that the server never answers must not refuse all others for ever."""
    needed = []
    for _ in range(9):
        needed.append(await silent_until(link, 1000))
        await answered_well(link, board)
    assert needed == [3, 6, 12, 24, 48, 96, 192, 192, 192]


async def test_a_suspicion_that_a_check_shares_makes_the_next_one_as_quick_as_the_first(
    link, board
):
    for _ in range(2):
        await silent_until(link, 1000)
        await answered_well(link, board)
    await board.update(lambda notice: (replace(notice, trusted=False), None))
    assert link.state() is SUSPECT
    await board.update(lambda notice: (replace(notice, trusted=True), None))
    assert await silent_until(link, 1000) == 3


async def test_single_failures_that_were_looked_into_make_no_suspicion_harder(link, board):
    for _ in range(5):
        link.failed(name("k"), SILENT)
        await answered_well(link, board)
    assert await silent_until(link, 1000) == 3
