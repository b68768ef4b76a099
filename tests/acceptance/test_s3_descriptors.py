"""Issue 3, item 6: however many connections come, the journal has the files that it needs."""

import asyncio
import resource
import sys

import pytest
from tests.support.net import eventually, free_port, listening
from tests.support.s3_front import Front, read_reply, request_bytes

from nobreak.faces.s3.limits import limits_of
from nobreak.settings import Address

OPEN_FILES = 512


@pytest.fixture
async def port(tmp_path):
    """`nobreak serve` in a process that may open few files."""
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
            "PYTHONPATH": ":".join(sys.path),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, OPEN_FILES)),
    )
    try:
        await eventually(lambda: listening(port), within=20)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def test_a_flood_of_connections_does_not_keep_a_write_from_the_journal(port):
    """I1, I7; and the soft limit of 64 was raised to the hard one."""
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
