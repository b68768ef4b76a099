"""The index in SQLite: which buckets the catalog holds every object of.

What it promises stands in `nobreak.stores.known.Index`. A scan marks the rows that it saw with
its number; what live writes touched meanwhile is noted by `marks.touch` and left alone by the scan.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import cast

import apsw

from nobreak.stores.known import Indexed
from nobreak.stores.sqlite.database import Database
from nobreak.stores.sqlite.marks import distrust, forget_bucket, learn, looked, outdate
from nobreak.stores.sqlite.rows import OBJECT_COLUMNS, attributes_text, object_from, prefix_end
from nobreak.words import ObjectInfo, ObjectName

SAID_AGAIN = 1.0
"""How often it is tried to write down that something was missed (seconds)."""
CLOCKS_DIFFER = 1.0
"""So much later than we think may a write of ours have been made by the server's clock (seconds)."""
UNTOUCHED = "NOT EXISTS (SELECT 1 FROM touched t WHERE t.bucket = ?1 AND t.key = object.key)"
UNSURE_BELOW = (
    "SELECT 1 FROM unsure WHERE bucket = :bucket AND key >= :prefix "
    "AND (:end IS NULL OR key < :end) LIMIT 1"
)
SEEN = (
    f"INSERT INTO object ({OBJECT_COLUMNS}, scan) "
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6, '', ?4, 0, ?7 "
    "WHERE NOT EXISTS (SELECT 1 FROM touched WHERE bucket = ?1 AND key = ?2) "
    "ON CONFLICT (bucket, key) DO UPDATE SET scan = ?7"
)
"""A row that was there keeps what it knows; `CHANGED` replaces it where another version was seen."""
CHANGED = (
    "UPDATE object SET size = ?3, our_etag = ?4, attributes = ?5, modified = ?6, remote = '', etag = ?4, "
    "whole = 0 "
    f"WHERE bucket = ?1 AND key = ?2 AND (etag NOT IN ('', ?4) OR size != ?3) AND {UNTOUCHED}"
)
WRITTEN_AGAIN = (
    "UPDATE object SET modified = ?6, whole = 0 "
    f"WHERE bucket = ?1 AND key = ?2 AND ?6 > modified + {CLOCKS_DIFFER} AND {UNTOUCHED}"
)
"""The same bytes, written later than is known: their attributes may be others."""


