"""The S3 front put together: keys, certificate, limits, and a listener on aiohttp's protocol."""

import asyncio
import contextlib
import errno
import logging
from collections.abc import AsyncIterator, Callable
from functools import cache

from aiohttp import web

from nobreak.app import Nobreak
from nobreak.engine.watching import FileWatch
from nobreak.errors import SettingsError
from nobreak.faces.limits import limits_of, open_files
from nobreak.faces.s3.carrier import Carrier
from nobreak.faces.s3.front import Front
from nobreak.faces.s3.keyring import KeyRing
from nobreak.faces.s3.listening import Listener
from nobreak.faces.s3.live_files import follow_certificate, follow_keys, read_keys
from nobreak.faces.s3.patience import MAX_LINE_BYTES, PatientHandler, request_id
from nobreak.faces.s3.refusing import raw_answer, too_many
from nobreak.faces.s3.tls import Certificate
from nobreak.lang import Text
from nobreak.reporting.events import EventKind
from nobreak.settings import Address, Settings

IDLE = 75.0
"""How long a connection may idle between two requests (seconds)."""
LINGER = 2.0
"""How long what is left of a refused body is read, so that the client sees its answer (seconds)."""
GRACE = 5.0
"""What requests under way get when the server stops (seconds)."""
_TAKEN = Text("a porta já está em uso", "the port is already in use")


@contextlib.asynccontextmanager
async def s3_server(nobreak: Nobreak) -> AsyncIterator[Address | None]:
    """Serve S3 for as long as the context lasts; yields where it listens, or None.

    None: nobody has given a key pair that clients could sign with (an upload server needs none).
    Raises `SettingsError` for bad files, and when it can't listen there. Port 0: any free one.
    """
    settings = nobreak.settings
    keys = read_keys(settings)
    if not len(keys):
        yield None
        return
    settings.check_s3_listen()
    certificate = _certificate(settings)
    front = Front(nobreak, keys)
    limits = limits_of(open_files())
    manager = web.Server(Carrier(front, nobreak, limits.requests).handle)
    listener: Listener[PatientHandler] = Listener(
        lambda: _handler(manager, listener.gone),
        most=limits.connections,
        refusal=lambda: raw_answer(too_many(), request_id()),
        trouble=lambda error: nobreak.reporting.hub.emit(
            EventKind.UNEXPECTED_ERROR, where="s3", reason=repr(error)
        ),
        tls=certificate.context if certificate else None,
    )
    address = await _listen(listener, settings)
    followers = _follow_files(nobreak, front, keys, certificate)
    scheme = "https" if certificate else "http"
    nobreak.reporting.hub.emit(EventKind.S3_STARTED, address=f"{scheme}://{address}")
    try:
        with contextlib.ExitStack() as stack:
            for watch, _task in followers:
                stack.enter_context(nobreak.asked(watch.ask))
            yield address
    finally:
        for _watch, task in followers:
            task.cancel()
        await listener.close()
        manager.pre_shutdown()
        await manager.shutdown(GRACE)
        await listener.drop()


def _certificate(settings: Settings) -> Certificate | None:
    s3 = settings.s3
    if s3.tls_cert is None or s3.tls_key is None:
        return None
    return Certificate(s3.tls_cert, s3.tls_key, settings.reporting.lang)


def _handler(manager: web.Server, gone: Callable[[PatientHandler], None]) -> PatientHandler:
    """The protocol of a new connection."""
    return PatientHandler(
        manager,
        gone=gone,
        loop=asyncio.get_running_loop(),
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_LINE_BYTES,
        keepalive_timeout=IDLE,
        lingering_time=LINGER,
        auto_decompress=False,  # what was compressed by the client is the object
        access_log=None,
        logger=_quiet_logger(),
    )


def _follow_files(
    nobreak: Nobreak, front: Front, keys: KeyRing, certificate: Certificate | None
) -> list[tuple[FileWatch, asyncio.Task[None]]]:
    """Read the files of keys and certificate again when they change."""
    settings, hub = nobreak.settings, nobreak.reporting.hub
    followers = []
    if settings.s3.keys_file is not None:
        watch = FileWatch([settings.s3.keys_file])
        work = follow_keys(watch, settings, keys, front.use_keys, hub)
        followers.append((watch, asyncio.create_task(work)))
    if certificate is not None:
        watch = FileWatch(certificate.paths)
        work = follow_certificate(watch, certificate, hub)
        followers.append((watch, asyncio.create_task(work)))
    return followers


async def _listen(listener: Listener[PatientHandler], settings: Settings) -> Address:
    wanted = settings.s3.listen
    try:
        port = await listener.start(wanted.host, wanted.port)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = _TAKEN.within(settings.reporting.lang) if taken else error.strerror or str(error)
        raise SettingsError(f'NOBREAK_S3_LISTEN="{wanted}": {reason}') from error
    return Address(wanted.host, port)


@cache
def _quiet_logger() -> logging.Logger:
    """Strangers' broken requests are answered, not logged."""
    logger = logging.getLogger("nobreak.s3.http")
    logger.setLevel(logging.CRITICAL)
    return logger
