"""The journal in SQLite. What it promises stands in `nobreak.stores.interfaces.Journal`."""

from collections.abc import Sequence
from typing import cast

import apsw

from nobreak.errors import OvertakenError
from nobreak.stores.interfaces import Appended, Condition, Draft, KeptBody, Left, Tally
from nobreak.stores.sqlite.buckets import add_bucket, remove_bucket
from nobreak.stores.sqlite.catalog import remove_object, upsert_object
from nobreak.stores.sqlite.database import Database
from nobreak.stores.sqlite.deciding import decide
from nobreak.stores.sqlite.ended_uploads import end_upload
from nobreak.stores.sqlite.reattributing import reattribute
from nobreak.stores.sqlite.rows import (
    ENTRY_COLUMNS,
    attributes_text,
    entry_from,
    prefix_end,
    segment_from,
    segment_row,
)
from nobreak.words import Attributes, Entry, EntryKind, EntryState, ObjectName, Receipt

NEWEST = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE bucket = ? AND key = ? ORDER BY seq DESC LIMIT 1"
TOP = "SELECT seq, state, not_before FROM entry WHERE bucket = ? AND key = ? ORDER BY seq DESC LIMIT 1"
BY_SEQ = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE seq = ?"
READY = (
    f"SELECT {ENTRY_COLUMNS} FROM entry WHERE head = 1 AND begun = 0 AND not_before <= ? "
    # Objects wait for the bucket that was made or deleted before them, ...
    "AND NOT EXISTS (SELECT 1 FROM entry b WHERE b.bucket = entry.bucket AND b.key = '' "
    "AND b.seq < entry.seq AND b.state = 'pending') "
    # ... and the deletion of a bucket for all that was to happen in it before.
    "AND (entry.key != '' OR entry.kind = 'put' OR NOT EXISTS (SELECT 1 FROM entry o "
    "WHERE o.bucket = entry.bucket AND o.seq < entry.seq AND o.state != 'parked')) "
    "ORDER BY not_before, seq LIMIT ?"
)
BUCKETS = (
    f"SELECT {ENTRY_COLUMNS} FROM entry e WHERE key = '' "
    "AND seq = (SELECT max(seq) FROM entry WHERE key = '' AND bucket = e.bucket)"
)
PAGE = (
    f"SELECT {ENTRY_COLUMNS} FROM entry e "
    "WHERE bucket = :bucket AND key >= :prefix AND key > :after AND (:end IS NULL OR key < :end) "
    "AND seq = (SELECT max(seq) FROM entry WHERE bucket = e.bucket AND key = e.key) "
    "ORDER BY key LIMIT :limit"
)
SEGMENTS = "SELECT file, size, md5, checksums FROM segment WHERE seq = ? ORDER BY number"
FILES = "SELECT file FROM entry WHERE seq = ? UNION ALL SELECT file FROM segment WHERE seq = ?"
NEEDS = "SELECT 1 FROM entry WHERE file = ? UNION ALL SELECT 1 FROM segment WHERE file = ? LIMIT 1"
DOUBT = (
    "SELECT max(doubtful), max(doubt_until) FROM entry WHERE bucket = ?1 AND key = ?2 "
    "AND (seq = ?3 OR (seq < ?3 AND state = 'parked'))"
)
INSERT = (
    "INSERT INTO entry (bucket, key, kind, head, size, md5, attributes, acked_at, not_before, "
    "doubtful, doubt_until, file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class SqliteJournal:
    """See `nobreak.stores.interfaces.Journal`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, draft: Draft, now: float) -> Appended:
        return await self._database.write(lambda writer: append_entry(writer, draft, now))

    def decide(self, name: ObjectName, condition: Condition) -> None:
        decide(self._database.read, name, condition)

    def newest(self, name: ObjectName) -> Entry | None:
        entries, _copies, _number = self._database.glance()
        return self._database.unchanged(name, lambda: self._look_up(name)) if entries else None

    def look_anew(self) -> None:
        self._database.look_anew()

    def _look_up(self, name: ObjectName) -> Entry | None:
        return _first(self._database.read(NEWEST, (name.bucket, name.key)))

    def count(self, name: ObjectName) -> int:
        sql = "SELECT count(*) FROM entry WHERE bucket = ? AND key = ?"
        ((count,),) = self._database.read(sql, (name.bucket, name.key))
        return int(count)

    def get(self, seq: int) -> Entry | None:
        return _first(self._database.read(BY_SEQ, (seq,)))

    def body(self, entry: Entry) -> KeptBody | None:
        rows = self._database.read(
            "SELECT file, bytes FROM entry LEFT JOIN body USING (seq) WHERE seq = ?", (entry.seq,)
        )
        if not rows:
            return None
        file, inline = rows[0]
        whole = file is not None or inline is not None
        segments = [] if whole else self._database.read(SEGMENTS, (entry.seq,))
        return KeptBody(inline, file, tuple(map(segment_from, segments)))

    def ready(self, now: float, limit: int) -> Sequence[Entry]:
        return [entry_from(row) for row in self._database.read(READY, (now, limit))]

    async def confirm(
        self, entry: Entry, receipt: Receipt, now: float, settle: float, *, anew: bool = False
    ) -> Left:
        return await self._database.write(
            lambda writer: _confirm(writer, entry, receipt, now, settle, anew=anew)
        )

    async def forget(self, entry: Entry) -> Left:
        return await self._database.write(lambda writer: _forget(writer, entry))

    async def begin(self, entries: Sequence[Entry]) -> None:
        def work(writer: apsw.Connection) -> None:
            sql = "UPDATE entry SET begun = 1 WHERE seq = ?"
            writer.executemany(sql, [(entry.seq,) for entry in entries])

        await self._database.write(work)

    async def withdraw(self, entries: Sequence[Entry]) -> None:
        def work(writer: apsw.Connection) -> None:
            sql = "UPDATE entry SET begun = 0 WHERE seq = ?"
            writer.executemany(sql, [(entry.seq,) for entry in entries])

        await self._database.write(work)

    async def resume(self) -> int:
        def work(writer: apsw.Connection) -> int:
            writer.execute("UPDATE entry SET begun = 0, doubtful = 1 WHERE begun = 1")
            return writer.changes()

        return await self._database.write(work)

    async def defer(self, entry: Entry, *, not_before: float, error: str, in_doubt: bool) -> None:
        def work(writer: apsw.Connection) -> None:
            # One that was parked stays so: newer ones do not wait for it, and supersede it.
            writer.execute(
                "UPDATE entry SET state = iif(state = 'parked', state, 'pending'), begun = 0, "
                "attempts = attempts + 1, not_before = ?, error = ?, doubtful = doubtful OR ? "
                "WHERE seq = ?",
                (not_before, error, int(in_doubt), entry.seq),
            )

        await self._database.write(work)

    async def park(self, entry: Entry, *, not_before: float, error: str) -> None:
        def work(writer: apsw.Connection) -> None:
            writer.execute(
                "UPDATE entry SET state = 'parked', begun = 0, head = 1, attempts = attempts + 1, "
                "not_before = ?, error = ? WHERE seq = ?",
                (not_before, error, entry.seq),
            )
            _promote(writer, entry.name)

        await self._database.write(work)

    async def reattribute(self, entry: Entry, attributes: Attributes) -> Entry | None:
        return await self._database.write(lambda writer: reattribute(writer, entry, attributes))

    async def retry_parked(self) -> int:
        def work(writer: apsw.Connection) -> int:
            writer.execute("UPDATE entry SET not_before = 0 WHERE state = 'parked'")
            return writer.changes()

        return await self._database.write(work)

    async def postpone_settling(self, until: float) -> None:
        def work(writer: apsw.Connection) -> None:
            writer.execute("UPDATE entry SET not_before = ? WHERE state = 'settling'", (until,))
            writer.execute("UPDATE entry SET doubt_until = ? WHERE doubt_until > 0", (until,))

        await self._database.write(work)

    async def wait_at_most(self, until: float) -> int:
        def work(writer: apsw.Connection) -> int:
            writer.execute(
                "UPDATE entry SET not_before = ?1 WHERE head = 1 AND not_before > ?1", (until,)
            )
            return writer.changes()

        return await self._database.write(work)

    def tally(self) -> Tally:
        ((entries, size, parked),) = self._database.read("SELECT entries, bytes, parked FROM tally")
        oldest = self._database.read("SELECT acked_at FROM entry ORDER BY seq LIMIT 1")
        return Tally(entries, size, parked, oldest[0][0] if oldest else None)

    def entries(self, *, parked: bool, after: int, limit: int) -> Sequence[Entry]:
        condition = "state = 'parked' AND" if parked else ""
        sql = f"SELECT {ENTRY_COLUMNS} FROM entry WHERE {condition} seq > ? ORDER BY seq LIMIT ?"
        return [entry_from(row) for row in self._database.read(sql, (after, limit))]

    def bucket_entries(self) -> Sequence[Entry]:
        return [entry_from(row) for row in self._database.read(BUCKETS)]

    def page(self, bucket: str, prefix: str, start_after: str, limit: int) -> Sequence[Entry]:
        bindings = {
            "bucket": bucket,
            "prefix": prefix,
            "end": prefix_end(prefix),
            "after": start_after,
            "limit": limit,
        }
        return [entry_from(row) for row in self._database.read(PAGE, bindings)]

    def needs(self, file: str) -> bool:
        """Whether an entry needs this body file."""
        return bool(self._database.read(NEEDS, (file, file)))


def _first(rows: Sequence[object]) -> Entry | None:
    return entry_from(rows[0]) if rows else None


def append_entry(writer: apsw.Connection, draft: Draft, now: float) -> Appended:
    """Add an entry, within a transaction that may do more: see `Journal.append`."""
    if draft.condition is not None:
        decide(lambda sql, of: writer.execute(sql, of).fetchall(), draft.name, draft.condition)
    name = (draft.name.bucket, draft.name.key)
    newest = cast("tuple[int, str, float] | None", writer.execute(TOP, name).fetchone())
    if newest and draft.only_after is not None and newest[0] > draft.only_after:
        raise OvertakenError(draft.name)
    doubt_until, files = _take_over(writer, newest)
    waits = writer.execute(
        "SELECT 1 FROM entry WHERE bucket = ? AND key = ? AND state != 'parked' LIMIT 1", name
    ).fetchone()
    fingerprint, body = draft.fingerprint, draft.body
    unused: tuple[str, ...] = ()
    if draft.completes is not None:
        used, abandon = body.files if body else (), max(now, draft.not_before)
        unused = end_upload(writer, draft.completes, used, abandon=abandon)
    writer.execute(
        INSERT,
        (
            *name,
            draft.kind.value,
            0 if waits else 1,
            fingerprint.size if fingerprint else 0,
            fingerprint.md5 if fingerprint else None,
            attributes_text(draft.attributes),
            now,
            draft.not_before,
            int(draft.doubtful),
            doubt_until,
            body.file if body else None,
        ),
    )
    seq = writer.last_insert_rowid()
    if body is not None and body.inline is not None:
        writer.execute("INSERT INTO body VALUES (?, ?)", (seq, body.inline))
    if body is not None and body.segments:
        rows = (segment_row(seq, number, each) for number, each in enumerate(body.segments, 1))
        writer.executemany("INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?)", rows)
    return Appended(entry_from(writer.execute(BY_SEQ, (seq,)).fetchone()), files, unused)


def _take_over(
    writer: apsw.Connection, newest: tuple[int, str, float] | None
) -> tuple[float, tuple[str, ...]]:
    """Take what settles out, for a newer one: until when that is in doubt, and the bodies' files.

    `newest`: number, state and time of the newest entry of the key, the only one that can settle.
    The doubt ends when it would have: a key that is written all the time does not settle for ever.
    """
    if newest is None or newest[1] != EntryState.SETTLING.value:
        return 0.0, ()
    seq, _state, until = newest
    return until, _delete(writer, [seq])


def _delete(writer: apsw.Connection, numbers: Sequence[int]) -> tuple[str, ...]:
    """Take these entries out; the files of their bodies."""
    files: list[str] = []
    for seq in numbers:
        files += [str(file) for (file,) in writer.execute(FILES, (seq, seq)) if file]
        writer.execute("DELETE FROM entry WHERE seq = ?", (seq,))
    return tuple(files)


def _confirm(
    writer: apsw.Connection,
    entry: Entry,
    receipt: Receipt,
    now: float,
    settle: float,
    *,
    anew: bool,
) -> Left:
    row = writer.execute(BY_SEQ, (entry.seq,)).fetchone()
    if row is None:
        return Left(gone=False)
    current = entry_from(row)
    _remember(writer, current, receipt)
    until = _in_doubt_until(writer, current, now + settle, anew=anew)
    if settle <= 0 or until <= now:
        return _leave(writer, current)
    heir = writer.execute(
        "SELECT seq FROM entry WHERE bucket = ? AND key = ? AND seq > ? ORDER BY seq LIMIT 1",
        (current.name.bucket, current.name.key, current.seq),
    ).fetchone()
    if heir is not None:
        sql = "UPDATE entry SET doubt_until = max(doubt_until, ?) WHERE seq = ?"
        writer.execute(sql, (until, *heir))
        return _leave(writer, current)
    writer.execute(
        "UPDATE entry SET state = 'settling', begun = 0, head = 1, not_before = ?1, doubt_until = ?1, "
        "error = '', remote = ?2, etag = ?3 WHERE seq = ?4",
        (until, receipt.remote, receipt.etag, current.seq),
    )
    return _take_out(writer, current, "seq < :seq AND state = 'parked'")


def _in_doubt_until(writer: apsw.Connection, entry: Entry, settled: float, *, anew: bool) -> float:
    """Until when an older request could land on what the external store holds now.

    `settled`: until when one of these could that are in doubt without an end, or `anew`. Those
    that were parked count: they were sent, and this one supersedes them.
    """
    of = (entry.name.bucket, entry.name.key, entry.seq)
    ((endless, until),) = cast("list[tuple[int, float]]", writer.execute(DOUBT, of).fetchall())
    if endless or (anew and until):
        return settled
    return min(until, settled)  # a clock that was set back makes it no longer


def _remember(writer: apsw.Connection, entry: Entry, receipt: Receipt) -> None:
    """What a confirmed entry makes of the catalog, or of the known buckets."""
    match (bool(entry.name.key), entry.kind):
        case (True, EntryKind.PUT):
            upsert_object(writer, entry, receipt)
        case (True, EntryKind.DELETE):
            remove_object(writer, entry.name)
        case (False, EntryKind.PUT):
            add_bucket(writer, entry.name.bucket, entry.acked_at)
        case _:
            remove_bucket(writer, entry.name.bucket)


def _forget(writer: apsw.Connection, entry: Entry) -> Left:
    """Let it go. Of what settled the catalog may have heard an older word since: say it again."""
    here = writer.execute("SELECT 1 FROM entry WHERE seq = ?", (entry.seq,)).fetchone()
    if here is not None and entry.state is EntryState.SETTLING:
        _remember(writer, entry, entry.receipt)
    return _leave(writer, entry)


def _leave(writer: apsw.Connection, entry: Entry) -> Left:
    """Take an entry out, with the older ones of its key that were parked: it superseded them."""
    return _take_out(writer, entry, "(seq = :seq OR (seq < :seq AND state = 'parked'))")


def _take_out(writer: apsw.Connection, entry: Entry, condition: str) -> Left:
    """Take those entries out that are of the same key and fulfil `condition`."""
    rows = writer.execute(
        f"SELECT {ENTRY_COLUMNS} FROM entry WHERE bucket = :bucket AND key = :key AND {condition}",
        {"bucket": entry.name.bucket, "key": entry.name.key, "seq": entry.seq},
    ).fetchall()
    leaving = [entry_from(row) for row in rows]
    files = _delete(writer, [left.seq for left in leaving])
    _promote(writer, entry.name)
    return Left(
        gone=any(left.seq == entry.seq for left in leaving),
        files=files,
        superseded=tuple(left for left in leaving if left.seq != entry.seq),
    )


def _promote(writer: apsw.Connection, name: ObjectName) -> None:
    """The oldest entry of the key that is not parked may be replayed now."""
    writer.execute(
        "UPDATE entry SET head = 1 WHERE seq = (SELECT min(seq) FROM entry "
        "WHERE bucket = ? AND key = ? AND state != ?)",
        (name.bucket, name.key, EntryState.PARKED.value),
    )
