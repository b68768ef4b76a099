"""Readers of a multipart object that waits here, while the drain takes it away: real processes."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tests.support.machine import SETTINGS
from tests.support.multipart import MIB, Sent, part_files
from tests.support.net import eventually
from tests.support.outage import BUCKET, Shop
from tests.support.status import status_is

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import SeaweedServer

PIECE = 12 * MIB
"""More than the buffers between the two sides take: the later parts are not opened yet."""


class Reader:
    """A client that has begun to read and takes its time."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        self._taken = b""

    async def begin(self) -> "Reader":
        self._answer = await self._session.get(self._url)
        assert self._answer.status == 200
        self._taken = await self._answer.content.readexactly(100)
        return self

    async def rest(self) -> bytes:
        """All bytes. Raises what aiohttp does when the answer ends early."""
        return self._taken + await self._answer.read()

    def hang_up(self) -> None:
        self._answer.close()


@dataclass
class Pair:
    """Two processes with one data directory; the first one leads, and drains."""

    server: SeaweedServer
    processes: list[NobreakProcess]
    session: aiohttp.ClientSession

    @property
    def data_dir(self) -> Path:
        return Path(self.processes[0].settings["NOBREAK_DATA_DIR"])

    def shop(self, process: NobreakProcess) -> Shop:
        return Shop(process.s3, self.server, retries={"max_attempts": 0})

    async def readers(self, key: str) -> list[Reader]:
        """One on each process, in the middle of this object."""
        urls = [self.shop(each).presigned("get_object", key) for each in self.processes]
        return [await Reader(self.session, url).begin() for url in urls]

    async def recovered(self) -> bool:
        return await status_is(self.processes[0], mode="external", entries=0)

    def alarms(self) -> list[str]:
        """What was said of damaged bytes."""
        logs = [each.health_log.read_text() for each in self.processes]
        return [line for log in logs for line in log.splitlines() if "CORRUPT" in line]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    server = SeaweedServer(tmp_path / "seaweedfs", buckets=(BUCKET,))
    settings = {**SETTINGS, "NOBREAK_DATA_DIR": str(tmp_path / "data")}
    processes = [NobreakProcess(tmp_path / name, server, settings) for name in ("one", "two")]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.kill)
        await server.start()
        for each in processes:
            stack.push_async_callback(each.kill)
            await each.start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        running = Pair(server, processes, session)
        await eventually(running.recovered, within=30)
        yield running


async def test_who_reads_an_object_in_parts_reads_it_to_its_end_whatever_leaves_meanwhile(pair):
    """I2: in the process that drains and in another one; also what was overwritten."""
    await pair.server.kill()
    uploads = {}
    for key, process in (("kept", pair.processes[1]), ("overwritten", pair.processes[0])):
        pieces = [os.urandom(PIECE) for _ in range(3)]
        uploads[key] = await Sent(pair.shop(process), key, pieces).begin()
        await uploads[key].finish()
    readers = {key: await pair.readers(key) for key in uploads}
    gone_soon = await pair.readers("kept")
    await pair.shop(pair.processes[0]).call("put_object", Key="overwritten", Body=b"newer")

    await pair.server.start()
    await eventually(pair.recovered, within=60)
    direct = Shop(pair.server.endpoint, pair.server)
    assert await direct.read("kept") == uploads["kept"].content
    assert await direct.read("overwritten") == b"newer"
    assert len(part_files(pair.data_dir)) == 6
    for reader in gone_soon:
        reader.hang_up()
    for key, each in readers.items():
        contents = await asyncio.gather(*(reader.rest() for reader in each))
        assert [content == uploads[key].content for content in contents] == [True, True]
    await eventually(lambda: part_files(pair.data_dir) == [])
    assert pair.alarms() == []
