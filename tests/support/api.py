"""A nobreak with its API on a free port, in this process, and a client that speaks to it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from nobreak.app import Nobreak
from nobreak.demo.seaweed import SeaweedServer
from nobreak.faces.api import api_server
from nobreak.settings import Address, load_settings


def storage_environment(folder: Path, seaweed: SeaweedServer | None, **more: str) -> dict[str, str]:
    """Quick settings; without a SeaweedFS, an external store that refuses connections."""
    endpoint = seaweed.endpoint if seaweed else "http://127.0.0.1:1"
    (folder / "env").touch()
    return {
        "NOBREAK_ENV_FILE": str(folder / "env"),
        "EXTERNAL_STORAGE_URL": f"s3+{endpoint}",
        "EXTERNAL_STORAGE_ACCESS_KEY": seaweed.access_key if seaweed else "key",
        "EXTERNAL_STORAGE_SECRET_KEY": seaweed.secret_key if seaweed else "secret",
        "NOBREAK_DATA_DIR": str(folder / "data"),
        "HEALTH_LOG_FILE": str(folder / "health.log"),
        "NOBREAK_API_LISTEN": "127.0.0.1:0",
        "NOBREAK_MIN_FREE_BYTES": "1M",
        "HEALTH_CHECK_INTERVAL": "1",
        "HEALTH_CHECK_TIMEOUT": "1",
        "HEALTH_FAST_INTERVAL": "0.1",
        "HEALTH_HOLD_DOWN": "0",
        "NOBREAK_SETTLE": "0.5",
        **more,
    }


@dataclass
class RunningApi:
    """What runs, and how to speak to it."""

    nobreak: Nobreak
    address: Address
    session: aiohttp.ClientSession

    def url(self, path: str) -> URL:
        """An address that goes out exactly as it stands here."""
        return URL(f"http://{self.address}{path}", encoded=True)

    def file(self, key: str) -> URL:
        return self.url("/files/" + quote(key, safe=""))

    async def put(self, key: str, body: Any, **headers: str) -> dict[str, Any]:
        body = BytesIO(body) if isinstance(body, bytes) else body  # aiohttp warns of large bytes
        async with self.session.put(self.file(key), data=body, headers=_dashed(headers)) as answer:
            assert answer.status == 201, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def get(
        self, key: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self.session.get(self.file(key), headers=headers) as answer:
            return answer.status, answer.headers, await answer.read()

    async def choose(self, mode: str) -> dict[str, Any]:
        async with self.session.post(self.url("/api/storage-mode"), json={"mode": mode}) as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def error(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """The status and the `error` of a request that fails."""
        async with self.session.request(method, self.url(path), **options) as answer:
            return answer.status, (await answer.json())["error"]


@asynccontextmanager
async def running_api(environment: Mapping[str, str]) -> AsyncIterator[RunningApi]:
    """Start it, and stop it at the end."""
    async with (
        Nobreak(lambda: load_settings(environment)) as nobreak,
        api_server(nobreak) as address,
        aiohttp.ClientSession(
            auto_decompress=False, timeout=aiohttp.ClientTimeout(total=30)
        ) as session,
    ):
        yield RunningApi(nobreak, address, session)


def _dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
