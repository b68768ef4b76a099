"""An S3 front before a real SeaweedFS that can be taken away, and botocore as a client of both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.net import eventually

from nobreak.app import Nobreak
from nobreak.demo.seaweed import SeaweedServer
from nobreak.faces.s3.serve import s3_server
from nobreak.settings import load_settings
from nobreak.stores.external.sigv4 import Credentials

BUCKET = "shop"


class Shop:
    """A client with its default settings, of the front or of SeaweedFS itself."""

    def __init__(self, endpoint: str, server: SeaweedServer | Credentials, **config: Any) -> None:
        self._client = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=endpoint,
            aws_access_key_id=server.access_key,
            aws_secret_access_key=server.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, **config),
        )

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        arguments = {"Bucket": BUCKET, **arguments}
        answer: dict[str, Any] = await asyncio.to_thread(
            getattr(self._client, operation), **arguments
        )
        return answer

    async def read(self, key: str, **arguments: Any) -> bytes:
        answer = await self.call("get_object", Key=key, **arguments)
        content: bytes = await asyncio.to_thread(answer["Body"].read)
        return content

    async def keys(self, prefix: str = "") -> list[str]:
        found = (await self.call("list_objects_v2", Prefix=prefix)).get("Contents", [])
        return [each["Key"] for each in found]

    def presigned(self, operation: str, key: str, **arguments: Any) -> str:
        url: str = self._client.generate_presigned_url(
            operation, Params={"Bucket": BUCKET, "Key": key, **arguments}
        )
        return url

    async def code_of(self, operation: str, **arguments: Any) -> tuple[int, str, dict[str, str]]:
        """The status, code and headers of a refusal."""
        with pytest.raises(ClientError) as caught:
            await self.call(operation, **arguments)
        answer = caught.value.response
        meta = answer["ResponseMetadata"]
        return meta["HTTPStatusCode"], answer["Error"]["Code"], meta["HTTPHeaders"]


class Outage:
    """A SeaweedFS, a nobreak before it, and clients of both."""

    def __init__(self, server: SeaweedServer, nobreak: Nobreak, address: str) -> None:
        self.server = server
        self.nobreak = nobreak
        self.address = address
        self.front = Shop(f"http://{address}", server, retries={"max_attempts": 0})
        self.direct = Shop(server.endpoint, server)

    async def begin(self) -> None:
        await self.server.kill()

    async def end(self) -> None:
        await self.server.start()
        await eventually(self.is_over, within=60)

    def is_over(self) -> bool:
        """Mode external, and nothing waits."""
        status = self.nobreak.status()
        return status["current_mode"] == "external" and not status["journal"]["entries"]


@asynccontextmanager
async def started(tmp_path: Path, server: SeaweedServer, **more: str) -> AsyncIterator[Outage]:
    """All of it. What a busy machine does slowly is still the external store's to decide."""
    (tmp_path / "env").touch()
    environment = {
        "EXTERNAL_STORAGE_URL": f"s3+{server.endpoint}",
        "EXTERNAL_STORAGE_ACCESS_KEY": server.access_key,
        "EXTERNAL_STORAGE_SECRET_KEY": server.secret_key,
        "NOBREAK_DATA_DIR": str(tmp_path / "data"),
        "NOBREAK_ENV_FILE": str(tmp_path / "env"),
        "HEALTH_LOG_FILE": str(tmp_path / "health.log"),
        "HEALTH_CHECK_INTERVAL": "1",
        "HEALTH_CHECK_TIMEOUT": "5",
        "HEALTH_FAST_INTERVAL": "0.3",
        "NOBREAK_SETTLE": "1",
        "NOBREAK_DIVERT_AFTER": "5",
        "NOBREAK_S3_LISTEN": "127.0.0.1:0",
        **more,
    }
    async with (
        Nobreak(lambda: load_settings(environment)) as nobreak,
        s3_server(nobreak) as address,
    ):
        yield Outage(server, nobreak, str(address))
