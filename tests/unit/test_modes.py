"""How the mode comes about on the board (I6): checks, a setting, and a person above both."""

from dataclasses import replace

import pytest

from nobreak.core.failover import Failover, Phase
from nobreak.engine.modes import (
    apply_use_external,
    choose,
    failover_of,
    in_force,
    recorded,
    with_failover,
)
from nobreak.stores.interfaces import ModeChange, Notice
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.stores.sqlite.database import Database
from nobreak.words import Mode, Override

OUTAGE = Failover(Phase.OUTAGE, failures=3, successes=0, outages=2, recovered_at=None)


@pytest.fixture
async def board(tmp_path):
    database = await Database.open(tmp_path / "journal.db")
    yield SqliteBoard(database)
    await database.aclose()


def changes(board):
    return [(change.mode, change.reason) for change in board.changes_of_mode(10)][::-1]


def test_the_state_of_the_checks_comes_back_from_the_board():
    """I6: the next monitor goes on counting. Of the times only whether there was one is kept."""
    state = Failover(Phase.DOUBT, failures=2, successes=1, outages=4, recovered_at=77.0)
    assert failover_of(with_failover(Notice(), state)) == replace(state, recovered_at=0.0)
    assert failover_of(with_failover(Notice(), OUTAGE)) == OUTAGE
    assert failover_of(Notice()) == Failover()


def test_after_a_failed_check_nobody_trusts_the_external_store():
    """I5: from the first one on, whatever the verdict."""
    assert not with_failover(Notice(), Failover(Phase.DOUBT, failures=1)).trusted
    assert with_failover(Notice(), Failover()).trusted
    assert with_failover(Notice(), OUTAGE).mode is Mode.LOCAL


@pytest.mark.parametrize(
    ("override", "use_external", "state", "expected"),
    [
        (Override.AUTO, True, Failover(), Mode.EXTERNAL),
        (Override.AUTO, True, OUTAGE, Mode.LOCAL),
        (Override.AUTO, False, Failover(), Mode.LOCAL),
        (Override.LOCAL, True, Failover(), Mode.LOCAL),
        (Override.EXTERNAL, True, OUTAGE, Mode.EXTERNAL),
        (Override.EXTERNAL, False, OUTAGE, Mode.EXTERNAL),
    ],
)
def test_a_person_outranks_the_setting_and_the_setting_the_checks(
    override, use_external, state, expected
):
    notice = Notice(override=override, use_external=use_external)
    assert with_failover(notice, state).mode is expected
    assert in_force(replace(with_failover(Notice(), state), override=override)).override is override


def test_only_a_change_is_recorded():
    local = replace(Notice(), mode=Mode.LOCAL)
    assert recorded(Notice(), local, 5.0, "why") == ModeChange(5.0, Mode.LOCAL, "why")
    assert recorded(local, local, 5.0, "why") is None


async def test_a_choice_is_in_force_at_once_and_says_whose_it_is(board):
    """Seed: "Forçar troca manual"."""
    await choose(board, Override.LOCAL, "cli", 1.0)
    notice = board.read()
    assert (notice.mode, notice.override, notice.chosen_by) == (Mode.LOCAL, Override.LOCAL, "cli")
    await choose(board, Override.LOCAL, "api", 2.0)
    await choose(board, Override.AUTO, "api", 3.0)
    assert board.read().mode is Mode.EXTERNAL
    assert changes(board) == [(Mode.LOCAL, "override"), (Mode.EXTERNAL, "override")]


async def test_turned_on_it_starts_external_whatever_the_checks_had_found(board):
    """Seed: USE_EXTERNAL_STORAGE="true" and a restart."""
    await board.update(lambda notice: (with_failover(notice, OUTAGE), None))
    await apply_use_external(board, 1.0, use_external=False)
    assert (board.read().mode, failover_of(board.read())) == (Mode.LOCAL, OUTAGE)
    await apply_use_external(board, 2.0, use_external=True)
    assert (board.read().mode, failover_of(board.read())) == (Mode.EXTERNAL, Failover())
    assert changes(board) == [(Mode.EXTERNAL, "USE_EXTERNAL_STORAGE")]
    await apply_use_external(board, 3.0, use_external=False)
    assert changes(board)[-1] == (Mode.LOCAL, "USE_EXTERNAL_STORAGE")


async def test_a_restart_with_the_same_setting_changes_nothing(board):
    """I6: an outage survives it."""
    await board.update(lambda notice: (with_failover(notice, OUTAGE), None))
    before = board.read()
    await apply_use_external(board, 1.0, use_external=True)
    assert board.read() == before
