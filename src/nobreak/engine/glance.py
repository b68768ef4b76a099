"""A look at a data directory from outside of the engine: nothing is made, nothing is changed.

It works whether or not any process runs there, and needs neither a driver nor an event loop.
"""

import os
import time
from types import TracebackType
from typing import Any, Self

from nobreak.engine.journal_file import JOURNAL_FILE
from nobreak.engine.leader import MONITOR_LOCK, Leadership
from nobreak.engine.status import status
from nobreak.settings.model import Settings
from nobreak.stores.interfaces import Board, Journal
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.stores.sqlite.copies import SqliteCopies
from nobreak.stores.sqlite.database import Database
from nobreak.stores.sqlite.journal import SqliteJournal


class Glance:
    """`with Glance(settings) as glance: ...`. Raises `LocalStoreError`, also without a journal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        folder = settings.local.data_dir
        self._database = Database.look(folder / JOURNAL_FILE)
        self._leadership = Leadership(folder / MONITOR_LOCK)
        self.journal: Journal = SqliteJournal(self._database)
        self.board: Board = SqliteBoard(self._database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def monitored(self) -> bool:
        """Whether any process monitors and drains here now."""
        return self._leadership.is_held()

    def status(self) -> dict[str, Any]:
        """What `Engine.status` says, as far as it can be seen from outside."""
        local, used = self._settings.local, self.journal.tally().bytes
        disk = os.statvfs(local.data_dir)
        free = disk.f_bavail * disk.f_frsize
        return status(
            self._settings,
            self.board,
            self.journal,
            monitored=self.monitored(),
            free=free,
            full=free < local.min_free_bytes or 0 < local.max_bytes <= used,
            cache=SqliteCopies(self._database).tally(),
            now=time.time(),
        )
