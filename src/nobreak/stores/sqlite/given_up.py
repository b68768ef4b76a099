"""What was given up, in SQLite. What is promised: `nobreak.stores.interfaces`."""

import apsw

from nobreak.stores.sqlite.database import Database
from nobreak.words import ObjectName

MOST = 100_000
"""So many are remembered; the oldest make way."""
INSERT = "INSERT OR REPLACE INTO given_up (bucket, key, etag) VALUES (?, ?, ?)"
TRIM = "DELETE FROM given_up WHERE id <= (SELECT max(id) FROM given_up) - ?"
FIND = "SELECT 1 FROM given_up WHERE bucket = ? AND key = ? AND etag = ?"


class SqliteGivenUp:
    """See `nobreak.stores.interfaces.GivenUp`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note_soon(self, name: ObjectName, etag: str) -> None:
        def work(writer: apsw.Connection) -> None:
            writer.execute(INSERT, (name.bucket, name.key, etag))
            writer.execute(TRIM, (MOST,))

        self._database.write_soon(work, _not_noted)

    def has(self, name: ObjectName, etag: str) -> bool:
        return bool(self._database.read(FIND, (name.bucket, name.key, etag)))


def _not_noted() -> None:
    """The process itself knows it all the same; whether the others do, no promise hangs on."""
