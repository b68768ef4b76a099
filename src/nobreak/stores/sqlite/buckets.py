"""The known buckets in SQLite. What this promises stands in `nobreak.stores.known.KnownBuckets`."""

from collections.abc import Sequence
from datetime import UTC, datetime

import apsw

from nobreak.stores.sqlite.database import Database
from nobreak.stores.sqlite.marks import forget_bucket
from nobreak.words import BucketInfo

GET = "SELECT name, created FROM known_bucket WHERE name = ?"
ARE_ALL = "SELECT 1 FROM bucket_list WHERE read_at IS NOT NULL"
CHANGED = "UPDATE bucket_list SET version = version + 1"


class SqliteBuckets:
    """See `nobreak.stores.known.KnownBuckets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> BucketInfo | None:
        def look_up() -> BucketInfo | None:
            rows = self._database.read(GET, (name,))
            return _info(rows[0]) if rows else None

        return self._database.unchanged((GET, name), look_up)

    def all(self) -> Sequence[BucketInfo]:
        sql = "SELECT name, created FROM known_bucket ORDER BY name"
        return [_info(row) for row in self._database.read(sql)]

    def are_all(self) -> bool:
        return self._database.unchanged(ARE_ALL, lambda: bool(self._database.read(ARE_ALL)))

    def version(self) -> int:
        ((version,),) = self._database.read("SELECT version FROM bucket_list")
        return int(version)

    async def replace(self, buckets: Sequence[BucketInfo], version: int, now: float) -> bool:
        def work(writer: apsw.Connection) -> bool:
            sql = "UPDATE bucket_list SET read_at = ? WHERE version = ?"
            writer.execute(sql, (now, version))
            if not writer.changes():
                return False
            writer.execute("DELETE FROM known_bucket")
            rows = [(each.name, each.created.timestamp()) for each in buckets]
            writer.executemany("INSERT INTO known_bucket VALUES (?, ?)", rows)
            return True

        return await self._database.write(work)

    async def add(self, bucket: BucketInfo) -> None:
        await self._database.write(
            lambda writer: add_bucket(writer, bucket.name, bucket.created.timestamp())
        )

    async def remove(self, name: str) -> None:
        await self._database.write(lambda writer: remove_bucket(writer, name))


def add_bucket(writer: apsw.Connection, name: str, created: float) -> None:
    """A bucket was made, or seen; one that was known keeps its date."""
    writer.execute("INSERT OR IGNORE INTO known_bucket VALUES (?, ?)", (name, created))
    writer.execute(CHANGED)


def remove_bucket(writer: apsw.Connection, name: str) -> None:
    """A bucket was deleted, and with it all that was known of its objects."""
    writer.execute("DELETE FROM known_bucket WHERE name = ?", (name,))
    writer.execute(CHANGED)
    forget_bucket(writer, name)


def _info(row: tuple[str, float]) -> BucketInfo:
    name, created = row
    return BucketInfo(name, datetime.fromtimestamp(created, UTC))
