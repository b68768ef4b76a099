"""One SQLite file, one writer thread, group commit.

Callers hand a function to `write`; the thread runs all that are waiting in one transaction and
answers them after its commit, which is one fsync for all (WAL, synchronous=FULL). Each runs in a
savepoint of its own, so that one that fails takes nothing with it. Reads go through a second
connection, at once, on the caller's thread: point look-ups take microseconds.

SQLite fsyncs the folder before the first commit: the names of its files are durable by then. Several
processes may open the same file. Never put it on a network file system. `Database.look`
opens one that exists, for reading only: nothing is made, migrated or changed.
"""

import asyncio
import queue
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw

from nobreak.errors import LocalStoreError, NobreakError, OutOfSpaceError

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]

SCHEMA_VERSION = 6
BATCH = 512
BUSY_MS = 10_000
CHECKPOINT_PAGES = 4_000
SOON = 0.05
"""How long what nobody waits for is gathered before it is committed, with one fsync (seconds)."""
REMEMBERED = 1000
"""So much of what was looked up is remembered while the file does not change."""
STEPS_BETWEEN_LOOKS = 10_000
"""How often a check of the whole file looks at the clock (steps of SQLite's machine)."""

OnTrouble = Callable[[str, bool], None]
"""Hears once, from any thread, what is wrong with the file, and whether it can still be read."""


class DamagedJournalError(LocalStoreError):
    """The file is no journal, damaged, or another one than before. A person has to see to it."""


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    answer: asyncio.Future[Any] | None
    on_failure: Callable[[], None] | None = None
    on_done: Callable[[], None] | None = None
    result: Any = None
    error: BaseException | None = None


