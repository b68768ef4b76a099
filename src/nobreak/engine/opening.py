"""Open what one engine needs, in order, and close it in the opposite order."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

from nobreak.engine.background import Background
from nobreak.engine.cache import Cache, Version
from nobreak.engine.context import Context
from nobreak.engine.deaths import note_the_dead
from nobreak.engine.doubts import Doubts
from nobreak.engine.drivers import open_external
from nobreak.engine.journal_file import open_database
from nobreak.engine.link import Link
from nobreak.engine.ours import Ours
from nobreak.engine.presence import present
from nobreak.engine.throttled import DiskNews, DivertNews
from nobreak.reporting.events import EventKind, Reporter
from nobreak.settings import Settings
from nobreak.stores.external.http import Timeouts
from nobreak.stores.local.bodies import BodyStore
from nobreak.stores.local.claims import Claims
from nobreak.stores.local.copies import CopyFiles
from nobreak.stores.local.disk import Disk
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.stores.sqlite.buckets import SqliteBuckets
from nobreak.stores.sqlite.catalog import SqliteCatalog
from nobreak.stores.sqlite.copies import SqliteCopies
from nobreak.stores.sqlite.given_up import SqliteGivenUp
from nobreak.stores.sqlite.index import SqliteIndex
from nobreak.stores.sqlite.journal import SqliteJournal
from nobreak.stores.sqlite.open_uploads import SqliteOpenUploads
from nobreak.stores.sqlite.uploads import SqliteUploads

CONNECT_WITHIN = 1.0
SILENT_FOR = 30.0
"""A driver gives up on a silent server after this (seconds); clients have long been answered."""
CLOSING_GRACE = 2.0
"""What late attempts get to end by themselves when the engine closes (seconds)."""


@asynccontextmanager
async def opened(
    settings: Settings, reporter: Reporter, *, leads: bool = True
) -> AsyncIterator[Context]:
    """The stores of one engine. Raises `LocalStoreError` when the data directory can't be used.

    `leads` False: of a short-lived command, whose settings may not be those of the service.
    """
    folder, external_settings = settings.local.data_dir, settings.external
    async with AsyncExitStack() as stack:
        disk = Disk(
            folder,
            min_free_bytes=settings.local.min_free_bytes,
            max_bytes=settings.local.max_bytes,
        )
        stack.callback(disk.close)
        room = DiskNews(reporter, disk)
        last = stack.enter_context(ExitStack())  # left when all that was queued is written
        database = await open_database(folder, room.journal_damaged)
        stack.push_async_callback(database.aclose)
        journal, board = SqliteJournal(database), SqliteBoard(database)
        index = SqliteIndex(database)
        await note_the_dead(folder, index, board)
        last.enter_context(present(folder))
        uploads, open_uploads = SqliteUploads(database), SqliteOpenUploads(database, time.time)
        claims = Claims(folder)
        last.callback(claims.close)
        bodies = BodyStore(
            disk,
            used=lambda: journal.tally().bytes + uploads.bytes(),
            # In this order: a part may become an entry's between the two looks, and never goes back.
            needed=lambda file: uploads.needs(file) or journal.needs(file),
        )
        await bodies.open()
        external = open_external(
            external_settings,
            Timeouts(min(CONNECT_WITHIN, settings.writes.divert_after), SILENT_FOR),
            open_uploads,
        )
        stack.push_async_callback(external.aclose)

        def unexpected(error: BaseException) -> None:
            reporter.emit(EventKind.UNEXPECTED_ERROR, where="background", reason=repr(error))

        background = Background(unexpected)
        stack.push_async_callback(background.aclose, CLOSING_GRACE)
        limit = settings.local.cache_bytes
        copies, files = SqliteCopies(database), CopyFiles(disk)
        catalog = SqliteCatalog(database, index)

        def is_newest(version: Version) -> bool:
            known = catalog.get(version.name)
            return known is not None and Version.of(*known, external.traits).mark == version.mark

        cache = Cache(copies, files, bodies, background, reporter, limit, is_newest)
        await cache.open(leads=leads)
        disk.yielding = cache.way if cache.enabled else None
        yield Context(
            external=external,
            journal=journal,
            catalog=catalog,
            index=index,
            buckets=SqliteBuckets(database),
            board=board,
            bodies=bodies,
            cache=cache,
            uploads=uploads,
            open_uploads=open_uploads,
            link=Link(board, background),
            doubts=Doubts(board, claims),
            background=background,
            reporter=reporter,
            diverts=DivertNews(reporter),
            room=room,
            ours=Ours(SqliteGivenUp(database)),
            writes=settings.writes,
            now=time.time,
        )
