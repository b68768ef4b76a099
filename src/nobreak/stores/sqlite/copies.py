"""The cache's table in SQLite. What it promises stands in `nobreak.stores.copies.Copies`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import apsw

from nobreak.core.eviction import MOST_HITS, Held, Queue, make_room, queue_of_new
from nobreak.stores.copies import CacheTally, Copy
from nobreak.stores.sqlite.database import Database
from nobreak.words import Fingerprint, ObjectName

COLUMNS = "bucket, key, version, size, md5, file"
LEAST_REMEMBERED = 1000
"""So many names, or as many as there are copies, are remembered of what was given up."""


class SqliteCopies:
    """See `nobreak.stores.copies.Copies`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, name: ObjectName) -> Copy | None:
        def look_up() -> Copy | None:
            sql = f"SELECT {COLUMNS} FROM copy WHERE bucket = ? AND key = ?"
            rows = self._database.read(sql, (name.bucket, name.key))
            return _copy_from(rows[0]) if rows else None

        return self._database.unchanged(("copy", name), look_up)

    def moment(self) -> int:
        def look_up() -> int:
            ((place,),) = self._database.read("SELECT place FROM cache")
            return int(place)

        return self._database.unchanged("moment of copies", look_up)

    def admit_soon(
        self, copy: Copy, since: int, limit: int, settled: Callable[[Sequence[str]], None]
    ) -> None:
        unneeded: list[str] = []

        def work(writer: apsw.Connection) -> None:
            unneeded.extend(_admit(writer, copy, since, limit))

        self._database.write_soon(work, lambda: settled([copy.file]), lambda: settled(unneeded))

    async def drop(self, copy: Copy) -> None:
        def work(writer: apsw.Connection) -> None:
            sql = "DELETE FROM copy WHERE bucket = ? AND key = ? AND file = ?"
            writer.execute(sql, (copy.name.bucket, copy.name.key, copy.file))

        await self._database.write(work)

    async def forget(self, bucket: str) -> Sequence[str]:
        def work(writer: apsw.Connection) -> Sequence[str]:
            found = writer.execute("SELECT file FROM copy WHERE bucket = ?", (bucket,)).fetchall()
            writer.execute("DELETE FROM copy WHERE bucket = ?", (bucket,))
            place = _Shelf(writer).next_place()
            writer.execute("INSERT OR REPLACE INTO forgotten VALUES (?, ?)", (bucket, place))
            return [str(file) for (file,) in found]

        return await self._database.write(work)

    async def shrink(self, limit: int) -> Sequence[str]:
        def work(writer: apsw.Connection) -> Sequence[str]:
            shelf = _Shelf(writer)
            make_room(shelf, 0, limit)
            return shelf.files

        return await self._database.write(work)

    def oldest(self, count: int) -> Sequence[Copy]:
        sql = (
            f"SELECT {COLUMNS} FROM "
            "(SELECT *, sum(size) OVER (ORDER BY queue, place) AS up_to_it FROM copy) "
            "WHERE up_to_it - size < ?"
        )
        return [_copy_from(row) for row in self._database.read(sql, (count,))]

    def asked_soon(self, names: Mapping[ObjectName, int], served: int) -> None:
        rows = [(hits, name.bucket, name.key) for name, hits in names.items()]

        def work(writer: apsw.Connection) -> None:
            sql = f"UPDATE copy SET hits = min({MOST_HITS}, hits + ?) WHERE bucket = ? AND key = ?"
            writer.executemany(sql, rows)
            writer.execute("UPDATE cache SET served = served + ?", (served,))

        self._database.write_soon(work, _nothing_lost)

    def needs(self, file: str) -> bool:
        return bool(self._database.read("SELECT 1 FROM copy WHERE file = ?", (file,)))

    def are_any(self) -> bool:
        return self._database.glance()[1] > 0

    def tally(self) -> CacheTally:
        def look_up() -> CacheTally:
            sql = "SELECT copies, small_bytes + main_bytes, served FROM cache, tally"
            return CacheTally(*self._database.read(sql)[0])

        return self._database.unchanged("tally of copies", look_up)


