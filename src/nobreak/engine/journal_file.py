"""The journal's file in a data directory: opened by who works with it, or only looked at.

Beside it stands a marker with its number: where a journal was, an empty or another one is not
taken for it, or the writes that waited in it would be forgotten without a word (I7).
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nobreak.errors import LocalStoreError
from nobreak.stores.local.disk import translated
from nobreak.stores.local.folders import fsync_folder, make_folder
from nobreak.stores.sqlite.database import DamagedJournalError, Database, OnTrouble

JOURNAL_FILE = "journal.db"
MARKER_FILE = "journal.id"
OPEN_LOCK = "open.lock"


async def open_database(folder: Path, on_trouble: OnTrouble | None = None) -> Database:
    """Open the journal; of several processes that start at once, one makes it.

    Raises `LocalStoreError`; `DamagedJournalError` also when the journal that was here is gone.
    """
    try:
        await asyncio.to_thread(make_folder, folder)
        with _locked(folder / OPEN_LOCK):
            return await _open_marked(folder, on_trouble)
    except OSError as error:
        raise LocalStoreError(
            f"the data directory {folder} (NOBREAK_DATA_DIR) can't be used: {error.strerror}"
        ) from translated(error)
    except DamagedJournalError as error:
        if on_trouble is not None:
            on_trouble(str(error), False)
        raise DamagedJournalError(
            f"{error}; stop nobreak, then restore {JOURNAL_FILE} or move {folder} aside"
        ) from error


async def _open_marked(folder: Path, on_trouble: OnTrouble | None) -> Database:
    await asyncio.to_thread(check_there, folder)
    database = await Database.open(folder / JOURNAL_FILE, on_trouble)
    try:
        await asyncio.to_thread(_check_marker, folder, database.identity)
    except BaseException:
        await database.aclose()
        raise
    return database


def check_there(folder: Path) -> None:
    """Raise `DamagedJournalError` when there was a journal and now there is none.

    Raises `OSError`.
    """
    path = folder / JOURNAL_FILE
    size = path.stat().st_size if path.exists() else None
    if not size and ((folder / MARKER_FILE).exists() or any(folder.glob("blobs/*/*"))):
        state = "gone" if size is None else "empty"
        raise DamagedJournalError(f"the journal {path} is {state}, but writes were kept here")


def journal_damage(folder: Path, within: float) -> str:
    """What a check of the whole journal finds in so many seconds; empty when that is nothing.

    Raises `LocalStoreError`.
    """
    database = Database.look(folder / JOURNAL_FILE)
    try:
        _is_marked(folder, database.identity)
        return database.damage(within)
    finally:
        database.close()


def _check_marker(folder: Path, identity: int) -> None:
    """Compare the marker with the journal's number; without a marker make one, durably."""
    if not _is_marked(folder, identity):
        _write_marker(folder / MARKER_FILE, f"{identity}\n")


def _is_marked(folder: Path, identity: int) -> bool:
    """Whether there is a marker. Raises `DamagedJournalError` when it is another journal's."""
    try:
        stated = (folder / MARKER_FILE).read_text("ascii", errors="replace").strip()
    except FileNotFoundError:
        return False
    if stated != str(identity):
        raise DamagedJournalError(
            f"the journal {folder / JOURNAL_FILE} is not the one that was here "
            f"({MARKER_FILE} says {stated:.20}, the journal {identity})"
        )
    return True


def _write_marker(marker: Path, content: str) -> None:
    unfinished = marker.with_suffix(".new")
    with unfinished.open("w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(marker)
    fsync_folder(marker.parent)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
