"""A real SeaweedFS, a real `nobreak serve` before it, and a look at SeaweedFS past nobreak."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.clients.protocol import Place
from tests.support.cli import Cli, s3_settings
from tests.support.net import eventually, free_port, listening

from nobreak.demo.seaweed import SeaweedServer

SETTINGS = {
    "HEALTH_CHECK_INTERVAL": "1",
    "HEALTH_CHECK_TIMEOUT": "3",
    "HEALTH_FAST_INTERVAL": "0.3",
    "NOBREAK_DIVERT_AFTER": "1",
    "NOBREAK_LANG": "en",
    "NOBREAK_SETTLE": "1",
}


class Outage:
    """The server, the gateway, and the means to take the one away from the other."""

    def __init__(self, server: SeaweedServer, cli: Cli, port: int) -> None:
        self.server = server
        self.folder = cli.folder
        self._cli = cli
        self.endpoint = f"http://127.0.0.1:{port}"
        self._direct = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=server.endpoint,
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def place(self, folder: Path, *, direct: bool = False) -> Place:
        """Where a client works: through nobreak, or at SeaweedFS itself."""
        folder.mkdir(parents=True)
        endpoint = self.server.endpoint if direct else self.endpoint
        return Place(endpoint, self.server.access_key, self.server.secret_key, folder)

    async def nobreak(self, *arguments: str, within: float = 60) -> str:
        """What a command of nobreak prints."""
        ended = await self._cli.run(*arguments, within=within)
        assert ended.code == 0, ended.err or ended.out
        return ended.out

    async def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(await self.nobreak("status", "--json"))
        return status

    async def begin(self) -> None:
        """Kill the server. Nobody waits for the fallback."""
        await self.server.kill()

    async def over(self) -> None:
        """Wait until nobreak is back in mode external and only parked entries are left."""
        await eventually(self._over, within=90, every=0.5)

    async def keys(self, bucket: str) -> set[str]:
        """What the server itself lists."""
        pages = self._direct.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return await asyncio.to_thread(
            lambda: {each["Key"] for page in pages for each in page.get("Contents", ())}
        )

    async def read(self, bucket: str, key: str) -> bytes | None:
        """What the server itself answers; None when it has no such object."""
        try:
            answer = await asyncio.to_thread(self._direct.get_object, Bucket=bucket, Key=key)
        except ClientError:
            return None
        content: bytes = await asyncio.to_thread(answer["Body"].read)
        return content

    async def uploads(self, bucket: str) -> int:
        """How many multipart uploads are under way at the server."""
        answer = await asyncio.to_thread(self._direct.list_multipart_uploads, Bucket=bucket)
        return len(answer.get("Uploads", ()))

    async def _over(self) -> bool:
        status = await self.status()
        journal = status["journal"]
        waiting = journal["entries"] - journal["parked"]
        return status["current_mode"] == "external" and not waiting


@asynccontextmanager
async def running(folder: Path, buckets: tuple[str, ...]) -> AsyncIterator[Outage]:
    """All of it, for as long as the context lasts."""
    server = SeaweedServer(folder / "seaweedfs", buckets=("nobreak", *buckets))
    port = free_port()
    settings = {**SETTINGS, "NOBREAK_S3_LISTEN": f"127.0.0.1:{port}", **s3_settings(server)}
    cli = Cli(folder, **settings)
    await server.start()
    try:
        await cli.serve()
        await eventually(lambda: listening(port), within=10)
        yield Outage(server, cli, port)
    finally:
        cli.close()
        await server.kill()
