"""The catalog in SQLite. What it promises stands in `nobreak.stores.interfaces.Catalog`."""

from collections.abc import Callable, Sequence
from functools import partial

import apsw

from nobreak.stores.interfaces import Alias
from nobreak.stores.sqlite.database import Database
from nobreak.stores.sqlite.index import SqliteIndex
from nobreak.stores.sqlite.marks import touch
from nobreak.stores.sqlite.rows import OBJECT_COLUMNS, attributes_text, object_from, prefix_end
from nobreak.words import Entry, ObjectInfo, ObjectName, Receipt

GET = f"SELECT {OBJECT_COLUMNS} FROM object WHERE bucket = ? AND key = ?"
PUT = f"INSERT OR REPLACE INTO object ({OBJECT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
ALIAS = (
    "SELECT our_etag, etag FROM object INDEXED BY object_alias "
    "WHERE bucket = ? AND key = ? AND our_etag != etag AND etag != ''"
)
PAGE = (
    f"SELECT {OBJECT_COLUMNS} FROM object "
    "WHERE bucket = :bucket AND key >= :prefix AND key > :after AND (:end IS NULL OR key < :end) "
    "ORDER BY key LIMIT :limit"
)


class SqliteCatalog:
    """See `nobreak.stores.interfaces.Catalog`."""

    def __init__(self, database: Database, index: SqliteIndex) -> None:
        self._database = database
        self._index = index

    def get(self, name: ObjectName) -> tuple[ObjectInfo, Receipt] | None:
        rows = self._database.read(GET, (name.bucket, name.key))
        return object_from(rows[0]) if rows else None

    async def put(self, info: ObjectInfo, receipt: Receipt) -> None:
        await self._database.write(lambda writer: _put(writer, info, receipt))

    def put_soon(
        self, info: ObjectInfo, receipt: Receipt, untold: Callable[[], None] | None = None
    ) -> None:
        missed = partial(self._missed, info.name, untold)
        self._database.write_soon(lambda writer: _put(writer, info, receipt), missed)

    async def remove(self, name: ObjectName) -> None:
        await self._database.write(lambda writer: remove_object(writer, name))

    def alias(self, name: ObjectName) -> Alias | None:
        rows = self._database.read(ALIAS, (name.bucket, name.key))
        return Alias(*rows[0]) if rows else None

    def remove_soon(self, name: ObjectName, untold: Callable[[], None] | None = None) -> None:
        missed = partial(self._missed, name, untold)
        self._database.write_soon(lambda writer: remove_object(writer, name), missed)

    def _missed(self, name: ObjectName, untold: Callable[[], None] | None) -> None:
        self._index.missed(name.bucket)
        if untold is not None:
            untold()

    def page(
        self, bucket: str, prefix: str, start_after: str, limit: int
    ) -> Sequence[tuple[ObjectInfo, Receipt]]:
        bindings = {
            "bucket": bucket,
            "prefix": prefix,
            "end": prefix_end(prefix),
            "after": start_after,
            "limit": limit,
        }
        return [object_from(row) for row in self._database.read(PAGE, bindings)]


def _put(writer: apsw.Connection, info: ObjectInfo, receipt: Receipt) -> None:
    touch(writer, info.name)
    writer.execute(
        PUT,
        (
            info.name.bucket,
            info.name.key,
            info.size,
            info.etag,
            attributes_text(info.attributes),
            info.modified.timestamp(),
            receipt.remote,
            receipt.etag,
            int(info.whole),
        ),
    )


def upsert_object(writer: apsw.Connection, entry: Entry, receipt: Receipt) -> None:
    """What a confirmed PUT makes of the catalog."""
    assert entry.fingerprint is not None, "a PUT has a fingerprint"  # noqa: S101
    touch(writer, entry.name)
    writer.execute(
        PUT,
        (
            entry.name.bucket,
            entry.name.key,
            entry.fingerprint.size,
            entry.fingerprint.etag,
            attributes_text(entry.attributes),
            entry.acked_at,
            receipt.remote,
            receipt.etag,
            1,
        ),
    )


def remove_object(writer: apsw.Connection, name: ObjectName) -> None:
    """What a confirmed DELETE makes of the catalog."""
    touch(writer, name)
    writer.execute("DELETE FROM object WHERE bucket = ? AND key = ?", (name.bucket, name.key))
