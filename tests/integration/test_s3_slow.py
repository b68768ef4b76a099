"""Issue 3, item 6: clients that are slow, silent, gone or too many cost little and hold up nobody."""

import asyncio
import contextlib
import hashlib
import os
import socket

import pytest
from tests.support.net import eventually
from tests.support.s3_front import TLS, Front, read_reply, request_bytes, running_front

from nobreak.faces.limits import FEWEST, OWN_FILES, Limits, limits_of
from nobreak.faces.s3 import listening, patience, serve

MIB = 1024 * 1024


@pytest.fixture
def hasty(monkeypatch):
    """Patience in tenths of seconds."""
    monkeypatch.setattr(patience, "HEAD_WITHIN", 0.3)
    monkeypatch.setattr(patience, "PATIENCE", 0.4)
    monkeypatch.setattr(patience, "CLOSED_WITHIN", 0.2)
    monkeypatch.setattr(listening, "LOOK_EVERY", 0.05)


@pytest.fixture
async def front(tmp_path):
    async with running_front(tmp_path) as running:
        yield running


def put(front: Front, size: int, path: str = "/shop/k", **headers: str) -> bytes:
    """The head of a PUT of so many bytes."""
    own = front.head("PUT", path, headers)
    return request_bytes("PUT", path, {**own, "content-length": str(size)})


def chunked(front: Front) -> bytes:
    own = front.head("PUT", "/shop/k")
    return request_bytes("PUT", "/shop/k", {**own, "transfer-encoding": "chunked"})


