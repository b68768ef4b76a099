"""One connection to an HTTP server: a request goes out, its answer comes in, one after the other.

Heads and chunked bodies are parsed by aiohttp's parser (llhttp, in C); a body of known length is
passed on as it was read, without another copy.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from typing import cast

from aiohttp.http import HttpProcessingError, HttpResponseParser, RawResponseMessage

from nobreak.errors import BodyMismatchError, OutageError, OutageKind
from nobreak.stores.external.http_alarm import NEVER, Alarm
from nobreak.stores.external.http_chunked import ChunkedBody
from nobreak.stores.external.http_request import Request
from nobreak.stores.external.http_response import Response

KEEP_ALIVE = 25.0
"""How long a connection may idle before it is closed (seconds)."""
MAX_HEAD_BYTES = 128 * 1024
NO_ANSWER = "no answer in time"
CLOSED = "the server closed the connection"
FIRST_FINAL, SWITCHED, NO_CONTENT, NOT_MODIFIED = 200, 101, 204, 304

_HEAD_END = re.compile(rb"\r?\n\r?\n")


class Connection(asyncio.Protocol):
    """See the module. `idle` is told when it can take another request, `gone` when it has ended.

    `silence`: how long the server may say nothing, or take nothing, while it is its turn (seconds).
    """

    def __init__(
        self,
        silence: float,
        idle: Callable[["Connection"], None],
        gone: Callable[["Connection"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence = silence
        self._idle = idle
        self._gone = gone
        self._parser = HttpResponseParser(
            None, self._loop, 0, response_with_body=False, auto_decompress=False
        )
        self._transport: asyncio.Transport | None = None
        self._request: Request | None = None
        self._answer: asyncio.Future[Response] | None = None
        self._response: Response | None = None
        self._head = bytearray()
        self._left: int | None = 0
        self._chunked: ChunkedBody | None = None
        self._keep = False
        self._heard = False
        self._reading = True
        self._paused: asyncio.Future[None] | None = None
        self._sending: asyncio.Timeout | None = None
        self._deadline = NEVER
        self._patience = Alarm(self._loop, self._give_up)

    # What the pool asks.

    @property
    def is_open(self) -> bool:
        """Whether it can take a request."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def heard(self) -> bool:
        """Whether a byte of an answer to the last request came."""
        return self._heard

    def close(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, request: Request, deadline: float | None = None) -> Response:
        """Send a request; the head of its answer, no later than `deadline` (the loop's time).

        Raises `OutageError`, in doubt when the request changes something: any byte of it may have
        arrived. What the request's body raises comes out unchanged.
        """
        transport = self._transport
        assert transport is not None, "connected"  # noqa: S101
        self._request = request
        answer: asyncio.Future[Response] = self._loop.create_future()
        self._answer = answer
        request.sent = self._heard = False
        self._deadline = NEVER if deadline is None else deadline
        try:
            body = request.body
            if isinstance(body, AsyncIterator):
                await self._send(request, body, transport, answer)
            else:
                transport.writelines([request.head, body or b""])
                request.sent = True
            if not answer.done():
                self._wait_for_server()
            return _sensible(await answer)
        except BaseException:
            if self._request is request:  # and not yet another one, since the answer is whole
                self._let_go()
            if answer.done():
                answer.exception()  # seen: something else came first
            raise

    # What goes out.

    async def _send(
        self,
        request: Request,
        body: AsyncIterator[bytes],
        transport: asyncio.Transport,
        answer: asyncio.Future[Response],
    ) -> None:
        """The head and a body, until it has ended or an answer is there."""
        head, left = request.head, request.length
        timeout = asyncio.timeout(None)
        try:
            async with timeout:
                self._sending = timeout
                async for chunk in body:
                    if answer.done() or transport.is_closing():
                        break
                    if not chunk:
                        continue
                    if left is not None:
                        left -= len(chunk)
                        _check_room(left, request)
                    transport.writelines(_framed(head, chunk, chunked=left is None))
                    head = b""
                    request.sent = left == 0
                    if self._paused is not None:
                        timeout.reschedule(self._loop.time() + self._silence)
                        await self._paused
                        timeout.reschedule(None)
                else:
                    self._end_body(head, left, request, transport)
        except TimeoutError:
            if not timeout.expired():
                raise  # the body's own
            if not answer.done():
                raise _timed_out(request) from None
        finally:
            if self._sending is timeout:
                self._sending = None

    def _end_body(
        self, head: bytes, left: int | None, request: Request, transport: asyncio.Transport
    ) -> None:
        if left:
            raise BodyMismatchError(f"the body ended {left} bytes short of {request.length}")
        end = b"0\r\n\r\n" if left is None else b""
        if head or end:
            transport.write(head + end)
        request.sent = True

    def pause_writing(self) -> None:
        """The server takes no more for now."""
        self._paused = self._loop.create_future()

    def resume_writing(self) -> None:
        """It does again."""
        paused, self._paused = self._paused, None
        if paused is not None and not paused.done():
            paused.set_result(None)

    # What comes in.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes of a head or of a body; else of something that nobody asked for."""
        response = self._response
        if response is not None:
            if self._patience.is_set:
                self._patience.set(self._loop.time() + self._silence)
            self._take_body(response, data)
        elif self._answer is not None and not self._answer.done():
            self._heard = True
            if self._patience.is_set:
                self._wait_for_server()
            self._take_head(data)
        else:
            self.close()

    def _take_head(self, data: bytes) -> None:
        request = self._request
        assert request is not None, "somebody waits for an answer"  # noqa: S101
        while data:
            searched = max(0, len(self._head) - 3)
            if self._head:
                self._head += data
                data = bytes(self._head)
            end = _HEAD_END.search(data, searched)
            if end is None:
                self._head = bytearray(data)
                if len(data) > MAX_HEAD_BYTES:
                    self._break("a head without end")
                return
            self._head.clear()
            head, data = data[: end.end()], data[end.end() :]
            try:
                ((message, _),) = self._parser.feed_data(head)[0]
            except (HttpProcessingError, ValueError) as error:
                self._break(f"an answer that is not HTTP: {str(error) or type(error).__name__}")
                return
            if message.code == SWITCHED:
                self._break("an answer in another protocol")
                return
            if message.code >= FIRST_FINAL:
                self._begin_body(request, message, head, data)
                return

    def _begin_body(
        self, request: Request, message: RawResponseMessage, head: bytes, data: bytes
    ) -> None:
        answer = self._answer
        assert answer is not None, "somebody waits for it"  # noqa: S101
        headers = message.headers
        stated = headers.get("Content-Length")
        response = Response(
            self,
            request.method,
            request.path,
            message.code,
            message.reason,
            headers,
            None if stated is None else int(stated),
            changes=request.changes,
            early=not request.sent,
        )
        self._chunked = None
        self._keep = request.sent and not message.should_close
        if request.method == "HEAD" or message.code in {NO_CONTENT, NOT_MODIFIED}:
            self._left = 0
        elif message.chunked:
            self._left, self._chunked = None, ChunkedBody(head, self._loop)
        else:
            self._left = response.content_length
            self._keep = self._keep and self._left is not None
        self._response = response
        answer.set_result(response)
        self._interrupt()
        self._patience.set(self._loop.time() + self._silence)
        if data or self._left == 0:
            self._take_body(response, data)

    def _take_body(self, response: Response, data: bytes) -> None:
        if self._chunked is not None:
            self._take_chunks(self._chunked, response, data)
            return
        left = self._left
        if left is not None:
            if len(data) > left:
                data, self._keep = data[:left], False  # what comes after it is no answer
            self._left = left = left - len(data)
        if data:
            response.take(data)
        if left == 0:
            self._end(response)

    def _take_chunks(self, chunked: ChunkedBody, response: Response, data: bytes) -> None:
        try:
            piece = chunked.feed(data)
        except (HttpProcessingError, ValueError, RuntimeError) as error:
            self._break(f"a broken body: {type(error).__name__}")
            return
        if piece:
            response.take(piece)
        if chunked.ended:
            self._keep = self._keep and chunked.clean
            self._end(response)

    def _end(self, response: Response) -> None:
        """The answer is whole: the connection is free for the next."""
        self._response = self._request = self._answer = None
        self._patience.clear()
        response.end()
        transport = self._transport
        if transport is None or not self._keep or transport.is_closing():
            self.close()
            return
        self.resume()
        self._patience.set(self._loop.time() + KEEP_ALIVE)
        self._idle(self)

    def pause(self) -> None:
        """Nobody takes what came: read no more, and don't call that silence."""
        self._patience.clear()
        if self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()
        if self._response is not None:
            self._patience.set(self._loop.time() + self._silence)

    def drop(self, response: Response) -> None:
        """Nobody wants the rest of this answer."""
        if self._response is response:
            self._let_go()

    # How it ends.

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed, by whomever."""
        self._transport = None
        self._patience.cancel()
        self.resume_writing()
        response = self._response
        if response is not None and error is None and self._left is None and self._chunked is None:
            self._keep = False
            self._end(response)  # a body that ends where the connection does
        elif response is not None or self._request is not None:
            self._fail(str(error) if error and response is None else CLOSED, OutageKind.BROKEN)
        self._gone(self)

    def _let_go(self) -> None:
        self._response = self._request = self._answer = None
        self._patience.clear()
        self.close()

    def _break(self, detail: str) -> None:
        """What the server says can't be understood."""
        self._fail(detail, OutageKind.BROKEN)
        self.close()

    def _fail(self, detail: str, kind: OutageKind) -> None:
        """The exchange under way has failed: tell whoever waits for it."""
        request, answer, response = self._request, self._answer, self._response
        self._response = self._request = None
        self._patience.clear()
        if response is not None:
            response.fail(response.outage(kind, detail))
        elif answer is not None and not answer.done() and request is not None:
            answer.set_exception(OutageError(kind, detail, in_doubt=request.changes))
            self._interrupt()

    def _interrupt(self) -> None:
        """Whoever waits for more of the request's body has nothing to wait for any more."""
        if self._sending is not None and not self._sending.expired():
            self._sending.reschedule(self._loop.time())

    def _wait_for_server(self) -> None:
        self._patience.set(min(self._loop.time() + self._silence, self._deadline))

    def _give_up(self) -> None:
        self._fail(NO_ANSWER, OutageKind.TIMEOUT)
        self.close()


def _sensible(response: Response) -> Response:
    """The answer, unless it says that what is not all there was done (I1)."""
    if response.early and response.ok:
        raise response.outage(OutageKind.BROKEN, "a success before the body was sent")
    return response


def _framed(head: bytes, chunk: bytes, *, chunked: bool) -> list[bytes]:
    if not chunked:
        return [head, chunk]
    return [head, f"{len(chunk):x}\r\n".encode(), chunk, b"\r\n"]


def _check_room(left: int, request: Request) -> None:
    if left < 0:
        raise BodyMismatchError(f"the body is longer than {request.length} bytes")


def _timed_out(request: Request) -> OutageError:
    return OutageError(OutageKind.TIMEOUT, NO_ANSWER, in_doubt=request.changes)