class Database:
    """The open file. Make it with `open`, close it with `aclose`."""

    def __init__(
        self,
        path: Path,
        writer: apsw.Connection | None,
        reader: apsw.Connection,
        on_trouble: OnTrouble | None = None,
    ) -> None:
        self.path = path
        self._reader = reader
        self._on_trouble = on_trouble
        self._closed = False
        self._glanced: tuple[int, int, int] | None = None
        self._found: dict[Hashable, Any] = {}
        self._found_under = -1
        self._thread: threading.Thread | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        if writer is None:
            return
        self._loop = asyncio.get_running_loop()
        self._inode = path.stat().st_ino
        self._thread = threading.Thread(
            target=self._run, args=(writer,), name="nobreak-journal", daemon=True
        )
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, on_trouble: OnTrouble | None = None) -> "Database":
        """Open or create the file, in a folder that is there. Raises `LocalStoreError`, such as `DamagedJournalError`."""
        try:
            writer, reader = await asyncio.to_thread(_connect, path)
        except (apsw.Error, OSError) as error:
            raise _kind(error)(f"the journal {path} can't be opened: {error}") from error
        return cls(path, writer, reader, on_trouble)

    @classmethod
    def look(cls, path: Path) -> "Database":
        """Open a file that exists, for reading only. Raises `LocalStoreError`."""
        try:
            reader = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
            reader.set_busy_timeout(BUSY_MS)
            _check_version(reader, least=SCHEMA_VERSION)
        except apsw.Error as error:
            raise _kind(error)(f"the journal {path} can't be read: {error}") from error
        return cls(path, None, reader)

    def read(self, sql: str, bindings: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """All rows of a query, at once. Raises `LocalStoreError`."""
        try:
            return list(self._reader.execute(sql, bindings))
        except apsw.Error as error:
            failure = translated(error)
            self._tell(failure)
            raise failure from error

    def glance(self) -> tuple[int, int, int]:
        """How many entries the journal has and copies the cache, and a number that differs after any change.

        The cheapest look that sees what other processes have committed: what was read under the same
        number is still so. One look serves a whole turn of the event loop: whatever runs in that turn
        was asked for before it, and who waits for a write hears of it in a later one. Raises
        `LocalStoreError`.
        """
        if self._glanced is not None:
            return self._glanced
        ((entries, copies),) = self.read("SELECT entries, copies FROM tally")
        seen = entries, copies, self._reader.data_version()
        with suppress(RuntimeError):  # without a loop every look is its own
            asyncio.get_running_loop().call_soon(self.look_anew)
            self._glanced = seen
        return seen

    def look_anew(self) -> None:
        """See what others have committed up to now, also if this turn had a look already."""
        self._glanced = None

    def unchanged(self, what: Hashable, look_up: Callable[[], T]) -> T:
        """What `look_up` found for `what`, remembered while the file does not change."""
        _entries, _copies, number = self.glance()
        if number != self._found_under or len(self._found) >= REMEMBERED:
            self._found_under, self._found = number, {}
        if what not in self._found:
            self._found[what] = look_up()
        return cast("T", self._found[what])

    @property
    def identity(self) -> int:
        """A number that tells this journal from all others, given when it was made."""
        ((number,),) = self.read("PRAGMA application_id")
        return int(number)

    def damage(self, within: float) -> str:
        """What a check of the whole file finds in so many seconds; empty when that is nothing."""
        until = time.monotonic() + within
        self._reader.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_LOOKS)
        try:
            found = [str(text) for (text,) in self._reader.execute("PRAGMA quick_check(1)")]
        except apsw.InterruptError:
            return ""
        except apsw.Error as error:
            return str(error)
        finally:
            self._reader.set_progress_handler(None)
        return "" if found == ["ok"] else " ".join(" ".join(found).split())

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; what it did is durable when this returns."""
        if self._thread is None:
            raise LocalStoreError(f"the journal {self.path} was opened for reading only")
        if self._closed:
            raise LocalStoreError(f"the journal {self.path} is closed")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, answer))
        return await answer

    def write_soon(
        self,
        work: Work[Any],
        on_failure: Callable[[], None],
        on_done: Callable[[], None] | None = None,
    ) -> None:
        """Run `work` with one of the next transactions; nobody waits for it.

        `on_failure` is called on the event loop when it could not be done, else `on_done`.
        """
        self._jobs.put(_Job(work, None, on_failure, on_done))

    async def aclose(self) -> None:
        """Finish what is queued and close. Who comes later is refused."""
        self._closed = True
        if self._thread is not None and self._thread.is_alive():
            self._jobs.put(None)
            await asyncio.to_thread(self._thread.join)
        self.close()

    def close(self) -> None:
        """Close what `look` opened: there is nothing to finish."""
        self._reader.close()

    def _run(self, writer: apsw.Connection) -> None:
        running = True
        while running:
            first = self._jobs.get()
            running = first is not None
            batch = [first] if first is not None else []
            soon = time.monotonic() + SOON
            while running and len(batch) < BATCH:
                awaited = any(job.answer is not None for job in batch)
                try:
                    following = self._jobs.get(not awaited, max(0.0, soon - time.monotonic()))
                except queue.Empty:
                    break
                if following is None:
                    running = False
                else:
                    batch.append(following)
            if batch:
                self._commit(writer, batch)
                self._loop.call_soon_threadsafe(_answer, batch)
        writer.close()

    def _commit(self, writer: apsw.Connection, batch: list[_Job]) -> None:
        """Run a batch, unless nobody would ever find what it wrote (I1)."""
        if self._is_there():
            _commit(writer, batch)
        else:
            error = DamagedJournalError(f"the journal {self.path} was removed or replaced")
            for job in batch:
                job.error = error
        for job in batch:
            self._tell(job.error)

    def _is_there(self) -> bool:
        """Whether the open file is still the one of that name."""
        try:
            return self.path.stat().st_ino == self._inode
        except OSError:
            return False

    def _tell(self, error: BaseException | None) -> None:
        if isinstance(error, DamagedJournalError) and self._on_trouble is not None:
            tell, self._on_trouble = self._on_trouble, None
            readable = not self._is_there()  # what was only unlinked is still whole
            tell(str(error), readable)


def _commit(writer: apsw.Connection, batch: list[_Job]) -> None:
    """Run a batch in one transaction. When its commit fails, all of it has failed."""
    try:
        writer.execute("BEGIN IMMEDIATE")
        for job in batch:
            _run_in_savepoint(writer, job)
        writer.execute("COMMIT")
    except BaseException as error:  # noqa: BLE001 - it is handed to those who wait
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        failure = translated(error) if isinstance(error, apsw.Error) else error
        for job in batch:
            job.error = failure


def _run_in_savepoint(writer: apsw.Connection, job: _Job) -> None:
    try:
        with writer:
            job.result = job.work(writer)
    except (apsw.FullError, apsw.IOError):
        raise  # SQLite may have rolled back the whole transaction
    except apsw.Error as error:
        job.error = translated(error)
    except Exception as error:  # noqa: BLE001 - it is handed to the one who waits
        job.error = error


def _answer(batch: list[_Job]) -> None:
    for job in batch:
        told = job.on_done if job.error is None else job.on_failure
        if told is not None:
            told()
        if job.answer is None or job.answer.done():
            continue
        if job.error is None:
            job.answer.set_result(job.result)
        else:
            job.answer.set_exception(job.error)


def translated(error: BaseException) -> NobreakError:
    """SQLite's error in our words."""
    if isinstance(error, apsw.FullError):
        return OutOfSpaceError("the disk under the data directory is full")
    return _kind(error)(f"the journal can't be used: {error}")


def _kind(error: BaseException) -> type[LocalStoreError]:
    damaged = isinstance(error, (apsw.CorruptError, apsw.NotADBError))
    return DamagedJournalError if damaged else LocalStoreError


def _connect(path: Path) -> tuple[apsw.Connection, apsw.Connection]:
    writer = apsw.Connection(str(path))
    writer.set_busy_timeout(BUSY_MS)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA synchronous=FULL")
    writer.execute("PRAGMA foreign_keys=ON")
    writer.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    _migrate(writer)
    reader = apsw.Connection(str(path))
    reader.set_busy_timeout(BUSY_MS)
    reader.execute("PRAGMA query_only=ON")
    return writer, reader


def _migrate(writer: apsw.Connection) -> None:
    with writer:
        if _check_version(writer) < SCHEMA_VERSION:
            schema = resources.files(__package__).joinpath("schema.sql").read_text("utf-8")
            writer.execute(schema)
            writer.execute(f"PRAGMA application_id={secrets.randbelow(2**31 - 1) + 1}")
            writer.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def _check_version(connection: apsw.Connection, least: int = 0) -> int:
    """The schema's version. Raises `LocalStoreError` when it is not one that we know."""
    (version,) = cast("tuple[int]", connection.execute("PRAGMA user_version").fetchone())
    if version != SCHEMA_VERSION and (version or least):
        age = "a newer" if version > SCHEMA_VERSION else "an older"
        raise LocalStoreError(
            f"the journal was written by {age} nobreak (schema {version}; this one knows "
            f"{SCHEMA_VERSION}): give back what it holds with that one, then begin a new one"
        )
    return version
