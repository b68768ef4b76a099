"""The implementations that every contract test runs against. Add one here, pass all tests."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from nobreak.stores.copies import Copies
from nobreak.stores.interfaces import Board, Catalog, GivenUp, Journal
from nobreak.stores.known import Index, KnownBuckets
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.stores.sqlite.buckets import SqliteBuckets
from nobreak.stores.sqlite.catalog import SqliteCatalog
from nobreak.stores.sqlite.copies import SqliteCopies
from nobreak.stores.sqlite.database import Database
from nobreak.stores.sqlite.given_up import SqliteGivenUp
from nobreak.stores.sqlite.index import SqliteIndex
from nobreak.stores.sqlite.journal import SqliteJournal
from nobreak.stores.sqlite.open_uploads import SqliteOpenUploads
from nobreak.stores.sqlite.uploads import SqliteUploads
from nobreak.stores.uploads import OpenUploads, Uploads


class Clock:
    now = 1_700_000_000.0


class Ledger(NamedTuple):
    journal: Journal
    catalog: Catalog
    board: Board
    index: Index
    buckets: KnownBuckets
    uploads: Uploads
    open_uploads: OpenUploads
    copies: Copies
    given_up: GivenUp


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite"])
async def ledger(tmp_path: Path, clock: Clock) -> AsyncIterator[Ledger]:
    database = await Database.open(tmp_path / "journal.db")
    index = SqliteIndex(database)
    yield Ledger(
        SqliteJournal(database),
        SqliteCatalog(database, index),
        SqliteBoard(database),
        index,
        SqliteBuckets(database),
        SqliteUploads(database),
        SqliteOpenUploads(database, lambda: clock.now),
        SqliteCopies(database),
        SqliteGivenUp(database),
    )
    await database.aclose()


@pytest.fixture
def given_up(ledger: Ledger) -> GivenUp:
    return ledger.given_up


@pytest.fixture
def journal(ledger: Ledger) -> Journal:
    return ledger.journal


@pytest.fixture
def catalog(ledger: Ledger) -> Catalog:
    return ledger.catalog


@pytest.fixture
def board(ledger: Ledger) -> Board:
    return ledger.board


@pytest.fixture
def index(ledger: Ledger) -> Index:
    return ledger.index


@pytest.fixture
def buckets(ledger: Ledger) -> KnownBuckets:
    return ledger.buckets


@pytest.fixture
def uploads(ledger: Ledger) -> Uploads:
    return ledger.uploads


@pytest.fixture
def open_uploads(ledger: Ledger) -> OpenUploads:
    return ledger.open_uploads


@pytest.fixture
def copies(ledger: Ledger) -> Copies:
    return ledger.copies
