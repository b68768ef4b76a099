"""aiohttp's HTTP protocol with an end to its patience, and S3's errors instead of its own.

A request's head must be here soon and be small. A body that trickles, and a client that doesn't
read its answer, are given up: each holds a connection, a spool file and a connection to the
external store.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError, RawRequestMessage
from aiohttp.web_protocol import RequestHandler, RequestPayloadError

from nobreak.faces.s3.answer import XML
from nobreak.faces.s3.errors import error_headers, error_xml, status_of
from nobreak.faces.s3.refusing import (
    broken_request,
    head_too_large,
    identified,
    raw_answer,
    too_slow,
)
from nobreak.faces.s3.request import S3Error

MAX_LINE_BYTES = 16 * 1024
"""A key of 1,024 bytes, percent-encoded, and a presigned query."""
MAX_HEAD_BYTES = 64 * 1024
"""A request line with all of its headers."""
HEAD_WITHIN = 20.0
"""A head must be here so soon after its first byte (seconds)."""
PATIENCE = 30.0
LEAST_BYTES = 4096
"""So much must come or go within our patience (seconds) while we wait for a client."""
IDLE_IN_A_CROWD = 5.0
"""How long a connection may idle when there is hardly room for more (seconds)."""
CLOSED_WITHIN = 10.0
"""What a client gets to take the end of its answer (seconds)."""


class PatientHandler(RequestHandler):
    """One connection. `look` has to be called now and then; `gone` is told when it has ended."""

    __slots__ = (
        "_closing_since",
        "_gone",
        "_head_bytes",
        "_head_since",
        "_marked_at",
        "_marked_bytes",
        "_marked_request",
        "_wire",
    )

    def __init__(
        self, manager: web.Server, *, gone: Callable[["PatientHandler"], None], **options: Any
    ) -> None:
        super().__init__(manager, **options)
        self._gone = gone
        self._wire: asyncio.Transport | None = None
        self._head_since: float | None = None
        self._head_bytes = 0
        self._marked_at = 0.0
        self._marked_bytes = 0
        self._marked_request = 0
        self._closing_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is here."""
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It has gone."""
        self._wire = None
        self._gone(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head or of a body; none, when aiohttp goes on with what it has."""
        before = self._request_count
        super().data_received(data)
        if self._request_count != before:
            self._head_since, self._head_bytes = None, 0
            self._break_body()
        elif data and self._waiter is not None and not self._waiter.done():
            self._wait_for_head(len(data))

    def _break_body(self) -> None:
        """What can't be parsed inside of a body is the end of it; aiohttp would wait for ever."""
        request = self._current_request
        if (
            request is not None
            and not request.content.is_eof()
            and not isinstance(self._messages[-1][0], RawRequestMessage)
        ):
            request.content.set_exception(RequestPayloadError())

    def _wait_for_head(self, size: int) -> None:
        """A head has begun and isn't whole."""
        if self._head_since is None:
            self._head_since = self._loop.time()
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES and self._wire is not None:
            self._wire.write(raw_answer(head_too_large(), request_id()))
            self.force_close()

    def look(self, now: float, *, crowded: bool) -> None:
        """Give up on a client that keeps us waiting; `now` is the loop's time."""
        wire = self._wire
        if wire is None:
            return
        if wire.is_closing():
            self._closing_since = self._closing_since or now
            if now - self._closing_since > CLOSED_WITHIN:
                wire.abort()
        elif self._current_request is not None:
            self._look_at_request(self._current_request, wire, now)
        elif (self._head_since is not None and now - self._head_since > HEAD_WITHIN) or (
            crowded and self._idle_for(now) > IDLE_IN_A_CROWD
        ):
            self.force_close()

    def _idle_for(self, now: float) -> float:
        """How long nobody has asked for anything (seconds)."""
        if self._waiter is None or self._waiter.done():
            return 0.0
        return now - (self._next_keepalive_close_time - self._keepalive_timeout)

    def drop(self) -> None:
        """End it at once."""
        if self._wire is not None:
            self._wire.abort()

    def _look_at_request(
        self, request: web.BaseRequest, wire: asyncio.Transport, now: float
    ) -> None:
        """Whether enough comes and goes, if it is the client that we wait for."""
        reads = not request.content.is_eof() and not self._reading_paused
        sent = request.writer.output_size - wire.get_write_buffer_size()
        moved = request.content.total_bytes + sent  # the frames of a body count for nothing
        enough = not 0 <= moved - self._marked_bytes < LEAST_BYTES
        begun = self._marked_request != self._request_count
        if begun or enough or not (reads or self.writing_paused):
            self._marked_at, self._marked_bytes = now, moved
            self._marked_request = self._request_count
        elif now - self._marked_at > PATIENCE:
            if self.writing_paused:
                wire.abort()
            else:
                request.content.set_exception(too_slow())

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no request, or what the carrier could not, in S3's own words."""
        del status, message
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        known = isinstance(exc, HttpProcessingError)
        error = broken_request(exc) if known else S3Error("InternalError")
        identity = request_id()
        headers = {"content-type": XML, **identified(identity), **error_headers(error)}
        response = web.Response(
            status=status_of(error), headers=headers, body=error_xml(error, "", identity)
        )
        response.force_close()
        return response


def request_id() -> str:
    """A new one, for `x-amz-request-id`."""
    return secrets.token_hex(8).upper()
