"""nobreak put together: settings, reporting and the engine, as faces and applications use it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, Self

from nobreak.engine.buckets import Buckets
from nobreak.engine.drill import Drill
from nobreak.engine.forwarding import Forwarding
from nobreak.engine.health import Health
from nobreak.engine.indexing import Indexing
from nobreak.engine.runtime import Engine
from nobreak.engine.store import Store
from nobreak.reporting.events import Sink
from nobreak.reporting.ring import Ring
from nobreak.reporting.start import Reporting, open_reporting
from nobreak.settings import Settings, load_settings
from nobreak.stores.interfaces import Journal
from nobreak.words import ObjectName, Override

NOT_OPEN = "not open: use `async with Nobreak() as nobreak: ...`"


class Nobreak:
    """`async with Nobreak() as nobreak: await nobreak.store.put(...)`.

    `load`: where the settings come from, now and when `.env` is edited (default: the environment
    and `.env`). `hooks` hear of every event. `leads` False: never monitors or drains. `console`:
    the log goes to stderr too. `on_sighup`: that signal makes it read the settings again.
    """

    def __init__(
        self,
        load: Callable[[], Settings] = load_settings,
        *,
        hooks: Sequence[Sink] = (),
        leads: bool = True,
        console: bool = False,
        on_sighup: bool = False,
    ) -> None:
        self._load = load
        self._hooks = tuple(hooks)
        self._leads = leads
        self._console = console
        self._on_sighup = on_sighup
        self._stack = AsyncExitStack()
        self._reporting: Reporting | None = None
        self._engine: Engine | None = None

    async def __aenter__(self) -> Self:
        """Open everything. Raises `SettingsError`, `LocalStoreError`."""
        settings = self._load()
        async with AsyncExitStack() as stack:
            reporting = open_reporting(settings, console=self._console)
            stack.callback(reporting.close)
            for hook in self._hooks:
                reporting.hub.add(hook)
            engine = Engine(
                settings,
                reporting.hub,
                leads=self._leads,
                on_sighup=self._on_sighup,
                reload=self._load,
            )
            await stack.enter_async_context(engine)
            self._reporting, self._engine = reporting, engine
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)
        self._reporting = self._engine = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._opened.settings

    def asked(self, follower: Callable[[], None]) -> AbstractContextManager[None]:
        """While the context lasts, `follower` hears of every SIGHUP: files are to be read again."""
        return self._opened.asked(follower)

    @property
    def store(self) -> Store:
        """Where objects are put and got."""
        return self._opened.store

    @property
    def forwarding(self) -> Forwarding:
        """Requests passed on to an S3 store as they are."""
        return self._opened.forwarding

    @property
    def indexing(self) -> Indexing:
        """Scans of the external store, for lists in an outage."""
        return self._opened.indexing

    @property
    def buckets(self) -> Buckets:
        """Buckets, through an outage."""
        return self._opened.buckets

    def drill(self) -> Drill:
        """An outage played on purpose."""
        return self._opened.drill()

    @property
    def journal(self) -> Journal:
        """What waits for the external store."""
        return self._opened.journal

    @property
    def events(self) -> Ring:
        """The latest events."""
        return self.reporting.ring

    @property
    def reporting(self) -> Reporting:
        """Where events are told."""
        if self._reporting is None:
            raise RuntimeError(NOT_OPEN)
        return self._reporting

    def name(self, key: str) -> ObjectName:
        """An object of `NOBREAK_BUCKET`, for callers that know no buckets."""
        return ObjectName(self.settings.writes.bucket, key)

    def status(self) -> dict[str, Any]:
        """The state of this machine, ready for JSON."""
        return self._opened.status()

    async def health(self) -> Health:
        """Whether reads and writes are served now, and what was looked at to say so."""
        return await self._opened.health()

    async def choose(self, override: Override, who: str) -> None:
        """Change the mode by hand; `auto` gives it back to the monitor."""
        await self._opened.choose(override, who)

    @property
    def _opened(self) -> Engine:
        if self._engine is None:
            raise RuntimeError(NOT_OPEN)
        return self._engine
