"""Open uploads on the external store, in SQLite. What is promised: `nobreak.stores.uploads`."""

from collections.abc import Callable, Sequence

from nobreak.stores.sqlite.database import Database
from nobreak.stores.uploads import OpenUpload
from nobreak.words import ObjectName

LEASE = 300.0
"""One that was not renewed for so long (seconds) belongs to a process that died."""
ABANDON = "INSERT OR REPLACE INTO open_upload (upload_id, bucket, key, due) VALUES (?, ?, ?, ?)"


class SqliteOpenUploads:
    """See `nobreak.stores.uploads.OpenUploads`. `now`: seconds since the epoch."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now

    async def opened(self, name: ObjectName, upload_id: str) -> None:
        await self.abandon(name, upload_id, self._now() + LEASE)

    async def renew(self, upload_id: str) -> None:
        await self.postpone(upload_id, self._now() + LEASE)

    async def leave(self, upload_id: str) -> None:
        await self.postpone(upload_id, 0.0)

    async def closed(self, upload_id: str) -> None:
        await self._run("DELETE FROM open_upload WHERE upload_id = ?", (upload_id,))

    async def abandon(self, name: ObjectName, upload_id: str, due: float) -> None:
        await self._run(ABANDON, (upload_id, name.bucket, name.key, due))

    async def postpone(self, upload_id: str, due: float) -> None:
        await self._run("UPDATE open_upload SET due = ? WHERE upload_id = ?", (due, upload_id))

    def due(self, now: float, limit: int) -> Sequence[OpenUpload]:
        sql = "SELECT bucket, key, upload_id FROM open_upload WHERE due <= ? ORDER BY due LIMIT ?"
        rows = self._database.read(sql, (now, limit))
        return [OpenUpload(ObjectName(bucket, key), upload_id) for bucket, key, upload_id in rows]

    async def _run(self, sql: str, row: tuple[str | float, ...]) -> None:
        await self._database.write(lambda writer: writer.execute(sql, row).close())
