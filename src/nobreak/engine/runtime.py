"""The engine: everything that runs in one process, opened and closed in order.

Any number of processes may open engines on one data directory. One of them monitors and drains;
when it dies, another takes over (I6).
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from nobreak.engine.buckets import Buckets
from nobreak.engine.companions import Companions
from nobreak.engine.context import Context
from nobreak.engine.drill import Drill
from nobreak.engine.drivers import open_external
from nobreak.engine.forwarding import Forwarding
from nobreak.engine.health import Health, HealthCheck
from nobreak.engine.indexing import Indexing
from nobreak.engine.leader import MONITOR_LOCK, Leadership
from nobreak.engine.leading import Leading
from nobreak.engine.live import LiveSettings
from nobreak.engine.modes import apply_use_external, choose
from nobreak.engine.opening import opened
from nobreak.engine.probing import build_probe
from nobreak.engine.reload import SettingsWatcher
from nobreak.engine.status import status
from nobreak.engine.store import Store
from nobreak.reporting.events import EventKind, Reporter
from nobreak.settings import Settings, load_settings
from nobreak.stores.external.http import Timeouts
from nobreak.stores.interfaces import Journal
from nobreak.words import Override

NOT_OPEN = "the engine is not open: use `async with Engine(...)`"


class Engine:
    """An open nobreak: `async with Engine(settings, reporter) as engine: ...`.

    `leads` False: never monitors or drains, as the short-lived commands don't. `on_sighup`: that
    signal makes it read the settings again, as an edit of the file does; `reload` reads them.
    """

    def __init__(
        self,
        settings: Settings,
        reporter: Reporter,
        *,
        leads: bool = True,
        on_sighup: bool = False,
        reload: Callable[[], Settings] = load_settings,
    ) -> None:
        self._live = LiveSettings(settings)
        self._reporter = reporter
        self._leads = leads
        self._on_sighup = on_sighup
        self._reload = reload
        self._followers: list[Callable[[], None]] = []
        self._leadership = Leadership(settings.local.data_dir / MONITOR_LOCK)
        self._stack = AsyncExitStack()
        self._context: Context | None = None
        self._store: Store | None = None
        self._health: HealthCheck | None = None

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context = self._store = self._health = None
        await self._stack.__aexit__(kind, error, trace)

    async def _open(self) -> None:
        settings = self._live.current
        opening = opened(settings, self._reporter, leads=self._leads)
        context = await self._stack.enter_async_context(opening)
        self._context, self._store = context, Store(context)
        self._health = HealthCheck(context, self._leadership)
        if not self._leads:
            return
        await apply_use_external(context.board, context.now(), use_external=settings.use_external)
        await self._note_external(context, settings.external.url)
        canary = open_external(settings.external, Timeouts(settings.health.timeout))
        self._stack.push_async_callback(canary.aclose)
        leading = Leading(context, self._live, self._leadership, canary)
        watcher = SettingsWatcher(
            settings,
            self._reload,
            self._apply,
            leading.as_reporter(),
            followers=self._followers,
        )
        tasks = [
            asyncio.create_task(leading.kept_up("lead", leading.run)),
            asyncio.create_task(watcher.run(on_sighup=self._on_sighup)),
            asyncio.create_task(leading.kept_up("companions", self._companions(context).run)),
        ]
        self._stack.push_async_callback(_cancelled, tasks)

    async def _note_external(self, context: Context, url: str) -> None:
        """Remember whom the journal is kept for; say so when that changes with entries in it."""
        before, entries = context.board.read().external, context.journal.tally().entries
        if before == url:
            return
        await context.board.update(lambda notice: (replace(notice, external=url), None))
        if before and entries:
            self._reporter.emit(
                EventKind.EXTERNAL_CHANGED, before=before, after=url, entries=entries
            )

    def _companions(self, context: Context) -> Companions:
        live = self._live
        return Companions(
            context,
            live.current.local.data_dir,
            probe=lambda: build_probe(live.current, context.external, doubt=False),
            patience=lambda: live.timeout() + live.rules().fast_interval + 1.0,
        )

    async def _apply(self, settings: Settings) -> None:
        """Settings that apply without a restart have changed."""
        self._live.current = settings
        context = self._opened
        await apply_use_external(context.board, context.now(), use_external=settings.use_external)

    @contextmanager
    def asked(self, follower: Callable[[], None]) -> Iterator[None]:
        """While the context lasts, `follower` hears of every SIGHUP, too."""
        self._followers.append(follower)
        try:
            yield
        finally:
            self._followers.remove(follower)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._live.current

    @property
    def store(self) -> Store:
        """Where objects are put and got."""
        if self._store is None:
            raise RuntimeError(NOT_OPEN)
        return self._store

    @property
    def forwarding(self) -> Forwarding:
        """Requests passed on to an S3 store as they are."""
        return Forwarding(self._opened)

    @property
    def indexing(self) -> Indexing:
        """Scans of the external store, for lists in an outage."""
        return Indexing(self._opened)

    @property
    def buckets(self) -> Buckets:
        """Buckets, through an outage."""
        return Buckets(self._opened)

    def drill(self) -> Drill:
        """An outage played on purpose."""
        return Drill(self._opened, self.store)

    @property
    def journal(self) -> Journal:
        """What waits for the external store."""
        return self._opened.journal

    def status(self) -> dict[str, Any]:
        """The state of this machine, ready for JSON: see `nobreak.engine.status`."""
        context = self._opened
        return status(
            self._live.current,
            context.board,
            context.journal,
            monitored=self._leadership.is_held(),
            free=context.bodies.free_bytes(),
            full=context.room.full,
            cache=context.cache.tally(),
            now=context.now(),
        )

    async def health(self) -> Health:
        """Whether reads and writes are served now, and what was looked at to say so."""
        if self._health is None:
            raise RuntimeError(NOT_OPEN)
        return await self._health.look()

    async def choose(self, override: Override, who: str) -> None:
        """Change the mode by hand; `auto` gives it back to the monitor."""
        await choose(self._opened.board, override, who, self._opened.now())

    @property
    def _opened(self) -> Context:
        if self._context is None:
            raise RuntimeError(NOT_OPEN)
        return self._context


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