class SqliteIndex:
    """See `nobreak.stores.known.Index`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._missed: Counter[str] = Counter()
        self._lost: set[str] = set()
        self._to_say: set[str] = set()

    def missed(self, bucket: str, *, for_good: bool = False) -> None:
        self._missed[bucket] += 1
        if for_good:
            self._lost.add(bucket)
        said = partial(self._said, bucket, self._missed[bucket])
        later = partial(self._later, bucket)
        self._database.write_soon(lambda writer: _doubt(writer, bucket), later, said)

    def _said(self, bucket: str, misses: int) -> None:
        """All processes can see it now."""
        if self._missed[bucket] == misses:
            del self._missed[bucket]

    def _later(self, bucket: str) -> None:
        """One more attempt serves all that have failed."""
        if bucket not in self._to_say:
            self._to_say.add(bucket)
            asyncio.get_running_loop().call_later(SAID_AGAIN, self._again, bucket)

    def _again(self, bucket: str) -> None:
        self._to_say.discard(bucket)
        self.missed(bucket)

    def lacks(self, bucket: str) -> bool:
        return bucket in self._missed or bucket in self._lost

    def is_complete(self, bucket: str) -> bool:
        if self.lacks(bucket):
            return False
        sql = "SELECT 1 FROM bucket WHERE name = ? AND scanned_at IS NOT NULL"
        return bool(self._database.read(sql, (bucket,)))

    def follows(self, bucket: str) -> bool:
        def look_up() -> bool:
            return bool(self._database.read("SELECT 1 FROM bucket WHERE name = ?", (bucket,)))

        return self._database.unchanged(("followed", bucket), look_up)

    def followed(self) -> Sequence[str]:
        return [name for (name,) in self._database.read("SELECT name FROM bucket")]

    def buckets(self) -> Sequence[Indexed]:
        rows = self._database.read(
            "SELECT name, scanned_at, due, scanning, count(o.bucket), "
            "count(CASE WHEN o.whole != 1 THEN 1 END) "
            "FROM bucket LEFT JOIN object o ON o.bucket = bucket.name GROUP BY name ORDER BY name"
        )
        return [
            Indexed(name, scanned_at, bool(due), bool(scanning), objects, partial)
            for name, scanned_at, due, scanning, objects, partial in rows
        ]

    def due(self) -> Sequence[str]:
        return [
            name
            for (name,) in self._database.read(
                "SELECT name FROM bucket WHERE due = 1 AND scanning = 0"
            )
        ]

    async def begin_scan(self, bucket: str) -> int:
        def work(writer: apsw.Connection) -> int:
            writer.execute(
                "INSERT INTO bucket (name, due, scan, scanning) VALUES (?, 1, 1, 1) "
                "ON CONFLICT (name) DO UPDATE SET due = 1, scan = scan + 1, scanning = 1",
                (bucket,),
            )
            writer.execute("DELETE FROM touched WHERE bucket = ?", (bucket,))
            sql = "SELECT scan FROM bucket WHERE name = ?"
            ((number,),) = cast("list[tuple[int]]", writer.execute(sql, (bucket,)).fetchall())
            return number

        return await self._database.write(work)

    async def take_page(self, bucket: str, scan: int, objects: Sequence[ObjectInfo]) -> bool:
        rows = [
            (
                bucket,
                info.name.key,
                info.size,
                info.etag,
                attributes_text(info.attributes),
                info.modified.timestamp(),
            )
            for info in objects
        ]

        def work(writer: apsw.Connection) -> bool:
            if not _is_current(writer, bucket, scan):
                return False
            writer.executemany(SEEN, [(*row, scan) for row in rows])
            writer.executemany(CHANGED, rows)
            writer.executemany(WRITTEN_AGAIN, rows)
            return True

        return await self._database.write(work)

    async def end_scan(self, bucket: str, scan: int, now: float) -> bool:
        def work(writer: apsw.Connection) -> bool:
            if not _is_current(writer, bucket, scan):
                return False
            writer.execute(
                f"DELETE FROM object WHERE bucket = ?1 AND scan != ?2 AND {UNTOUCHED}",
                (bucket, scan),
            )
            writer.execute(
                "UPDATE bucket SET scanned_at = ?, due = 0, scanning = 0 WHERE name = ?",
                (now, bucket),
            )
            writer.execute("DELETE FROM touched WHERE bucket = ?", (bucket,))
            return True

        done = await self._database.write(work)
        if done:
            self._lost.discard(bucket)
        return done

    def is_sure(self, bucket: str, prefix: str) -> bool:
        of = {"bucket": bucket, "prefix": prefix, "end": prefix_end(prefix)}
        return not self._database.read(UNSURE_BELOW, of)

    def unsure(self, now: float, limit: int) -> Sequence[ObjectName]:
        sql = "SELECT bucket, key FROM unsure WHERE not_before <= ? LIMIT ?"
        return [ObjectName(*row) for row in self._database.read(sql, (now, limit))]

    async def distrust(self, name: ObjectName, not_before: float = 0.0) -> None:
        await self._database.write(lambda writer: distrust(writer, name, not_before))

    def distrust_soon(self, name: ObjectName) -> None:
        missed = partial(self.missed, name.bucket)
        self._database.write_soon(lambda writer: distrust(writer, name, 0.0), missed)

    async def outdate(self, seen: ObjectInfo) -> None:
        await self._database.write(lambda writer: outdate(writer, seen))

    async def looked(self, name: ObjectName, info: ObjectInfo | None) -> bool:
        return await self._database.write(lambda writer: looked(writer, name, info))

    def partial(self, bucket: str, after: str, limit: int) -> Sequence[ObjectInfo]:
        sql = (
            f"SELECT {OBJECT_COLUMNS} FROM object INDEXED BY object_partial "
            "WHERE whole = 0 AND bucket = ? AND key > ? ORDER BY key LIMIT ?"
        )
        rows = self._database.read(sql, (bucket, after, limit))
        return [object_from(row)[0] for row in rows]

    async def learn(self, seen: ObjectInfo, info: ObjectInfo) -> bool:
        return await self._database.write(lambda writer: learn(writer, seen, info))

    def learn_soon(self, seen: ObjectInfo, info: ObjectInfo) -> None:
        self._database.write_soon(lambda writer: learn(writer, seen, info), _nothing_lost)

    async def refused(self, name: ObjectName) -> None:
        def work(writer: apsw.Connection) -> None:
            sql = "UPDATE object SET whole = -1 WHERE bucket = ? AND key = ? AND whole = 0"
            writer.execute(sql, (name.bucket, name.key))

        await self._database.write(work)

    async def ask_again(self, bucket: str) -> None:
        def work(writer: apsw.Connection) -> None:
            sql = "UPDATE object SET whole = 0 WHERE bucket = ? AND whole = -1"
            writer.execute(sql, (bucket,))

        await self._database.write(work)

    async def abandon_scan(self, bucket: str, scan: int) -> None:
        def work(writer: apsw.Connection) -> None:
            if _is_current(writer, bucket, scan):
                writer.execute("UPDATE bucket SET scanning = 0 WHERE name = ?", (bucket,))

        await self._database.write(work)

    async def doubt(self, bucket: str | None = None) -> None:
        await self._database.write(lambda writer: _doubt(writer, bucket))

    async def revalidate(self) -> None:
        def work(writer: apsw.Connection) -> None:
            writer.execute("UPDATE bucket SET due = 1")

        await self._database.write(work)

    async def forget(self, bucket: str) -> None:
        await self._database.write(lambda writer: forget_bucket(writer, bucket))


def _nothing_lost() -> None:
    """What could not be learnt is asked for another time."""


def _doubt(writer: apsw.Connection, bucket: str | None) -> None:
    writer.execute(
        "UPDATE bucket SET scanned_at = NULL, due = 1, scanning = 0, scan = scan + 1 "
        "WHERE ?1 IS NULL OR name = ?1",
        (bucket,),
    )


def _is_current(writer: apsw.Connection, bucket: str, scan: int) -> bool:
    """Whether no later scan has begun, and nothing made this one worthless."""
    sql = "SELECT 1 FROM bucket WHERE name = ? AND scan = ? AND scanning = 1"
    return writer.execute(sql, (bucket, scan)).fetchone() is not None
