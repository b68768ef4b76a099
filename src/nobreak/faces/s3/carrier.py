"""Between aiohttp's requests and the S3 front: streams both ways, and knows nothing of S3.

All that another server would need is in here: the front takes a head, chunks of a body and a time,
and gives an `Answer`.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http import HttpVersion11
from aiohttp.web_protocol import RequestPayloadError

from nobreak.app import Nobreak
from nobreak.errors import NobreakError
from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.answer import XML, Answer
from nobreak.faces.s3.errors import error_headers, error_xml, status_of, translated
from nobreak.faces.s3.front import Front
from nobreak.faces.s3.patience import MAX_HEAD_BYTES, request_id
from nobreak.faces.s3.refusing import head_too_large, identified, too_many
from nobreak.faces.s3.request import S3Error
from nobreak.reporting.events import EventKind

CHUNK = 256 * 1024
"""What is taken from a connection at once: each of many uploads holds as much (bytes)."""


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
            except ValueError as error:  # a header that HTTP can't carry: nothing is sent yet
                return await _send(http, self._refusal(error, raw_path, identity), identity)
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
    while chunk := await http.content.read(CHUNK):
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
