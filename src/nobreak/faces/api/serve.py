"""The API on a port of its own: uvicorn in the running loop, without signals of its own."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn

from nobreak.app import Nobreak
from nobreak.errors import SettingsError
from nobreak.faces.api.app import create_app
from nobreak.faces.api.patience import PatientProtocol
from nobreak.faces.api.sharing import Api
from nobreak.lang import Lang, Text
from nobreak.reporting.events import EventKind
from nobreak.settings import Address

BACKLOG = 1024
MAX_CONNECTIONS = 1000
"""Beyond these, requests are answered 503 at once."""
MAX_HEAD_BYTES = 32 * 1024
IDLE = 15
"""How long a connection may idle between two requests (seconds)."""
GRACE = 5
"""What requests under way get when the server stops (seconds)."""
_TAKEN = Text("a porta já está em uso", "the port is already in use")


@contextlib.asynccontextmanager
async def api_server(nobreak: Nobreak) -> AsyncIterator[Address]:
    """Serve the API for as long as the context lasts; yields where it listens.

    Raises `SettingsError` when it may not or can't listen there. Port 0: any free one.
    """
    settings = nobreak.settings
    settings.check_api_exposure()
    api = Api(lambda: nobreak)
    server = _Server(_config(api))
    listener = _listen(settings.api.listen, settings.reporting.lang)
    address = Address(settings.api.listen.host, listener.getsockname()[1])
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        if not server.started:
            await serving  # raises what went wrong
        nobreak.reporting.hub.emit(EventKind.API_STARTED, address=f"http://{address}")
        yield address
    finally:
        api.dismiss_followers()
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    """uvicorn, but signals belong to whoever runs the loop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()


def _config(api: Api) -> uvicorn.Config:
    config = uvicorn.Config(
        create_app(api),
        http=PatientProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
    )
    config.load()
    return config


def _listen(address: Address, lang: Lang) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = _TAKEN.within(lang) if taken else error.strerror or str(error)
        raise SettingsError(f'NOBREAK_API_LISTEN="{address}": {reason}') from error
