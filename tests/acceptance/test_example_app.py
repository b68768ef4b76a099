"""The example application, run as a user runs it, through a full outage of a real server.

Seed: fallback after three failures, recovery after three successes; I1, I2, I5.
"""

import os
from io import BytesIO
from pathlib import Path

import aiohttp
import pytest
from tests.support.api import storage_environment
from tests.support.net import eventually, free_port
from tests.support.servers import Server

from nobreak.demo.seaweed import SeaweedServer
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store
from nobreak.words import ObjectName


class Client:
    """A user of the example: remembers what was acknowledged."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.acknowledged: dict[str, bytes] = {}

    async def put_photo(self, user: str, size: int) -> str:
        body = os.urandom(size)
        async with self.session.put(f"/users/{user}/photo", data=BytesIO(body)) as answer:
            assert answer.status == 201, await answer.text()
            return self._remember((await answer.json())["url"], body)

    async def upload(self, size: int) -> str:
        body, form = os.urandom(size), aiohttp.FormData()
        form.add_field("file", BytesIO(body), filename="a.jpg", content_type="image/jpeg")
        async with self.session.post("/api/upload", data=form) as answer:
            assert answer.status == 200, await answer.text()
            return self._remember((await answer.json())["url"], body)

    async def reads(self, url: str) -> bool:
        async with self.session.get(url) as answer:
            return answer.status == 200 and await answer.read() == self.acknowledged[url]

    async def status(self) -> dict:
        async with self.session.get("/api/storage-status") as answer:
            return await answer.json()

    async def mode_is(self, mode: str) -> bool:
        return (await self.status())["current_mode"] == mode

    async def drained(self) -> bool:
        return (await self.status())["journal"]["entries"] == 0

    def _remember(self, url: str, body: bytes) -> str:
        self.acknowledged[url] = body
        return url


@pytest.mark.parametrize("kind", ["refuse", "freeze"])
async def test_the_example_survives_an_outage(
    tmp_path: Path, own_seaweed: SeaweedServer, kind: str
):
    port = free_port()
    app = Server(
        ["uvicorn", "examples.fastapi_app:app", "--port", str(port)],
        storage_environment(tmp_path, own_seaweed),
        tmp_path / "app.log",
    )
    await app.start(port)
    try:
        timeout = aiohttp.ClientTimeout(total=2.0)
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=timeout) as session:
            client = Client(session)
            await through_an_outage(client, own_seaweed, kind)
    finally:
        await app.stop()
    await compare_outside(own_seaweed, client.acknowledged)
    log = (tmp_path / "health.log").read_text()
    for line in ("🚨 SERVIDOR EXTERNO INDISPONÍVEL!", "✅ AUTO-RECOVERY COMPLETO"):
        assert line in log
    assert "Traceback" not in (tmp_path / "app.log").read_text()


async def through_an_outage(client: Client, seaweed: SeaweedServer, kind: str) -> None:
    """Every request has two seconds, and none may fail (I5)."""
    before = [await client.put_photo("ana", 400_000), await client.upload(3_000_000)]
    if kind == "freeze":
        seaweed.freeze()
    else:
        await seaweed.kill()
    during = [await client.put_photo(f"user-{n}", 1000 * n) for n in range(20)]
    during += [await client.upload(2_000_000), await client.put_photo("ana", 10)]
    for url in during:
        assert await client.reads(url), "what was written in the outage is read in the outage"
    await eventually(lambda: client.mode_is("local"))
    async with client.session.get(before[1]) as answer:
        assert answer.status == 503, "only the external store has it: an honest answer"
    if kind == "freeze":
        seaweed.thaw()
    else:
        await seaweed.start()
    await eventually(lambda: client.mode_is("external"), within=15)
    await client.upload(500_000)
    await eventually(client.drained, within=20)
    for url in client.acknowledged:
        assert await client.reads(url)


async def compare_outside(seaweed: SeaweedServer, expected: dict[str, bytes]) -> None:
    """Byte for byte, on the external server itself (I1, I3)."""
    store = S3Store(
        seaweed.endpoint,
        access_key=seaweed.access_key,
        secret_key=seaweed.secret_key,
        region=seaweed.region,
        timeouts=Timeouts(),
    )
    for url, body in expected.items():
        name = ObjectName("nobreak", url.removeprefix("/files/"))
        download = await store.get(name, receipt=None)
        assert b"".join([chunk async for chunk in download.chunks()]) == body
        await download.aclose()
    await store.aclose()
