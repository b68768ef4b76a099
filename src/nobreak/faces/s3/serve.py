"""The S3 front on aiohttp's server: parses HTTP, streams both ways, and knows nothing of S3."""

import contextlib
import errno
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http import HttpVersion11

from nobreak.app import Nobreak
from nobreak.errors import NobreakError, SettingsError
from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.answer import XML, Answer
from nobreak.faces.s3.errors import error_headers, error_xml, status_of, translated
from nobreak.faces.s3.front import Front
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.faces.s3.request import S3Request
from nobreak.lang import Text
from nobreak.reporting.events import EventKind
from nobreak.settings import Address, Settings

MAX_LINE_BYTES = 16 * 1024
"""A key of 1,024 bytes, percent-encoded, and a presigned query."""
MAX_HEADER_BYTES = 16 * 1024
IDLE = 75.0
"""How long a connection may idle between two requests (seconds)."""
GRACE = 5.0
"""What requests under way get when the server stops (seconds)."""
_TAKEN = Text("a porta já está em uso", "the port is already in use")


@contextlib.asynccontextmanager
async def s3_server(nobreak: Nobreak) -> AsyncIterator[Address | None]:
    """Serve S3 for as long as the context lasts; yields where it listens, or None.

    None: nobody has given a key pair that clients could sign with (an upload server needs none).
    Raises `SettingsError` when it can't listen there. Port 0: any free one.
    """
    settings = nobreak.settings
    if not settings.s3.access_key:
        yield None
        return
    settings.check_s3_listen()
    keys = KeyRing([KeyPair(settings.s3.access_key, settings.s3.secret_key)])
    carrier = Carrier(Front(nobreak, keys), nobreak)
    server = web.Server(
        carrier.handle,
        max_line_size=MAX_LINE_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        keepalive_timeout=IDLE,
        access_log=None,
        logger=_quiet_logger(),
    )
    runner = web.ServerRunner(server, shutdown_timeout=GRACE, handle_signals=False)
    await runner.setup()
    try:
        address = await _listen(runner, settings)
        nobreak.reporting.hub.emit(EventKind.S3_STARTED, address=f"http://{address}")
        yield address
    finally:
        await runner.cleanup()


async def _listen(runner: web.ServerRunner, settings: Settings) -> Address:
    wanted = settings.s3.listen
    try:
        await web.TCPSite(runner, wanted.host, wanted.port).start()
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = _TAKEN.within(settings.reporting.lang) if taken else error.strerror or str(error)
        raise SettingsError(f'NOBREAK_S3_LISTEN="{wanted}": {reason}') from error
    return Address(wanted.host, runner.addresses[0][1])


def _quiet_logger() -> logging.Logger:
    """Strangers' broken requests are answered, not logged."""
    logger = logging.getLogger("nobreak.s3.http")
    logger.setLevel(logging.CRITICAL)
    return logger


class Carrier:
    """Between aiohttp's requests and the front."""

    def __init__(self, front: Front, nobreak: Nobreak) -> None:
        self._front = front
        self._nobreak = nobreak

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Every answer has an `x-amz-request-id`."""
        request_id = secrets.token_hex(8).upper()
        raw_path, _, raw_query = http.raw_path.partition("?")
        try:
            request = read_request(http.method, raw_path, raw_query, _headers(http))
            answer = await self._answer(http, request)
        except Exception as error:  # noqa: BLE001 - every failure is an answer
            answer = self._refusal(error, raw_path, request_id)
        try:
            return await _send(http, answer, request_id)
        finally:
            if answer.close is not None:
                await answer.close()

    async def _answer(self, http: web.BaseRequest, request: S3Request) -> Answer:
        return await self._front.answer(
            request, _body(http), http.content_length, datetime.now(UTC)
        )

    def _refusal(self, error: Exception, raw_path: str, request_id: str) -> Answer:
        """An error as an answer. One that nobody raised on purpose is told to the operator."""
        if not isinstance(error, NobreakError | ConnectionError):
            self._nobreak.reporting.hub.emit(
                EventKind.UNEXPECTED_ERROR, where="s3", reason=repr(error)
            )
        refusal = translated(error)
        content = error_xml(refusal, unquote(raw_path), request_id)
        headers = {"content-type": XML, **error_headers(refusal)}
        return Answer(status_of(refusal), headers, content)


def _headers(http: web.BaseRequest) -> dict[str, str]:
    """Names in lower case, values of a repeated header joined."""
    headers: dict[str, str] = {}
    for name, value in http.headers.items():
        lowered = name.lower()
        headers[lowered] = f"{headers[lowered]},{value}" if lowered in headers else value
    return headers


async def _body(http: web.BaseRequest) -> AsyncIterator[bytes]:
    """The body as it comes. A client that waits to be asked for it is asked now."""
    expects = http.headers.get("expect", "").lower() == "100-continue"
    if expects and http.version >= HttpVersion11:
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0
    async for chunk in http.content.iter_any():
        yield chunk


async def _send(http: web.BaseRequest, answer: Answer, request_id: str) -> web.StreamResponse:
    """Send an answer. One that fails in the middle is cut off, never taken for the whole."""
    headers = {**answer.headers, "x-amz-request-id": request_id}
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