def _copy_from(row: Sequence[Any]) -> Copy:
    bucket, key, version, size, md5, file = row
    return Copy(ObjectName(bucket, key), version, Fingerprint(size, md5), file)


def _nothing_lost() -> None:
    """What was asked for counts for little."""


def _admit(writer: apsw.Connection, copy: Copy, since: int, limit: int) -> Sequence[str]:
    """Take a copy in; the files that are not needed any more."""
    shelf = _Shelf(writer)
    of = (copy.name.bucket, copy.name.key)
    sql = "SELECT 1 FROM forgotten WHERE bucket = ? AND place > ?"
    if writer.execute(sql, (copy.name.bucket, since)).fetchone() is not None:
        return [copy.file]
    before = writer.execute("SELECT queue FROM copy WHERE bucket = ? AND key = ?", of).fetchone()
    shelf.drop(copy.name)
    make_room(shelf, copy.fingerprint.size, limit)
    queue = queue_of_new(shelf, copy.name) if before is None else Queue(int(str(before[0])))
    writer.execute("DELETE FROM ghost WHERE bucket = ? AND key = ?", of)
    size, md5 = copy.fingerprint.size, copy.fingerprint.md5
    writer.execute(
        f"INSERT INTO copy ({COLUMNS}, queue, place, hits) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
        (*of, copy.version, size, md5, copy.file, int(queue), shelf.next_place()),
    )
    shelf.forget_old_names()
    return shelf.files


class _Shelf:
    """See `nobreak.core.eviction.Shelf`. `files`: those of what was dropped."""

    def __init__(self, writer: apsw.Connection) -> None:
        self._writer = writer
        self.files: list[str] = []

    def size(self, queue: Queue) -> int:
        column = "small_bytes" if queue is Queue.SMALL else "main_bytes"
        return self._number(f"SELECT {column} FROM cache")

    def oldest(self, queue: Queue) -> Held | None:
        row = self._writer.execute(
            "SELECT bucket, key, hits FROM copy WHERE queue = ? ORDER BY place LIMIT 1",
            (int(queue),),
        ).fetchone()
        if row is None:
            return None
        bucket, key, hits = cast("tuple[str, str, int]", row)
        return Held(ObjectName(bucket, key), hits)

    def move(self, name: ObjectName, queue: Queue, hits: int) -> None:
        self._writer.execute(
            "UPDATE copy SET queue = ?, hits = ?, place = ? WHERE bucket = ? AND key = ?",
            (int(queue), hits, self.next_place(), name.bucket, name.key),
        )

    def drop(self, name: ObjectName) -> None:
        of = (name.bucket, name.key)
        sql = "SELECT file FROM copy WHERE bucket = ? AND key = ?"
        self.files += [str(file) for (file,) in self._writer.execute(sql, of)]
        self._writer.execute("DELETE FROM copy WHERE bucket = ? AND key = ?", of)

    def remember(self, name: ObjectName) -> None:
        self._writer.execute(
            "INSERT OR REPLACE INTO ghost VALUES (?, ?, ?)",
            (name.bucket, name.key, self.next_place()),
        )

    def remembers(self, name: ObjectName) -> bool:
        sql = "SELECT 1 FROM ghost WHERE bucket = ? AND key = ?"
        return self._writer.execute(sql, (name.bucket, name.key)).fetchone() is not None

    def forget_old_names(self) -> None:
        """Names are forgotten when as many others came and went as there are copies."""
        self._writer.execute(
            "DELETE FROM ghost WHERE place < (SELECT place - 2 * max(copies, ?) FROM cache, tally)",
            (LEAST_REMEMBERED,),
        )

    def next_place(self) -> int:
        self._writer.execute("UPDATE cache SET place = place + 1")
        return self._number("SELECT place FROM cache")

    def _number(self, sql: str) -> int:
        ((number,),) = cast("list[tuple[int]]", self._writer.execute(sql).fetchall())
        return number
