"""What 10,000 idle connections and 64 slow uploads of 1 GiB cost the S3 front in memory.

`python bench/s3_idle.py`: starts `nobreak serve` pinned to local mode, prints its memory at rest,
with the idle connections, with the uploads under way, and that it answers all the while.
"""

import argparse
import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from nobreak.faces.limits import raise_open_files
from nobreak.stores.external.sigv4 import Credentials, SignedRequest, sign

USER = Credentials("user", "secret", "us-east-1")
PORT, API = 19871, 19872
GIB = 1 << 30
CHUNK = b"x" * 65_536


def memory(pid: int) -> float:
    """The resident memory of a process in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **os.environ,
        "EXTERNAL_STORAGE_URL": "s3+http://127.0.0.1:9",
        "EXTERNAL_STORAGE_ACCESS_KEY": "a",
        "EXTERNAL_STORAGE_SECRET_KEY": "b",
        "USE_EXTERNAL_STORAGE": "false",
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


async def put(
    key: str, size: int, body: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A PUT whose head, and the beginning of whose body, are sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    head = SignedRequest("PUT", f"/shop/{key}", (), {"host": "x"})
    headers = {**sign(head, USER, now=datetime.now(UTC)), "content-length": str(size)}
    lines = [f"PUT /shop/{key} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return reader, writer


async def answers() -> float:
    """How long a small PUT takes (seconds)."""
    began = time.monotonic()
    reader, writer = await put("small", 5, b"hello")
    status = (await reader.readline()).split()[1]
    writer.close()
    assert status == b"200", status
    return time.monotonic() - began


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--uploads", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0)
    asked = parser.parse_args()
    raise_open_files()
    with tempfile.TemporaryDirectory() as name:
        async with served(Path(name)) as process:
            pid = process.pid
            await answers()
            rest = memory(pid)
            print(f"at rest: {rest:.0f} MiB, {open_files(pid)} open files")
            began = time.monotonic()
            idle = [await asyncio.open_connection("127.0.0.1", PORT) for _ in range(asked.idle)]
            took = time.monotonic() - began
            await asyncio.sleep(1)
            now, files = memory(pid), open_files(pid)
            each = (now - rest) * 1024 / asked.idle
            print(
                f"{asked.idle} idle connections, made in {took:.1f} s: {now:.0f} MiB "
                f"({each:.1f} KiB each), {files} open files; "
                f"a PUT takes {await answers() * 1000:.0f} ms"
            )
            for _reader, writer in idle:
                writer.close()
            await asyncio.sleep(2)
            print(f"after they left: {memory(pid):.0f} MiB, {open_files(pid)} open files")
            uploads = [await put(f"large{n}", GIB, CHUNK) for n in range(asked.uploads)]
            most, until, sent = 0.0, time.monotonic() + asked.seconds, 0
            while time.monotonic() < until:
                for _reader, writer in uploads:
                    writer.write(CHUNK)
                    await writer.drain()
                    sent += len(CHUNK)
                most = max(most, memory(pid))
                await asyncio.sleep(0.05)
            print(
                f"{asked.uploads} slow uploads of 1 GiB, {sent >> 20} MiB sent: "
                f"at most {most:.0f} MiB; a PUT takes {await answers() * 1000:.0f} ms"
            )
            for _reader, writer in uploads:
                writer.transport.abort()
            await asyncio.sleep(2)
            left = list((Path(name) / "data" / "spool").iterdir())
            print(f"after they were aborted: {memory(pid):.0f} MiB, {len(left)} files in the spool")


if __name__ == "__main__":
    asyncio.run(main())