async def ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes the connection, in whatever way, and without another word."""
    async with asyncio.timeout(5):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def drip(writer: asyncio.StreamWriter, data: bytes, every: float) -> None:
    """Send byte after byte until nobody takes them."""
    with contextlib.suppress(ConnectionError):
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(every)


async def test_a_head_that_trickles_is_closed_and_an_idle_connection_is_not(hasty, front):
    idle_reader, idle = await front.connect()
    reader, writer = await front.connect()
    dripping = asyncio.create_task(
        drip(writer, b"GET /shop/k HTTP/1.1\r\n" + b"a: b\r\n" * 99, 0.05)
    )
    assert await ended(reader)
    await dripping
    idle.write(request_bytes("GET", "/", {"host": "x"}))
    reply = await read_reply(idle_reader)
    assert reply is not None
    assert reply.status == 403
    idle.close()


@pytest.mark.parametrize("framed", [False, True])
async def test_a_body_that_trickles_is_refused_without_a_trace(framed, hasty, front):
    reader, writer = await front.connect()
    writer.write(chunked(front) if framed else put(front, 10_000))
    body = b"1\r\nx\r\n" * 1000 if framed else b"x" * 1000
    dripping = asyncio.create_task(drip(writer, body, 0.02))
    reply = await read_reply(reader, 5)
    dripping.cancel()
    writer.close()
    assert reply is not None
    assert (reply.status, reply.code) == (400, "RequestTimeout")
    assert front.trace() == []


async def test_a_chunk_extension_without_end_is_no_body(hasty, front):
    reader, writer = await front.connect()
    writer.write(chunked(front) + b"1;")

    async def flood() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"a" * 10_000)
                await writer.drain()
                await asyncio.sleep(0.01)

    flooding = asyncio.create_task(flood())
    reply = await read_reply(reader, 5)
    flooding.cancel()
    writer.close()
    assert reply is not None
    assert (reply.status, reply.code) == (400, "RequestTimeout")


async def test_a_slow_body_that_keeps_moving_is_taken(hasty, front):
    reader, writer = await front.connect()
    writer.write(put(front, 16 * 5000))
    for _ in range(16):
        writer.write(b"x" * 5000)
        await asyncio.sleep(0.1)
    reply = await read_reply(reader)
    writer.close()
    assert reply is not None
    assert reply.status == 200


@pytest.mark.parametrize("broken", [b"zz\r\n", b"-1\r\n", b"f" * 20 + b"\r\n", b"1\r\nxyz\r\n"])
async def test_a_chunk_that_breaks_in_the_middle_of_a_body_is_refused_at_once(broken, front):
    reader, writer = await front.connect()
    writer.write(chunked(front) + b"3\r\nabc\r\n")
    await asyncio.sleep(0.1)
    writer.write(broken)
    reply = await read_reply(reader, 2)
    writer.close()
    assert reply is not None
    assert (reply.status, reply.code) == (400, "IncompleteBody")
    assert front.trace() == []


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("size", [1000, 3 * MIB])
async def test_an_upload_that_is_aborted_in_the_middle_leaves_no_trace(reset, size, front):
    _reader, writer = await front.connect()
    writer.write(put(front, size) + os.urandom(size - 1))
    await writer.drain()
    await asyncio.sleep(0.1)
    if reset:
        linger = b"\1\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
    else:
        writer.close()
    await eventually(lambda: front.trace() == [])
    await asyncio.sleep(0.1)
    assert front.trace() == []
    assert not [event for event in front.told if event.kind == "unexpected_error"]


async def test_a_reader_that_does_not_read_is_dropped(hasty, front):
    content = os.urandom(24 * MIB)
    client = front.client()
    await asyncio.to_thread(client.put_object, Bucket="shop", Key="k", Body=content)
    with socket.create_connection((front.address.host, front.address.port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        sock.sendall(request_bytes("GET", "/shop/k", front.head("GET", "/shop/k")))
        await asyncio.sleep(1.2)
        sock.settimeout(5)

        def received() -> int:
            count = 0
            with contextlib.suppress(ConnectionError):
                while data := sock.recv(MIB):
                    count += len(data)
            return count

        assert await asyncio.to_thread(received) < len(content)


async def test_a_client_that_waits_is_asked_for_its_body_only_if_it_may_send_one(front):
    reader, writer = await front.connect()
    writer.write(put(front, 3, expect="100-continue"))
    first = await read_reply(reader)
    assert first is not None
    assert first.status == 100
    writer.write(b"abc")
    second = await read_reply(reader)
    assert second is not None
    assert second.status == 200
    forged = put(front, 3, expect="100-continue").replace(b"/shop/k", b"/shop/other")
    writer.write(forged)
    refused = await read_reply(reader)
    assert refused is not None
    assert (refused.status, refused.code) == (403, "SignatureDoesNotMatch")
    assert refused.headers["connection"] == "close"
    assert await ended(reader)
    writer.close()


async def test_pipelined_requests_are_answered_in_order(front):
    one = put(front, 1, "/shop/a") + b"a"
    two = request_bytes("GET", "/shop/a", front.head("GET", "/shop/a"))
    three = request_bytes("HEAD", "/shop/a", front.head("HEAD", "/shop/a"))
    reader, writer = await front.connect()
    writer.write(one + two + three)
    replies = [await read_reply(reader), await read_reply(reader)]
    assert [reply and reply.status for reply in replies] == [200, 200]
    assert replies[1] is not None
    assert replies[1].body == b"a"
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"200 OK" in head
    writer.close()


async def test_a_connection_is_used_again_after_an_error_whose_body_was_read(front):
    wrong = put(front, 3, **{"content-md5": "AAAAAAAAAAAAAAAAAAAAAA=="}) + b"abc"
    replies = await front.exchange(wrong + put(front, 3) + b"abc")
    assert [(reply.status, reply.code) for reply in replies] == [(400, "BadDigest"), (200, "")]


async def test_what_is_left_of_a_body_is_never_taken_for_a_request(front):
    """The unread body of a refused request would be a smuggled one."""
    inner = request_bytes("DELETE", "/shop/k", front.head("DELETE", "/shop/k"))
    outer = request_bytes("PUT", "/shop/k", {"host": "x", "content-length": str(len(inner))})
    replies = await front.exchange(outer + inner)
    assert [(reply.status, reply.code) for reply in replies] == [(403, "AccessDenied")]
    assert front.trace() == []


async def test_an_object_that_its_client_compressed_stays_compressed(front):
    import gzip  # noqa: PLC0415

    content = gzip.compress(b"x" * 1000)
    client = front.client()
    await asyncio.to_thread(
        client.put_object, Bucket="shop", Key="k", Body=content, ContentEncoding="gzip"
    )
    headers = front.head("GET", "/shop/k")
    (reply,) = await front.exchange(request_bytes("GET", "/shop/k", headers))
    assert reply.headers["content-encoding"] == "gzip"
    assert hashlib.md5(reply.body).digest() == hashlib.md5(content).digest()


async def test_one_connection_too_many_is_turned_away_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "limits_of", lambda _files: Limits(5, 2, 5))
    async with running_front(tmp_path) as front:
        held = [await front.connect() for _ in range(5)]
        await asyncio.sleep(0.1)
        reader, writer = await front.connect()
        reply = await read_reply(reader)
        assert reply is not None
        assert (reply.status, reply.code) == (503, "SlowDown")
        assert await ended(reader)
        writer.close()
        for _reader, writer in held[:4]:
            writer.write(put(front, 10) + b"half")
        await asyncio.sleep(0.2)
        busy = [await read_reply(reader, 0.5) for reader, _writer in held[:4]]
        assert sorted(f"{each.status} {each.code}" for each in busy if each) == ["503 SlowDown"] * 2
        for _reader, writer in held:
            writer.close()
        await asyncio.sleep(0.2)
        (again,) = await front.exchange(request_bytes("GET", "/", {"host": "x"}))
        assert again.status == 403


async def test_a_tls_handshake_that_never_comes_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(listening, "HANDSHAKE_WITHIN", 0.3)
    files = {
        "NOBREAK_S3_TLS_CERT": str(TLS / "first.crt"),
        "NOBREAK_S3_TLS_KEY": str(TLS / "first.key"),
    }
    async with running_front(tmp_path, **files) as front:
        reader, writer = await front.connect()
        async with asyncio.timeout(3):
            assert await ended(reader)
        writer.close()


def test_idle_connections_leave_descriptors_for_requests_and_for_us():
    for files in (64, 256, 1024, 4096, 20_000, 65_536, 1 << 20):
        limits = limits_of(files)
        assert limits.requests >= FEWEST
        if files >= 1024:
            taken = limits.connections + 2 * limits.requests + limits.to_api
            assert taken + OWN_FILES <= files
    assert limits_of(20_000).connections > 10_000


async def test_an_answer_that_http_cannot_carry_is_an_error_and_told(front, monkeypatch):
    """Such as metadata with a line break, from whoever wrote to the external store directly."""
    from nobreak.faces.s3.answer import Answer  # noqa: PLC0415
    from nobreak.faces.s3.front import Front as Answering  # noqa: PLC0415

    async def answered(*_arguments: object) -> Answer:
        return Answer(200, {"x-amz-meta-a": "b\r\nSet-Cookie: c"})

    monkeypatch.setattr(Answering, "answer", answered)
    (reply,) = await front.exchange(request_bytes("GET", "/shop/k", {"host": "x"}))
    assert (reply.status, reply.code) == (500, "InternalError")
    assert "set-cookie" not in reply.headers
    assert [event.kind for event in front.told if event.kind == "unexpected_error"]


async def test_a_look_that_fails_costs_one_connection_and_is_told(hasty, front, monkeypatch):
    _reader, writer = await front.connect()
    monkeypatch.setattr(patience.PatientHandler, "look", lambda _self, _now, crowded: 1 / 0)
    assert await ended(_reader)
    writer.close()
    monkeypatch.undo()
    (reply,) = await front.exchange(request_bytes("GET", "/", {"host": "x"}))
    assert reply.status == 403
    assert [event.kind for event in front.told if event.kind == "unexpected_error"]


async def test_idle_connections_make_room_when_there_is_hardly_any(tmp_path, hasty, monkeypatch):
    monkeypatch.setattr(serve, "limits_of", lambda _files: Limits(10, 5, 5))
    monkeypatch.setattr(patience, "IDLE_IN_A_CROWD", 0.3)
    async with running_front(tmp_path) as front:
        few = [await front.connect() for _ in range(9)]
        busy = await front.connect()
        busy[1].write(put(front, 3 * 5000) + b"x" * 5000)
        for _ in range(2):
            await asyncio.sleep(0.3)
            busy[1].write(b"x" * 5000)
        uploaded = await read_reply(busy[0])
        assert uploaded is not None
        assert uploaded.status == 200
        ends = [asyncio.create_task(ended(reader)) for reader, _writer in few]
        done, left = await asyncio.wait(ends, timeout=5, return_when=asyncio.FIRST_COMPLETED)
        assert done, "as many as make room, and not one of those that are busy"
        for end in left:
            end.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for _reader, writer in [*few, busy]:
            writer.close()
        await asyncio.sleep(0.1)
        kept = [await front.connect() for _ in range(9)]
        await asyncio.sleep(0.6)
        for reader, writer in kept:
            writer.write(request_bytes("GET", "/", {"host": "x"}))
            reply = await read_reply(reader)
            assert reply is not None
            assert reply.status == 403
            writer.close()
