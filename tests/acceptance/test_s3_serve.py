"""The S3 front of a real `nobreak serve`: however many connections come, the journal has the files
that it needs (issue 3, item 6); HTTPS, and a certificate that is renewed (item 5)."""

import asyncio
import resource
import shutil
import signal
import ssl
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.net import eventually, free_port, listening
from tests.support.s3_front import TLS, Front, read_reply, request_bytes

from nobreak.faces.limits import limits_of
from nobreak.settings import Address

OPEN_FILES = 512


@asynccontextmanager
async def served(tmp_path: Path, **settings: str) -> AsyncIterator[tuple[Process, int]]:
    """`nobreak serve` in a process that may open few files, and its port."""
    port = free_port()
    (tmp_path / "env").touch()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nobreak", "serve"),
        env={
            "PATH": "/usr/bin:/bin",
            "EXTERNAL_STORAGE_URL": f"s3+http://127.0.0.1:{free_port()}",
            "EXTERNAL_STORAGE_ACCESS_KEY": "user",
            "EXTERNAL_STORAGE_SECRET_KEY": "secret",
            "USE_EXTERNAL_STORAGE": "false",
            "NOBREAK_DATA_DIR": str(tmp_path / "data"),
            "NOBREAK_ENV_FILE": str(tmp_path / "env"),
            "HEALTH_LOG_FILE": str(tmp_path / "log"),
            "NOBREAK_S3_LISTEN": f"127.0.0.1:{port}",
            "NOBREAK_API_LISTEN": f"127.0.0.1:{free_port()}",
            "NOBREAK_LANG": "en",
            "PYTHONPATH": ":".join(sys.path),
            **settings,
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, OPEN_FILES)),
    )
    try:
        await eventually(lambda: listening(port), within=20)
        yield process, port
    finally:
        process.terminate()
        assert await process.wait() == 0


async def test_a_flood_of_connections_does_not_keep_a_write_from_the_journal(tmp_path):
    """I1, I7; and the soft limit of 64 was raised to the hard one."""
    async with served(tmp_path) as (_process, port):
        await flood(port)


async def test_a_flood_of_connections_to_the_api_is_bounded_too(tmp_path):
    api = free_port()
    async with served(tmp_path, NOBREAK_API_LISTEN=f"127.0.0.1:{api}") as (_process, port):
        most = limits_of(OPEN_FILES).to_api
        held = [await asyncio.open_connection("127.0.0.1", api) for _ in range(most)]
        reader, writer = await asyncio.open_connection("127.0.0.1", api)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await flood(port)
        for _reader, writer in held:
            writer.close()


async def flood(port: int) -> None:
    front = Front(None, Address("127.0.0.1", port), [])
    limits = limits_of(OPEN_FILES)
    held = [await front.connect() for _ in range(limits.connections)]
    reader, writer = await front.connect()
    refused = await read_reply(reader)
    assert refused is not None
    assert (refused.status, refused.code) == (503, "SlowDown")
    writer.close()
    body = b"x" * 400_000  # a file of its own, besides the journal's
    for number, (_reader, writer) in enumerate(held[: limits.requests]):
        path = f"/shop/k{number}"
        headers = {**front.head("PUT", path), "content-length": str(len(body))}
        writer.write(request_bytes("PUT", path, headers, body))
    replies = [await read_reply(reader) for reader, _writer in held[: limits.requests]]
    assert [reply and reply.status for reply in replies] == [200] * limits.requests
    for _reader, writer in held:
        writer.close()


def trusting(name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=TLS / name)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def put(front: Front, tls: ssl.SSLContext, body: bytes) -> int:
    reader, writer = await front.connect(tls)
    headers = {**front.head("PUT", "/shop/k"), "content-length": str(len(body))}
    writer.write(request_bytes("PUT", "/shop/k", headers, body))
    reply = await read_reply(reader)
    writer.close()
    assert reply is not None
    return reply.status


async def test_https_goes_on_with_a_renewed_certificate_after_sighup(tmp_path):
    def install(name: str) -> None:
        shutil.copy(TLS / f"{name}.crt", tmp_path / "cert")
        shutil.copy(TLS / f"{name}.key", tmp_path / "key")

    install("first")
    files = {
        "NOBREAK_S3_TLS_CERT": str(tmp_path / "cert"),
        "NOBREAK_S3_TLS_KEY": str(tmp_path / "key"),
    }
    async with served(tmp_path, **files) as (process, port):
        front = Front(None, Address("127.0.0.1", port), [])
        silent = await front.connect()  # a handshake that never comes holds up nobody
        assert await put(front, trusting("first.crt"), b"x" * 1_000_000) == 200
        install("second")
        process.send_signal(signal.SIGHUP)
        await eventually(lambda: "S3 certificate read again" in (tmp_path / "log").read_text())
        assert await put(front, trusting("second.crt"), b"x") == 200
        silent[1].close()
