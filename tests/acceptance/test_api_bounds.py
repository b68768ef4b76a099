"""Bodies stream through the API in bounded memory, under each server that people use."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.support.api import storage_environment
from tests.support.net import eventually, free_port
from tests.support.servers import Server

MIB = 1024 * 1024
LARGE = 192 * MIB
GROWTH_ALLOWED = 48 * MIB
APP = "examples.fastapi_app:app"


@pytest.fixture(params=["uvicorn", "gunicorn"])
async def running(request, tmp_path: Path) -> AsyncIterator[tuple[Server, int]]:
    """The example as one process; its external store refuses, so all stays here."""
    port = free_port()
    command = {
        "uvicorn": ["uvicorn", APP, "--port", str(port)],
        "gunicorn": ["gunicorn", APP, "-k", "asgi", "-b", f"127.0.0.1:{port}", "-w", "1"],
    }[request.param]
    if request.param == "gunicorn":
        command.append("--no-control-socket")
    server = Server(command, storage_environment(tmp_path, None), tmp_path / "server.log")
    await server.start(port)
    try:
        async with aiohttp.ClientSession() as session:
            await eventually(lambda: answers(session, port))
        yield server, port
    finally:
        await server.stop()


async def answers(session: aiohttp.ClientSession, port: int) -> bool:
    async with session.get(f"http://127.0.0.1:{port}/api/health") as answer:
        return answer.status == 200


def peak_memory(server: Server) -> int:
    """The most that any process of this server ever had resident, in bytes."""
    peaks = []
    for pid in server.titles():
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        peaks.append(int(found[1]) * 1024 if found else 0)
    return max(peaks)


async def zeros() -> AsyncIterator[bytes]:
    for _ in range(LARGE // MIB):
        yield bytes(MIB)


async def test_large_bodies_and_slow_readers_do_not_fill_the_memory(running):
    server, port = running
    url = f"http://127.0.0.1:{port}/files/large"
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            async with session.put(url, data=os.urandom(MIB)) as answer:
                assert answer.status == 201
            async with session.get(url) as answer:
                await answer.read()
        before = peak_memory(server)
        async with session.put(url, data=zeros()) as answer:
            assert (answer.status, (await answer.json())["size"]) == (201, LARGE)
        form = aiohttp.FormData()
        form.add_field("file", zeros(), filename="a.bin")
        async with session.post(f"http://127.0.0.1:{port}/api/upload", data=form) as answer:
            assert (answer.status, (await answer.json())["size"]) == (200, LARGE)
        async with session.get(url) as slow:
            await asyncio.sleep(1)  # nobody reads: the server has to wait
            assert peak_memory(server) - before < GROWTH_ALLOWED
            received = 0
            async for chunk in slow.content.iter_any():
                received += len(chunk)
        assert received == LARGE
    assert peak_memory(server) - before < GROWTH_ALLOWED


async def test_an_upload_that_breaks_off_leaves_no_trace(running, tmp_path):
    """Chunked, so that only the server can know that the end is missing (I1)."""
    server, port = running
    _reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"PUT /files/half HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    writer.write(head.encode() + b"%x\r\n%b\r\n" % (500_000, bytes(500_000)))
    await writer.drain()
    spool = tmp_path / "data" / "spool"
    await eventually(lambda: bool(list(spool.iterdir())))
    writer.close()
    await eventually(lambda: not list(spool.iterdir()))
    async with (
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        session.get("/api/storage-status") as answer,
    ):
        assert (await answer.json())["journal"]["entries"] == 0
    assert server.alive
