"""An outage of a real server before a real `nobreak serve`, and how both come out of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
from load import Request, drive, signed

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import SeaweedServer

LOOK_EVERY = 0.05
WITHIN = 180.0
CONNECTIONS = 16
LIVE_BYTES = 4096
READ, KEYS = 64, 20_000
"""What is read, and never written again; and all that is written: uploads have names of their own."""


class Outage:
    """What is done to one nobreak and its server. `files`: what is written in an outage."""

    def __init__(self, server: SeaweedServer, nobreak: NobreakProcess, files: Path) -> None:
        self.server = server
        self.nobreak = nobreak
        self._host = nobreak.s3.removeprefix("http://")
        self._pair = (server.access_key, server.secret_key)
        self._files = files

    async def begin(self, bucket: str) -> None:
        """Kill the server, and write all files to `bucket` by way of nobreak."""
        await self.server.kill()
        paths = sorted(path for path in self._files.rglob("*") if path.is_file())
        await drive(self._host, self._puts(bucket, paths[:1]), 1)
        await self._until(lambda status: status["current_mode"] == "local")
        await drive(self._host, self._puts(bucket, paths), CONNECTIONS)

    async def end(self) -> tuple[float, float]:
        """Start the server; the times of its return and of the recovery (seconds since the epoch)."""
        await self.server.start()
        returned = time.time()
        status = await self._until(lambda status: status["current_mode"] == "external")
        return returned, datetime.fromisoformat(status["transitions"][0]["at"]).timestamp()

    async def drained(self) -> float:
        """Wait for an empty journal; the time of that (seconds since the epoch)."""
        await self._until(lambda status: status["journal"]["entries"] == 0)
        return time.time()

    def _puts(self, bucket: str, paths: list[Path]) -> Iterator[Request]:
        for path in paths:
            place = f"/{bucket}/{path.relative_to(self._files)}"
            yield signed("PUT", self._host, place, self._pair, path.read_bytes(), expects=0)

    async def _until(self, holds: Any) -> Any:
        """Look at the status until `holds`; that status."""
        async with asyncio.timeout(WITHIN), aiohttp.ClientSession() as session:
            while True:
                async with session.get(f"{self.nobreak.base}/api/storage-status") as response:
                    status = await response.json()
                if holds(status):
                    return status
                await asyncio.sleep(LOOK_EVERY)

    @asynccontextmanager
    async def live(self, bucket: str) -> AsyncIterator["Live"]:
        """Steady live traffic through nobreak for as long as the context lasts."""
        live = Live(self._host, self._pair, bucket)
        await drive(self._host, live.preparation(), 1)
        task = asyncio.create_task(drive(self._host, live.requests(), CONNECTIONS))
        try:
            yield live
        finally:
            live.going = False
            await task


class Live:
    """Half PUT, half GET of small objects, each sent as soon as an answer has freed a connection."""

    def __init__(self, host: str, pair: tuple[str, str], bucket: str) -> None:
        self.going = True
        self.count = 0
        body = bytes(LIVE_BYTES)
        self._puts = [
            signed("PUT", host, f"/{bucket}/live/{n}", pair, body, expects=0) for n in range(KEYS)
        ]
        self._gets = [
            signed("GET", host, f"/{bucket}/live/{n}", pair, b"", expects=LIVE_BYTES)
            for n in range(READ)
        ]
        self._since = (time.perf_counter(), 0)

    def preparation(self) -> list[Request]:
        """What has to be there before."""
        return self._puts[:READ]

    def requests(self) -> Iterator[Request]:
        """All requests, until it is over."""
        while self.going:
            turn, read = divmod(self.count, 2)
            yield self._gets[turn % READ] if read else self._puts[READ + turn % (KEYS - READ)]
            self.count += 1

    def begin(self) -> None:
        """Count from now on."""
        self._since = (time.perf_counter(), self.count)

    def rate(self) -> float:
        """Requests per second since then."""
        at, count = self._since
        return (self.count - count) / (time.perf_counter() - at)
