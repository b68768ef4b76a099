"""The board in SQLite. What it promises stands in `nobreak.stores.interfaces.Board`."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import apsw

from nobreak.stores.interfaces import Decide, ModeChange, Notice
from nobreak.stores.sqlite.database import Database
from nobreak.words import Mode, Override

FIELDS = tuple(field.name for field in fields(Notice))
COLUMNS = ", ".join(FIELDS)
READ = f"SELECT {COLUMNS} FROM board"
WRITE = "UPDATE board SET " + ", ".join(f"{field} = ?" for field in FIELDS)
REPORTS = ("failover", "monitor", "drain")
"""The fields that are kept as JSON."""
KEPT_CHANGES = 100


class SqliteBoard:
    """See `nobreak.stores.interfaces.Board`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._row: tuple[object, ...] | None = None
        self._notice = Notice()

    def read(self) -> Notice:
        return self._database.unchanged(READ, self._look_up)

    def _look_up(self) -> Notice:
        (row,) = self._database.read(READ)
        if row != self._row:
            self._row, self._notice = row, _notice_from(row)
        return self._notice

    async def update(self, decide: Decide) -> Notice:
        def work(writer: apsw.Connection) -> Notice:
            before = _notice_from(writer.execute(READ).fetchone())
            after, change = decide(before)
            if after != before:
                writer.execute(WRITE, _row_from(after))
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
    found = dict(zip(FIELDS, row, strict=True))
    for report in REPORTS:
        found[report] = json.loads(found[report])
    return Notice(
        **found
        | {
            "mode": Mode(found["mode"]),
            "override": Override(found["override"]),
            "use_external": bool(found["use_external"]),
            "trusted": bool(found["trusted"]),
            "crashed": bool(found["crashed"]),
        }
    )


def _row_from(notice: Notice) -> list[str | int]:
    values = [getattr(notice, field) for field in FIELDS]
    return [
        json.dumps(value, ensure_ascii=False) if field in REPORTS else value
        for field, value in zip(FIELDS, values, strict=True)
    ]


def _record(writer: apsw.Connection, change: ModeChange) -> None:
    writer.execute(
        "INSERT INTO change_of_mode (at, mode, reason) VALUES (?, ?, ?)",
        (change.at, change.mode.value, change.reason),
    )
    writer.execute(
        "DELETE FROM change_of_mode WHERE id <= (SELECT max(id) FROM change_of_mode) - ?",
        (KEPT_CHANGES,),
    )
