"""nobreak inside of a FastAPI application.

    storage = Storage()
    app = FastAPI()
    app.include_router(storage.router)

The router brings `/files`, `/api/upload`, `/api/storage-status` and the rest, and opens the
storage when the application starts, beside whatever `lifespan` the application has itself. In
its own endpoints, `Depends(storage)` gives the `Store`. An application that wants the store and
none of our routes says `FastAPI(lifespan=storage.lifespan)` instead; one that needs the store in
its own lifespan says `async with storage:` there. All of these may be combined.
`app.add_exception_handler(NobreakError, storage.on_error)` answers 404, 503 and the like for the
store's errors in endpoints of its own.

Every worker process opens a storage of its own on the same data directory; one of them monitors.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from nobreak.app import Nobreak
from nobreak.engine.store import Store
from nobreak.faces.api.router import make_router
from nobreak.faces.api.sharing import Api, as_error
from nobreak.reporting.events import Sink
from nobreak.settings import Settings, load_settings
from nobreak.words import ObjectName

NOT_OPEN = (
    "the storage is not open: include storage.router, or pass storage.lifespan to FastAPI, "
    "or use `async with storage:`"
)


class Storage:
    """See the module.

    `load` and `hooks`: as for `Nobreak`. `guarded` False: our routes ask for no credentials,
    because the application does: `include_router(storage.router, dependencies=[...])`. With True
    they want `NOBREAK_API_TOKEN`; without one they serve this machine's own programs only.
    """

    def __init__(
        self,
        load: Callable[[], Settings] = load_settings,
        *,
        hooks: Sequence[Sink] = (),
        guarded: bool = True,
    ) -> None:
        self._load = load
        self._hooks = tuple(hooks)
        self._opened: Nobreak | None = None
        self._users = 0
        self._stack = AsyncExitStack()
        self._api = Api(lambda: self.nobreak, guarded=guarded)
        self.router = APIRouter(lifespan=self.lifespan)
        """Our routes. They may be included under a `prefix`."""
        self.router.include_router(make_router(self._api))

    async def __aenter__(self) -> Self:
        """Open it; who is second finds it open. Raises `SettingsError`, `LocalStoreError`."""
        if self._opened is None:
            nobreak = Nobreak(self._load, hooks=self._hooks)
            self._opened = await self._stack.enter_async_context(nobreak)
        self._users += 1
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it; who is last does."""
        self._users -= 1
        if self._users == 0:
            self._opened = None
            self._api.dismiss_followers()
            await self._stack.aclose()

    def __call__(self) -> Store:
        """The dependency: `store: Annotated[Store, Depends(storage)]`."""
        return self.store

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Open while the application runs."""
        async with self:
            yield

    @property
    def store(self) -> Store:
        """Where objects are put and got."""
        return self.nobreak.store

    async def on_error(self, request: Request, error: Exception) -> Response:
        """Our answers to our errors: `app.add_exception_handler(NobreakError, storage.on_error)`."""
        return self._api.answer(error, f"{request.method} {request.url.path}", as_error)

    def name(self, key: str) -> ObjectName:
        """An object of `NOBREAK_BUCKET`: what `/files/{key}` serves."""
        return self.nobreak.name(key)

    @property
    def nobreak(self) -> Nobreak:
        """Status, events, the mode."""
        if self._opened is None:
            raise RuntimeError(NOT_OPEN)
        return self._opened
