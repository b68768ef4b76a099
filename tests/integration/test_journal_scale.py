"""A journal of any length costs the same: no statement of the hot paths walks a table."""

import apsw
import pytest

from nobreak.stores.sqlite import board, catalog, journal
from nobreak.stores.sqlite.database import Database

NAME = ("b", "k")
PAGE = {"bucket": "b", "prefix": "p", "after": "", "end": "q", "limit": 10}
STATEMENTS = {
    "newest": (journal.NEWEST, NAME),
    "get": (journal.BY_SEQ, (1,)),
    "ready": (journal.READY, (0.0, 10)),
    "page": (journal.PAGE, PAGE),
    "needs": ("SELECT 1 FROM entry WHERE file = ? LIMIT 1", ("f",)),
    "oldest": ("SELECT acked_at FROM entry ORDER BY seq LIMIT 1", ()),
    "tally": ("SELECT entries, bytes, parked FROM tally", ()),
    "parked": ("SELECT * FROM entry WHERE state = 'parked' AND seq > ? LIMIT 9", (0,)),
    "resume": ("UPDATE entry SET begun = 0, doubtful = 1 WHERE begun = 1", ()),
    "settling": ("UPDATE entry SET not_before = ? WHERE state = 'settling'", (0.0,)),
    "catalog": (catalog.GET, NAME),
    "catalog page": (catalog.PAGE, PAGE),
    "board": (board.READ, ()),
}
ONE_ROW_TABLES = {"tally", "board"}


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_no_hot_statement_walks_a_table(tmp_path, statement):
    database = await Database.open(tmp_path / "journal.db")
    sql, bindings = STATEMENTS[statement]
    connection = apsw.Connection(str(tmp_path / "journal.db"))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
    connection.close()
    await database.aclose()
    walks = [step for step in plan if step.startswith("SCAN") and "USING" not in step]
    walks = [step for step in walks if step.removeprefix("SCAN ") not in ONE_ROW_TABLES]
    sorts = [step for step in plan if "TEMP B-TREE" in step]
    if statement == "oldest":
        walks = []  # the first row of the table in its own order
    assert (walks, sorts) == ([], []), plan


async def test_the_order_of_replay_needs_no_sorting_of_what_waits(tmp_path):
    """A million entries that wait cost a pick nothing."""
    database = await Database.open(tmp_path / "journal.db")
    plan = [row[3] for row in database.read(f"EXPLAIN QUERY PLAN {journal.READY}", (0.0, 1))]
    await database.aclose()
    assert any("entry_ready" in step for step in plan), plan
