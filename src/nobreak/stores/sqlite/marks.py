"""Marks on keys of the catalog: written while a scan was under way, or changed with nobody looking."""

import apsw

from nobreak.stores.sqlite.rows import attributes_text
from nobreak.words import ObjectInfo, ObjectName

REPLACE = (
    "INSERT OR REPLACE INTO object "
    "(bucket, key, size, our_etag, attributes, modified, remote, etag, whole) "
    "VALUES (?, ?, ?, ?, ?, ?, '', ?, ?)"
)
_AS_SEEN = (
    "WHERE bucket = ?1 AND key = ?2 AND size = ?3 AND etag IN ('', ?4) AND abs(modified - ?5) < 0.001 "
    "AND NOT EXISTS (SELECT 1 FROM unsure WHERE bucket = ?1 AND key = ?2)"
)
LEARN = f"UPDATE object SET attributes = ?6, whole = 1 {_AS_SEEN} AND whole != 1"
"""Of the row that was there before somebody looked, and of no other."""
LEARNT = f"SELECT 1 FROM object {_AS_SEEN} AND attributes = ?6 AND whole = 1"

OUTDATE = (
    "UPDATE object SET whole = 0 "
    "WHERE bucket = ? AND key = ? AND size = ? AND our_etag = ? AND whole = 1 "
    "AND abs(modified - ?) < 0.001"
)


def touch(writer: apsw.Connection, name: ObjectName) -> None:
    """A live write changed this row: a scan or a look under way must leave it alone."""
    of = (name.bucket, name.key)
    writer.execute("DELETE FROM unsure WHERE bucket = ? AND key = ?", of)
    writer.execute(
        "INSERT OR IGNORE INTO touched SELECT ?1, ?2 FROM bucket WHERE name = ?1 AND scanning = 1",
        of,
    )


def distrust(writer: apsw.Connection, name: ObjectName, not_before: float) -> None:
    """See `nobreak.stores.interfaces.Index.distrust`."""
    writer.execute(
        "INSERT OR REPLACE INTO unsure SELECT ?1, ?2, ?3 FROM bucket WHERE name = ?1",
        (name.bucket, name.key, not_before),
    )
    writer.execute(
        "UPDATE object SET whole = 0 WHERE bucket = ? AND key = ?", (name.bucket, name.key)
    )


def outdate(writer: apsw.Connection, seen: ObjectInfo) -> None:
    """See `nobreak.stores.known.Index.outdate`."""
    name = seen.name
    of = (name.bucket, name.key, seen.size, seen.etag, seen.modified.timestamp())
    writer.execute(OUTDATE, of)


def looked(writer: apsw.Connection, name: ObjectName, info: ObjectInfo | None) -> bool:
    """See `nobreak.stores.interfaces.Index.looked`. What is known of the same version stays."""
    of = (name.bucket, name.key)
    sql = "SELECT 1 FROM unsure WHERE bucket = ? AND key = ?"
    if writer.execute(sql, of).fetchone() is None:
        return False
    touch(writer, name)
    if info is None:
        writer.execute("DELETE FROM object WHERE bucket = ? AND key = ?", of)
        return True
    kept, whole = attributes_text(info.attributes), int(info.whole)
    same = "SELECT 1 FROM object WHERE bucket = ? AND key = ? AND size = ? AND etag IN ('', ?)"
    if writer.execute(same, (*of, info.size, info.etag)).fetchone() is None:
        modified = info.modified.timestamp()
        writer.execute(REPLACE, (*of, info.size, info.etag, kept, modified, info.etag, whole))
    elif info.whole:
        sql = "UPDATE object SET attributes = ?, whole = 1 WHERE bucket = ? AND key = ?"
        writer.execute(sql, (kept, *of))
    return True


def learn(writer: apsw.Connection, seen: ObjectInfo, info: ObjectInfo) -> bool:
    """See `nobreak.stores.known.Index.learn`."""
    name = seen.name
    kept, modified = attributes_text(info.attributes), seen.modified.timestamp()
    of = (name.bucket, name.key, info.size, info.etag, modified, kept)
    writer.execute(LEARN, of)
    if writer.changes() > 0:
        return True
    return writer.execute(LEARNT, of).fetchone() is not None  # somebody else was faster


def forget_bucket(writer: apsw.Connection, bucket: str) -> None:
    """The bucket is gone: nothing of its objects is known any more, nor is it to be scanned."""
    writer.execute("DELETE FROM bucket WHERE name = ?", (bucket,))
    for table in ("touched", "unsure", "object"):
        writer.execute(f"DELETE FROM {table} WHERE bucket = ?", (bucket,))
