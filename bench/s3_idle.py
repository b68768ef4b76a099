"""What 10,000 idle connections, 64 slow uploads of 1 GiB, 64 readers that hardly read and 64 uploads
at full speed cost the S3 front in memory.

`python bench/s3_idle.py [--external seaweed|sink]`: starts `nobreak serve`, pinned to local mode or
before a SeaweedFS or a server that keeps nothing (`sink.py`), and prints its memory and open files in
each case, and that it answers all the while. The uploads at full speed need `--gib` of disk for each
client (0: they are left out).
"""

import argparse
import asyncio
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from usage import Process

from nobreak.demo.seaweed import SeaweedServer
from nobreak.faces.limits import raise_open_files
from nobreak.stores.external.sigv4 import Credentials, SignedRequest, sign

USER = Credentials("user", "secret", "us-east-1")
PORT, API, SINK = 19871, 19872, 19873
GIB = 1 << 30
RESERVE = 2 * GIB
"""So much is left on the disk: more than nobreak keeps free."""
CHUNK_BYTES = 65_536
CHUNK = b"x" * CHUNK_BYTES


def memory(pid: int) -> float:
    """The resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@asynccontextmanager
async def served(
    folder: Path, external: SeaweedServer | str | None
) -> AsyncIterator[asyncio.subprocess.Process]:
    server = external if isinstance(external, SeaweedServer) else None
    endpoint = server.endpoint if server else external or "http://127.0.0.1:9"
    environment = {
        **os.environ,
        "EXTERNAL_STORAGE_URL": f"s3+{endpoint}",
        "EXTERNAL_STORAGE_ACCESS_KEY": server.access_key if server else "a",
        "EXTERNAL_STORAGE_SECRET_KEY": server.secret_key if server else "b",
        "USE_EXTERNAL_STORAGE": "true" if external else "false",
        "NOBREAK_ACCESS_KEY": USER.access_key,
        "NOBREAK_SECRET_KEY": USER.secret_key,
        "NOBREAK_DATA_DIR": str(folder / "data"),
        "NOBREAK_ENV_FILE": str(folder / "env"),
        "HEALTH_LOG_FILE": str(folder / "log"),
        "NOBREAK_S3_LISTEN": f"127.0.0.1:{PORT}",
        "NOBREAK_API_LISTEN": f"127.0.0.1:{API}",
    }
    (folder / "env").touch()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "nobreak",
        "serve",
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                (await asyncio.open_connection("127.0.0.1", PORT))[1].close()
                break
            except OSError:
                await asyncio.sleep(0.1)
        yield process
    finally:
        process.terminate()
        await process.wait()


async def request(
    method: str, path: str, size: int = 0, body: bytes = b""
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose head, and the beginning of whose body, are sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=CHUNK_BYTES)
    head = SignedRequest(method, path, (), {"host": "x"})
    headers = {**sign(head, USER, now=datetime.now(UTC)), "content-length": str(size)}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return reader, writer


async def done(method: str, path: str, body: bytes = b"") -> float:
    """Have a request answered; how long it takes (seconds)."""
    began = time.monotonic()
    reader, writer = await request(method, path, len(body), body)
    status = (await reader.readline()).split()[1]
    writer.close()
    assert status == b"200", status
    return time.monotonic() - began


async def answers() -> str:
    """How long a small PUT takes."""
    return f"a PUT takes {await done('PUT', '/shop/small', b'hello') * 1000:.0f} ms"


async def idle(pid: int, count: int) -> None:
    rest, began = memory(pid), time.monotonic()
    held = [await asyncio.open_connection("127.0.0.1", PORT) for _ in range(count)]
    took = time.monotonic() - began
    await asyncio.sleep(1)
    now, files = memory(pid), open_files(pid)
    print(
        f"{count} idle connections, made in {took:.1f} s: {now:.0f} MiB "
        f"({(now - rest) * 1024 / count:.1f} KiB each), {files} open files; {await answers()}"
    )
    for _reader, writer in held:
        writer.close()
    await asyncio.sleep(2)
    print(f"after they left: {memory(pid):.0f} MiB, {open_files(pid)} open files")


async def slow_uploads(pid: int, count: int, seconds: float, spool: Path) -> None:
    uploads = [await request("PUT", f"/shop/large{n}", GIB, CHUNK) for n in range(count)]
    most, until, sent = 0.0, time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for _reader, writer in uploads:
            writer.write(CHUNK)
            await writer.drain()
            sent += CHUNK_BYTES
        most = max(most, memory(pid))
        await asyncio.sleep(0.05)
    print(
        f"{count} slow uploads of 1 GiB, {sent >> 20} MiB sent: "
        f"at most {most:.0f} MiB; {await answers()}"
    )
    for _reader, writer in uploads:
        writer.transport.abort()
    await asyncio.sleep(2)
    print(
        f"after they were aborted: {memory(pid):.0f} MiB, {len(list(spool.iterdir()))} in the spool"
    )


async def slow_readers(pid: int, count: int, seconds: float) -> None:
    await done("PUT", "/shop/read", CHUNK * 4096)
    readers = [await request("GET", "/shop/read") for _ in range(count)]
    most, until = 0.0, time.monotonic() + seconds
    while time.monotonic() < until:
        for reader, _writer in readers:
            await reader.read(CHUNK_BYTES)
        most = max(most, memory(pid))
        await asyncio.sleep(0.05)
    print(f"{count} slow readers of 256 MiB: at most {most:.0f} MiB; {await answers()}")
    for _reader, writer in readers:
        writer.transport.abort()


async def fast_uploads(pid: int, count: int, size: int) -> None:
    """Each client sends one object as fast as it is taken."""
    nobreak = Process(pid)
    nobreak.forget_peak()

    async def upload(number: int) -> None:
        reader, writer = await request("PUT", f"/shop/fast{number}", size)
        for _ in range(size // CHUNK_BYTES):
            writer.write(CHUNK)
            await writer.drain()
        status = (await reader.readline()).split()[1]
        writer.close()
        assert status == b"200", status

    began = time.monotonic()
    uploads = asyncio.gather(*map(upload, range(count)))
    slowest = 0.0
    while not uploads.done():
        slowest = max(slowest, await done("PUT", "/shop/small", b"hello"))
        await asyncio.wait({uploads}, timeout=0.5)
    await uploads
    rate = count * size / (time.monotonic() - began) / (1 << 20)
    print(
        f"{count} uploads of {size >> 20} MiB at full speed ({rate:.0f} MiB/s in all): at most "
        f"{nobreak.peak():.0f} MiB; a small PUT beside them takes at most {slowest * 1000:.0f} ms"
    )


@asynccontextmanager
async def external_server(
    folder: Path, wanted: str | None
) -> AsyncIterator[SeaweedServer | str | None]:
    if wanted == "seaweed":
        server = SeaweedServer(folder / "weed")
        await server.start()
        try:
            yield server
        finally:
            await server.kill()
    elif wanted == "sink":
        program = str(Path(__file__).parent / "sink.py")
        process = await asyncio.create_subprocess_exec(sys.executable, program, str(SINK))
        try:
            yield f"http://127.0.0.1:{SINK}"
        finally:
            process.kill()
            await process.wait()
    else:
        yield None


def check_room(clients: int) -> None:
    """nobreak refuses an upload whose announced size does not fit beside the others."""
    free, wanted = shutil.disk_usage(tempfile.gettempdir()).free, clients * GIB + RESERVE
    if free < wanted:
        sys.exit(
            f"{clients} uploads of 1 GiB need {wanted >> 30} GiB under {tempfile.gettempdir()}, and "
            f"{free >> 30} GiB are free: fewer --clients, or another TMPDIR"
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--external", choices=["seaweed", "sink"], help="before this server")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--gib", type=float, default=0.25, help="of each upload at full speed")
    asked = parser.parse_args()
    check_room(asked.clients)
    raise_open_files()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            external_server(folder, asked.external) as external,
            served(folder, external) as process,
        ):
            if external:
                await done("PUT", "/shop")
            await answers()
            pid = process.pid
            print(f"at rest: {memory(pid):.0f} MiB, {open_files(pid)} open files")
            await idle(pid, asked.idle)
            await slow_uploads(pid, asked.clients, asked.seconds, folder / "data" / "spool")
            if asked.external != "sink":
                await slow_readers(pid, asked.clients, asked.seconds)
            await fast_uploads(
                pid, asked.clients, int(asked.gib * GIB) // CHUNK_BYTES * CHUNK_BYTES
            )


if __name__ == "__main__":
    asyncio.run(main())
