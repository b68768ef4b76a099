"""Clients that take their time, on purpose or not: nobody holds anything for ever."""

import asyncio
import time

import aiohttp
import pytest
from tests.support.api import RunningApi, running_api, storage_environment
from tests.support.net import eventually

from nobreak.faces.api import bodies, patience


async def connected(api: RunningApi) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(api.address.host, api.address.port)


@pytest.mark.parametrize("sent", [b"", b"GET /api/health HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_request_that_does_not_come_is_not_waited_for(api, monkeypatch, sent):
    monkeypatch.setattr(patience, "HEAD_WITHIN", 0.2)
    reader, writer = await connected(api)
    writer.write(sent)
    async with asyncio.timeout(2):
        assert await reader.read() == b""
    writer.close()


async def test_a_second_request_that_comes_half_is_not_waited_for(api, monkeypatch):
    monkeypatch.setattr(patience, "HEAD_WITHIN", 0.2)
    reader, writer = await connected(api)
    request = f"GET /api/health HTTP/1.1\r\nHost: {api.address}\r\n\r\n".encode()
    writer.write(request)
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"GET /api")
    async with asyncio.timeout(2):
        await reader.read()
    writer.close()


async def test_a_slow_request_that_comes_is_answered(api, monkeypatch):
    """The deadline is for the head: a body may take longer, piece by piece."""
    monkeypatch.setattr(patience, "HEAD_WITHIN", 0.2)
    reader, writer = await connected(api)
    head = f"PUT /files/slow HTTP/1.1\r\nHost: {api.address}\r\nContent-Length: 4\r\n\r\n"
    writer.write(head.encode())
    for byte in b"body":
        await asyncio.sleep(0.15)
        writer.write(bytes([byte]))
    assert (await reader.readline()).startswith(b"HTTP/1.1 201")
    writer.close()


async def test_a_body_that_stops_arriving_is_given_up_and_leaves_no_trace(
    api, monkeypatch, tmp_path
):
    monkeypatch.setattr(bodies, "SILENCE", 0.2)
    reader, writer = await connected(api)
    head = f"PUT /files/half HTTP/1.1\r\nHost: {api.address}\r\nContent-Length: 900000\r\n\r\n"
    writer.write(head.encode() + bytes(500_000))
    async with asyncio.timeout(2):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
    await eventually(lambda: not list((tmp_path / "data" / "spool").iterdir()))
    assert (await api.get("half"))[0] == 404
    writer.close()


async def test_a_head_that_is_too_long_is_refused(api):
    reader, writer = await connected(api)
    writer.write(b"GET /api/health HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 400")
    writer.close()


async def test_an_answer_under_way_ends_well_when_the_server_stops(tmp_path, seaweed, bucket):
    environment = storage_environment(tmp_path, seaweed, NOBREAK_BUCKET=bucket)
    sent = asyncio.Event()

    async def slowly():
        yield b"first "
        sent.set()
        await asyncio.sleep(0.5)
        yield b"second"

    async with aiohttp.ClientSession() as session:
        async with running_api(environment) as api:
            putting = asyncio.create_task(session.put(api.file("late"), data=slowly()))
            await sent.wait()
            began = time.monotonic()
        assert time.monotonic() - began < 3
        async with await putting as answer:
            assert (answer.status, (await answer.json())["size"]) == (201, 12)
