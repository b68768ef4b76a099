"""A journal that is damaged, gone or another one is told to a person, and never begun anew (I7)."""

import os
import sqlite3

import apsw
import pytest
from tests.support.net import eventually

from nobreak.engine.journal_file import (
    JOURNAL_FILE,
    MARKER_FILE,
    journal_damage,
    open_database,
)
from nobreak.errors import LocalStoreError
from nobreak.stores.sqlite import database as database_module
from nobreak.stores.sqlite.database import DamagedJournalError, Database

PAGE = 4096


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def told():
    """What a person was told: the reason, and whether the journal can still be read."""
    return []


@pytest.fixture
def tell(told):
    return lambda reason, readable: told.append((reason, readable))


def add(writer):
    writer.execute("INSERT INTO change_of_mode (at, mode, reason) VALUES (0, 'local', 'x')")


async def made(folder, rows=1):
    database = await open_database(folder)
    for _ in range(rows):
        await database.write(add)
    await database.aclose()


async def test_a_journal_is_marked_when_it_is_made_and_known_again(folder):
    await made(folder)
    marker = (folder / MARKER_FILE).read_text()
    database = await open_database(folder)
    assert marker == f"{database.identity}\n" != "0\n"
    await database.aclose()
    (folder / MARKER_FILE).unlink()
    await made(folder)
    assert (folder / MARKER_FILE).read_text() == marker
    assert not (folder / MARKER_FILE).with_suffix(".new").exists()


@pytest.mark.parametrize("how", ["empty", "gone"])
@pytest.mark.parametrize("trace", ["marker", "blob"])
async def test_no_journal_where_writes_were_kept_is_not_taken_for_a_new_one(
    folder, told, tell, how, trace
):
    """I1: the writes that waited in it would be forgotten without a word."""
    await made(folder)
    for path in folder.glob("journal.db-*"):
        path.unlink()
    if how == "empty":
        os.truncate(folder / JOURNAL_FILE, 0)
    else:
        (folder / JOURNAL_FILE).unlink()
    if trace == "blob":
        (folder / MARKER_FILE).unlink()
        (folder / "blobs" / "ab").mkdir(parents=True)
        (folder / "blobs" / "ab" / "abcd").touch()
    before = sorted(folder.rglob("*"))
    with pytest.raises(LocalStoreError, match=f"is {how}.*restore journal.db or move"):
        await open_database(folder, tell)
    assert sorted(folder.rglob("*")) == before
    assert [readable for _, readable in told] == [False]


async def test_folders_alone_are_no_trace_of_writes(folder):
    (folder / "blobs" / "ab").mkdir(parents=True)
    await made(folder)


async def test_another_journal_is_not_taken_for_the_one_that_was_here(folder, tmp_path):
    await made(folder)
    await made(tmp_path / "other")
    (tmp_path / "other" / JOURNAL_FILE).rename(folder / JOURNAL_FILE)
    for _ in range(2):
        with pytest.raises(DamagedJournalError, match="not the one that was here"):
            await open_database(folder)


async def test_what_is_no_journal_says_what_to_do(folder, told, tell):
    folder.mkdir()
    (folder / JOURNAL_FILE).write_bytes(b"x" * 8192)
    with pytest.raises(DamagedJournalError, match="not a database; stop nobreak, then restore"):
        await open_database(folder, tell)
    assert len(told) == 1


def damage(path):
    """Overwrite all pages but the first."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    roots = [root for (root,) in reader.execute("SELECT rootpage FROM sqlite_schema") if root]
    reader.close()
    with path.open("r+b") as file:
        for root in roots:  # and not the schema itself: the file can still be opened
            file.seek((root - 1) * PAGE)
            file.write(b"\xff" * PAGE)


async def test_damage_that_is_met_on_the_way_is_told_once(folder, told, tell):
    """I7: every request fails, and a person has to know why."""
    await made(folder)
    damage(folder / JOURNAL_FILE)
    database = await open_database(folder, tell)
    for _ in range(3):
        with pytest.raises(DamagedJournalError):
            database.read("SELECT * FROM change_of_mode")
        with pytest.raises(DamagedJournalError):
            await database.write(add)
    await database.aclose()
    assert len(told) == 1
    assert told[0][1] is False


async def test_damage_that_only_a_write_meets_is_told(folder, told, tell):
    await made(folder)
    damage(folder / JOURNAL_FILE)
    database = await open_database(folder, tell)
    database.write_soon(add, pytest.fail)
    await eventually(lambda: told)
    await database.aclose()


async def test_nothing_is_written_to_a_file_that_nobody_will_find_again(folder, told, tell):
    """I1: SQLite goes on writing to a file that was removed."""
    await made(folder)
    database = await open_database(folder, tell)
    (folder / JOURNAL_FILE).rename(folder / "aside.db")
    for _ in range(2):
        with pytest.raises(LocalStoreError, match="removed or replaced"):
            await database.write(add)
    assert [readable for _, readable in told] == [True]
    assert len(database.read("SELECT * FROM change_of_mode")) == 1
    (folder / "aside.db").rename(folder / JOURNAL_FILE)
    await database.write(add)
    await database.aclose()


async def test_a_whole_check_finds_damage_and_ends_in_time(folder, monkeypatch):
    await made(folder)
    assert journal_damage(folder, within=10.0) == ""
    damage(folder / JOURNAL_FILE)
    found = journal_damage(folder, within=10.0)
    assert found
    assert "\n" not in found
    monkeypatch.setattr(database_module, "STEPS_BETWEEN_LOOKS", 1)
    database = Database.look(folder / JOURNAL_FILE)
    assert database.damage(within=-1.0) == ""
    assert len(database.read("PRAGMA user_version")) == 1
    database.close()
