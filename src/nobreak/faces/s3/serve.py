"""The S3 front on aiohttp's server: parses HTTP, streams both ways, and knows nothing of S3."""

import asyncio
import contextlib
import errno
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import cache
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp.web_protocol import RequestPayloadError

from nobreak.app import Nobreak
from nobreak.engine.watching import FileWatch
from nobreak.errors import NobreakError, SettingsError
from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.answer import XML, Answer
from nobreak.faces.s3.errors import error_headers, error_xml, status_of, translated
from nobreak.faces.s3.front import Front
from nobreak.faces.s3.keyring import KeyRing
from nobreak.faces.s3.limits import limits_of, open_files
from nobreak.faces.s3.listening import Listener
from nobreak.faces.s3.live_files import follow_certificate, follow_keys, read_keys
from nobreak.faces.s3.patience import MAX_HEAD_BYTES, MAX_LINE_BYTES, PatientHandler, request_id
from nobreak.faces.s3.refusing import head_too_large, identified, raw_answer, too_many
from nobreak.faces.s3.request import S3Error
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


class Carrier:
    """Between aiohttp's requests and the front. `most`: requests answered at the same time."""

    def __init__(self, front: Front, nobreak: Nobreak, most: int) -> None:
        self._front = front
        self._nobreak = nobreak
        self._domain = nobreak.settings.s3.domain
        self._most = most
        self._busy = 0

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Every answer has an `x-amz-request-id`."""
        identity = request_id()
        raw_path, _, raw_query = http.raw_path.partition("?")
        self._busy += 1
        try:
            try:
                answer = await self._answer(http, raw_path, raw_query)
            except Exception as error:  # noqa: BLE001 - every failure is an answer
                answer = self._refusal(error, raw_path, identity)
            try:
                return await _send(http, answer, identity)
            finally:
                if answer.close is not None:
                    await answer.close()
        finally:
            self._busy -= 1

    async def _answer(self, http: web.BaseRequest, raw_path: str, raw_query: str) -> Answer:
        if self._busy > self._most:
            raise too_many()
        if http.version < HttpVersion11 and "transfer-encoding" in http.headers:
            raise S3Error("BadRequest", "HTTP/1.0 has no Transfer-Encoding.")
        request = read_request(
            http.method, raw_path, raw_query, _headers(http), domain=self._domain
        )
        return await self._front.answer(
            request, _body(http), http.content_length, datetime.now(UTC)
        )

    def _refusal(self, error: Exception, raw_path: str, request_id: str) -> Answer:
        """An error as an answer. One that nobody raised on purpose is told to the operator."""
        if isinstance(error, RequestPayloadError):  # the framing of its body is broken
            error = S3Error("IncompleteBody")
        if not isinstance(error, NobreakError | ConnectionError):
            self._nobreak.reporting.hub.emit(
                EventKind.UNEXPECTED_ERROR, where="s3", reason=repr(error)
            )
        refusal = translated(error)
        content = error_xml(refusal, unquote(raw_path), request_id)
        headers = {"content-type": XML, **error_headers(refusal)}
        return Answer(status_of(refusal), headers, content)


def _headers(http: web.BaseRequest) -> dict[str, str]:
    """Names in lower case, values of a repeated header joined. Raises `S3Error`."""
    headers: dict[str, str] = {}
    size = len(http.raw_path)
    for name, value in http.headers.items():
        size += len(name) + len(value)
        lowered = name.lower()
        headers[lowered] = f"{headers[lowered]},{value}" if lowered in headers else value
    if size > MAX_HEAD_BYTES:
        raise head_too_large()
    return headers


async def _body(http: web.BaseRequest) -> AsyncIterator[bytes]:
    """The body as it comes. A client that waits to be asked for it is asked now."""
    expects = http.headers.get("expect", "").lower() == "100-continue"
    if expects and http.version >= HttpVersion11:
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0
    async for chunk in http.content.iter_any():
        yield chunk


async def _send(http: web.BaseRequest, answer: Answer, identity: str) -> web.StreamResponse:
    """Send an answer. One that fails in the middle is cut off, never taken for the whole."""
    headers = {"server": "nobreak", **answer.headers, **identified(identity)}
    whole = isinstance(answer.body, bytes)
    if whole and not (http.method == "HEAD" and "content-length" in headers):
        headers.pop("content-length", None)
        response: web.StreamResponse = web.Response(
            status=answer.status, headers=headers, body=answer.body
        )
    else:
        response = web.StreamResponse(status=answer.status, headers=headers)
    if not http.content.is_eof():
        response.force_close()  # what is left of the body must not be taken for a request
    await response.prepare(http)
    if isinstance(answer.body, bytes):
        await response.write_eof()
        return response
    try:
        async for chunk in answer.body:
            await response.write(chunk)
    except (NobreakError, ConnectionError):
        if http.transport is not None:
            http.transport.abort()
        return response
    await response.write_eof()
    return response
