"""One SQLite file, one writer thread: what a write that has returned may be relied on for (I1)."""

import asyncio
import threading

import apsw
import pytest
from tests.support.net import eventually

from nobreak.errors import LocalStoreError, OutOfSpaceError
from nobreak.stores.sqlite import database as database_module
from nobreak.stores.sqlite.database import SCHEMA_VERSION, Database

REASON = "INSERT INTO change_of_mode (at, mode, reason) VALUES (0, 'local', ?)"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
async def database(path):
    opened = await Database.open(path)
    yield opened
    await opened.aclose()


def add(reason):
    return lambda writer: writer.execute(REASON, (reason,)) and None


def reasons(path):
    """What another process would see."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    rows = connection.execute("SELECT reason FROM change_of_mode ORDER BY id").fetchall()
    connection.close()
    return [reason for (reason,) in rows]


class Gate:
    """Holds the writer thread until it is opened, so that what follows makes one batch."""

    def __init__(self, database):
        self._open = threading.Event()
        self.held = asyncio.ensure_future(database.write(lambda _: self._open.wait(10)))

    async def closed(self):
        await asyncio.sleep(0.05)
        return self

    async def let(self, *writes):
        tasks = [asyncio.ensure_future(write) for write in writes]
        await asyncio.sleep(0)
        self._open.set()
        await self.held
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_is_answered_finds_everybody_able_to_see_what_was_written(database, path):
    """I1: the answer comes after the commit."""
    for n in range(20):
        await database.write(add(str(n)))
        assert reasons(path)[-1] == str(n)
        assert len(database.read("SELECT 1 FROM change_of_mode")) == n + 1


async def test_one_that_fails_takes_nothing_with_it_and_leaves_nothing(database, path):
    """I7: a batch is one transaction, yet each write stands alone."""

    def half(error):
        def work(writer):
            writer.execute(REASON, ("half",))
            raise error

        return work

    gate = await Gate(database).closed()
    results = await gate.let(
        database.write(add("before")),
        database.write(half(ZeroDivisionError())),
        database.write(lambda writer: writer.execute("INSERT INTO nothing VALUES (1)")),
        database.write(half(apsw.ConstraintError("no"))),
        database.write(add("after")),
    )
    assert [type(result) for result in results] == [
        type(None),
        ZeroDivisionError,
        LocalStoreError,
        LocalStoreError,
        type(None),
    ]
    assert reasons(path) == ["before", "after"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [(apsw.FullError("full"), OutOfSpaceError), (apsw.IOError("broken"), LocalStoreError)],
)
async def test_when_the_disk_fails_nobody_of_the_batch_is_told_that_it_was_written(
    database, path, error, expected
):
    """I1, I7: SQLite may have rolled all of it back; then the next batch works again."""

    def fail(_writer):
        raise error

    gate = await Gate(database).closed()
    results = await gate.let(
        database.write(add("a")), database.write(fail), database.write(add("b"))
    )
    assert [type(result) for result in results] == [expected] * 3
    assert reasons(path) == []
    await database.write(add("c"))
    assert reasons(path) == ["c"]


async def test_a_commit_that_fails_is_told_to_all_who_wait(database, path):
    """I1: foreign keys that are checked late make a real commit fail."""

    def orphan(writer):
        writer.execute("PRAGMA defer_foreign_keys=ON")
        writer.execute("INSERT INTO body VALUES (12345, x'00')")

    gate = await Gate(database).closed()
    results = await gate.let(database.write(add("a")), database.write(orphan))
    assert [type(result) for result in results] == [LocalStoreError] * 2
    assert reasons(path) == []
    assert database.read("SELECT count(*) FROM body") == [(0,)]
    await database.write(add("b"))


async def test_many_that_wait_share_a_commit(database, path, monkeypatch):
    """One fsync for all that wait."""
    commits, commit = [], database_module._commit

    def counted(writer, batch):
        commits.append(len(batch))
        commit(writer, batch)

    monkeypatch.setattr(database_module, "_commit", counted)
    gate = await Gate(database).closed()
    await gate.let(*(database.write(add(str(n))) for n in range(50)))
    assert len(reasons(path)) == 50
    assert commits == [1, 50], "the one that held the gate, then all others"


async def test_closing_finishes_what_is_queued(path):
    """I1: also what nobody waits for."""
    database = await Database.open(path)
    gate = await Gate(database).closed()
    waiting = [asyncio.ensure_future(database.write(add(str(n)))) for n in range(5)]
    await asyncio.sleep(0)
    database.write_soon(add("soon"), pytest.fail)
    closing = asyncio.ensure_future(database.aclose())
    await asyncio.sleep(0.01)
    await gate.let()
    await closing
    await asyncio.gather(*waiting)
    assert reasons(path) == ["0", "1", "2", "3", "4", "soon"]


async def test_who_writes_after_the_close_is_told_so_and_does_not_wait_for_ever(path):
    """I5."""
    database = await Database.open(path)
    await database.aclose()
    with pytest.raises(LocalStoreError, match="closed"):
        await asyncio.wait_for(database.write(add("late")), 2)
    database.write_soon(add("late"), pytest.fail)


async def test_who_gives_up_waiting_disturbs_nobody(database, path):
    gate = await Gate(database).closed()
    given_up = asyncio.ensure_future(database.write(add("given up")))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await gate.let(database.write(add("next"))) == [None]
    assert reasons(path) == ["given up", "next"]
    assert await database.write(lambda _: 7) == 7


async def test_two_processes_write_in_turn(database, path):
    """I6: neither is refused because the other is at it."""
    other = await Database.open(path)
    await asyncio.gather(
        *(each.write(add(str(n))) for n in range(100) for each in (database, other))
    )
    assert len(reasons(path)) == 200
    await other.aclose()


async def test_nobody_else_writes_between_what_a_write_reads_and_what_it_makes_of_it(
    database, path
):
    """I6: changes of the board by several processes lose nothing."""

    def work(writer):
        writer.execute("SELECT asked FROM board").fetchone()
        other = apsw.Connection(str(path))
        try:
            other.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:
            return "kept out"
        finally:
            other.close()

    assert await database.write(work) == "kept out"


async def test_a_write_waits_for_another_process_that_is_at_it(database, path):
    blocking = apsw.Connection(str(path))
    blocking.execute("BEGIN IMMEDIATE")
    task = asyncio.ensure_future(database.write(add("patient")))
    await asyncio.sleep(0.2)
    assert not task.done()
    assert database.read("SELECT 1 FROM change_of_mode") == [], "reads go on meanwhile"
    blocking.execute("COMMIT")
    blocking.close()
    await task
    assert reasons(path) == ["patient"]


async def test_what_is_read_cannot_change_anything(database):
    with pytest.raises(LocalStoreError):
        database.read("DELETE FROM board")
    with pytest.raises(LocalStoreError):
        database.read("SELECT * FROM nowhere")


async def test_an_entrys_bytes_leave_with_it(database):
    """Else the journal would grow for ever."""

    def work(writer):
        writer.execute(
            "INSERT INTO entry (seq, bucket, key, kind, head, attributes, acked_at) "
            "VALUES (1, 'b', 'k', 'put', 1, '{}', 0)"
        )
        writer.execute("INSERT INTO body VALUES (1, x'00')")

    await database.write(work)
    await database.write(lambda writer: writer.execute("DELETE FROM entry") and None)
    assert database.read("SELECT count(*) FROM body") == [(0,)]


async def test_a_journal_of_a_newer_nobreak_is_left_alone(database, path):
    await database.write(lambda w: w.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}") and None)
    with pytest.raises(LocalStoreError, match="a newer nobreak"):
        await Database.open(path)
    with pytest.raises(LocalStoreError, match="a newer nobreak"):
        Database.look(path)


async def test_a_look_makes_and_changes_nothing(database, path, tmp_path):
    with pytest.raises(LocalStoreError, match="can't be read"):
        Database.look(tmp_path / "nothing.db")
    assert not (tmp_path / "nothing.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(LocalStoreError, match="an older nobreak"):
        Database.look(tmp_path / "empty.db")
    await database.write(add("x"))
    look = Database.look(path)
    assert len(look.read("SELECT 1 FROM change_of_mode")) == 1
    with pytest.raises(LocalStoreError, match="for reading only"):
        await look.write(add("y"))
    look.close()


async def test_what_is_no_journal_is_refused_in_one_line(tmp_path):
    (tmp_path / "text.db").write_text("this is no database " * 1000)
    with pytest.raises(LocalStoreError, match=r"text\.db can't be opened"):
        await Database.open(tmp_path / "text.db")


async def test_what_is_remembered_soon_comes_with_one_of_the_next_commits(database, path):
    database.write_soon(add("soon"), pytest.fail)
    await eventually(lambda: reasons(path) == ["soon"])


async def test_a_glance_serves_one_turn_of_the_loop_and_no_more(database, path):
    """I2, I6: what another process has committed is seen by everything that is asked for after it."""
    before = database.glance()
    other = apsw.Connection(str(path))
    other.execute(REASON, ("elsewhere",))
    assert database.glance() == before
    await asyncio.sleep(0)
    assert database.glance() != before
    other.close()


async def test_who_waited_for_a_write_never_reads_what_was_remembered_before_it(database, path):
    """I2: many readers keep a look alive in each turn of the loop, and none of it outlives the write."""
    looking = True

    async def keep_looking():
        while looking:
            database.unchanged("reasons", lambda: reasons(path))
            await asyncio.sleep(0)

    lookers = [asyncio.ensure_future(keep_looking()) for _ in range(20)]
    for number in range(200):
        await database.write(add(str(number)))
        assert len(database.unchanged("reasons", lambda: reasons(path))) == number + 1
    looking = False
    await asyncio.gather(*lookers)
