"""The board in SQLite. What it promises stands in `nobreak.stores.interfaces.Board`."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import apsw

from nobreak.stores.interfaces import Decide, ModeChange, Notice
from nobreak.stores.sqlite.database import Database
from nobreak.words import Mode, Override

COLUMNS = "mode, override, use_external, trusted, asked, answered, leader, failover, monitor, drain"
FIELDS = COLUMNS.split(", ")
READ = f"SELECT {COLUMNS} FROM board"
WRITE = "UPDATE board SET " + ", ".join(f"{field} = ?" for field in FIELDS)
KEPT_CHANGES = 100


class SqliteBoard:
    """See `nobreak.stores.interfaces.Board`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._row: tuple[object, ...] | None = None
        self._notice = Notice()

    def read(self) -> Notice:
        (row,) = self._database.read(READ)
        if row != self._row:
            self._row, self._notice = row, _notice_from(row)
        return self._notice

    async def update(self, decide: Decide) -> Notice:
        def work(writer: apsw.Connection) -> Notice:
            before = _notice_from(writer.execute(READ).fetchone())
            after, change = decide(before)
            if after != before:
                writer.execute(WRITE, [_stored(getattr(after, field)) for field in FIELDS])
            if change is not None:
                _record(writer, change)
            return after

        return await self._database.write(work)

    def changes_of_mode(self, limit: int) -> Sequence[ModeChange]:
        rows = self._database.read(
            "SELECT at, mode, reason FROM change_of_mode ORDER BY id DESC LIMIT ?", (limit,)
        )
        return [ModeChange(at, Mode(mode), reason) for at, mode, reason in rows]


def _notice_from(row: Any) -> Notice:
    mode, override, use_external, trusted, asked, answered, leader, *texts = row
    failover, monitor, drain = (json.loads(text) for text in texts)
    return Notice(
        Mode(mode),
        Override(override),
        bool(use_external),
        bool(trusted),
        asked,
        answered,
        leader,
        failover,
        monitor,
        drain,
    )


def _stored(value: object) -> str | int:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, int):
        return int(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _record(writer: apsw.Connection, change: ModeChange) -> None:
    writer.execute(
        "INSERT INTO change_of_mode (at, mode, reason) VALUES (?, ?, ?)",
        (change.at, change.mode.value, change.reason),
    )
    writer.execute(
        "DELETE FROM change_of_mode WHERE id <= (SELECT max(id) FROM change_of_mode) - ?",
        (KEPT_CHANGES,),
    )
