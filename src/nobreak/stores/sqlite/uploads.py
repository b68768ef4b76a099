"""Multipart uploads in SQLite. What they promise stands in `nobreak.stores.uploads`."""

import json
from collections.abc import Sequence
from typing import Any

import apsw

from nobreak.stores.interfaces import Completion
from nobreak.stores.sqlite.database import Database
from nobreak.stores.sqlite.ended_uploads import end_upload
from nobreak.stores.sqlite.rows import attributes_from, attributes_text, prefix_end
from nobreak.stores.uploads import NoUploadError, Upload, UploadedPart
from nobreak.words import ObjectName, Segment

COLUMNS = "id, bucket, key, attributes, begun_at, external, completed_at, request, etag, checksums"
GET = f"SELECT {COLUMNS} FROM upload WHERE id = ?"
BEGIN = (
    "INSERT INTO upload (id, bucket, key, attributes, begun_at, external) VALUES (?, ?, ?, ?, ?, ?)"
)
PARTS = (
    "SELECT number, size, md5, checksums, file, kept_at, sent FROM part "
    "WHERE upload = ? AND number > ? ORDER BY number LIMIT ?"
)
PAGE = (
    f"SELECT {COLUMNS} FROM upload WHERE completed_at IS NULL AND bucket = :bucket "
    "AND key >= :prefix AND (:end IS NULL OR key < :end) AND (key, id) > (:key, :id) "
    "ORDER BY key, id LIMIT :limit"
)
TWINS = (
    "SELECT external FROM upload WHERE completed_at IS NULL AND bucket = ?1 AND external != '' "
    "UNION SELECT upload_id FROM open_upload WHERE bucket = ?1"
)
IDLE = (
    "completed_at IS NULL AND begun_at < :since AND NOT EXISTS "
    "(SELECT 1 FROM part WHERE part.upload = upload.id AND kept_at >= :since)"
)
OLD = f"SELECT {COLUMNS} FROM upload WHERE {IDLE} ORDER BY begun_at LIMIT :limit"
IS_IDLE = f"SELECT 1 FROM upload WHERE id = :id AND {IDLE}"


class SqliteUploads:
    """See `nobreak.stores.uploads.Uploads`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, upload: Upload) -> None:
        row = (
            upload.id,
            upload.name.bucket,
            upload.name.key,
            attributes_text(upload.attributes),
            upload.begun_at,
            upload.external,
        )
        await self._database.write(lambda writer: writer.execute(BEGIN, row).close())

    def get(self, upload_id: str) -> Upload | None:
        rows = self._database.read(GET, (upload_id,))
        return _upload_from(rows[0]) if rows else None

    async def keep(self, upload_id: str, part: UploadedPart) -> tuple[str, ...]:
        return await self._database.write(lambda writer: _keep(writer, upload_id, part))

    def note_sent(self, upload_id: str, part: UploadedPart, etag: str) -> None:
        sql = "UPDATE part SET sent = ? WHERE upload = ? AND number = ? AND file = ? AND again = 0"
        row = (etag, upload_id, part.number, part.file)

        def counts_as_not_sent() -> None:
            """The upload is then completed here."""

        self._database.write_soon(
            lambda writer: writer.execute(sql, row).close(), counts_as_not_sent
        )

    def parts(self, upload_id: str, *, after: int = 0, limit: int = 10_000) -> list[UploadedPart]:
        return [_part_from(row) for row in self._database.read(PARTS, (upload_id, after, limit))]

    async def finish(
        self, completion: Completion, *, abandon: float | None = None
    ) -> tuple[str, ...]:
        return await self._database.write(
            lambda writer: end_upload(writer, completion, (), abandon=abandon)
        )

    async def abort(self, upload_id: str, now: float) -> tuple[str, ...]:
        def work(writer: apsw.Connection) -> tuple[str, ...]:
            try:
                return _abort(writer, upload_id, now)
            except NoUploadError:
                return ()

        return await self._database.write(work)

    def page(
        self, bucket: str, prefix: str, after: tuple[str, str], limit: int
    ) -> Sequence[Upload]:
        bindings = {
            "bucket": bucket,
            "prefix": prefix,
            "end": prefix_end(prefix),
            "key": after[0],
            "id": after[1],
            "limit": limit,
        }
        return [_upload_from(row) for row in self._database.read(PAGE, bindings)]

    def twins(self, bucket: str) -> frozenset[str]:
        return frozenset(str(twin) for (twin,) in self._database.read(TWINS, (bucket,)))

    def idle_since(self, time: float, limit: int) -> Sequence[Upload]:
        rows = self._database.read(OLD, {"since": time, "limit": limit})
        return [_upload_from(row) for row in rows]

    async def expire(self, upload_id: str, idle_since: float, now: float) -> tuple[str, ...] | None:
        def work(writer: apsw.Connection) -> tuple[str, ...] | None:
            is_idle = writer.execute(IS_IDLE, {"id": upload_id, "since": idle_since}).fetchone()
            return _abort(writer, upload_id, now) if is_idle else None

        return await self._database.write(work)

    async def forget_completed(self, before: float) -> None:
        sql = "DELETE FROM upload WHERE completed_at < ?"
        await self._database.write(lambda writer: writer.execute(sql, (before,)).close())

    def needs(self, file: str) -> bool:
        return bool(self._database.read("SELECT 1 FROM part WHERE file = ? LIMIT 1", (file,)))

    def bytes(self) -> int:
        ((size,),) = self._database.read("SELECT part_bytes FROM tally")
        return int(size)


def _abort(writer: apsw.Connection, upload_id: str, now: float) -> tuple[str, ...]:
    return end_upload(writer, Completion(upload_id, "", "", now), (), abandon=now)


def _keep(writer: apsw.Connection, upload_id: str, part: UploadedPart) -> tuple[str, ...]:
    sql = "SELECT 1 FROM upload WHERE id = ? AND completed_at IS NULL"
    if writer.execute(sql, (upload_id,)).fetchone() is None:
        raise NoUploadError("the upload is not under way any more")
    sql = "DELETE FROM part WHERE upload = ? AND number = ? RETURNING file"
    replaced = writer.execute(sql, (upload_id, part.number)).fetchall()
    segment = part.segment
    writer.execute(
        "INSERT INTO part VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            upload_id,
            part.number,
            part.file,
            segment.size,
            segment.md5,
            json.dumps(dict(segment.checksums)),
            part.kept_at,
            "" if replaced else part.sent,
            int(bool(replaced)),
        ),
    )
    return tuple(str(file) for (file,) in replaced)


def _upload_from(row: Any) -> Upload:
    id_, bucket, key, attributes, begun_at, external, at, request, etag, checksums = row
    ended = None if at is None else Completion(id_, request, etag, at, json.loads(checksums))
    name = ObjectName(bucket, key)
    return Upload(id_, name, attributes_from(attributes), begun_at, external, ended)


def _part_from(row: Any) -> UploadedPart:
    number, size, md5, checksums, file, kept_at, sent = row
    return UploadedPart(number, Segment(size, md5, json.loads(checksums)), file, kept_at, sent)
