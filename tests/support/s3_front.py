"""An S3 front in this process, and clients of it: botocore, and raw bytes over TCP."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from tests.support import certificates
from tests.support.net import free_port

from nobreak.app import Nobreak
from nobreak.faces.s3.serve import s3_server
from nobreak.reporting.events import Event
from nobreak.settings import Address, load_settings
from nobreak.stores.external.sigv4 import Credentials, SignedRequest, sign

TLS = certificates.make()
USER = Credentials("user", "secret", "us-east-1")


@dataclass
class Reply:
    """An answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """S3's code, out of the XML; empty when there is none."""
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


class Front:
    """A running front, and everything that it has told."""

    def __init__(self, nobreak: Nobreak, address: Address, told: list[Event]) -> None:
        self.nobreak = nobreak
        self.address = address
        self.told = told

    @property
    def data_dir(self) -> Path:
        return self.nobreak.settings.local.data_dir

    def client(self, *, scheme: str = "http", pair: Credentials = USER, **options: Any) -> Any:
        """botocore, without repeats, of the front."""
        config = {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 0}}
        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=options.pop("endpoint", f"{scheme}://{self.address}"),
            aws_access_key_id=pair.access_key,
            aws_secret_access_key=pair.secret_key,
            region_name="us-east-1",
            config=Config(**{**config, **options.pop("config", {})}),
            **options,
        )

    async def connect(
        self, tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.address.host, self.address.port, ssl=tls)

    async def exchange(self, data: bytes, within: float = 10.0) -> list[Reply]:
        """What comes back for these bytes until the connection closes, or idles."""
        reader, writer = await self.connect()
        replies: list[Reply] = []
        try:
            writer.write(data)
            while (reply := await read_reply(reader, within)) is not None:
                replies.append(reply)
                within = 0.1
        finally:
            writer.close()
        return replies

    def head(
        self, method: str, path: str, headers: dict[str, str] | None = None, query: Any = ()
    ) -> dict[str, str]:
        """Signed headers of a request."""
        own = {"host": str(self.address), **(headers or {})}
        return sign(SignedRequest(method, path, query, own), USER, now=datetime.now(UTC))

    def trace(self) -> list[str]:
        """What there is in storage: entries of the journal, and files of bodies."""
        entries = self.nobreak.journal.tally().entries
        folders = (self.data_dir / "spool", self.data_dir / "blobs")
        files = [str(each) for folder in folders for each in folder.rglob("*") if each.is_file()]
        return [*files, *["entry"] * entries]


async def read_reply(
    reader: asyncio.StreamReader, within: float = 10.0, *, to_head: bool = False
) -> Reply | None:
    """The next answer; None when the connection is closed, reset, or silent for so long."""
    try:
        async with asyncio.timeout(within):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            status = int(lines[0].split()[1])
            pairs = (line.partition(": ") for line in lines[1:] if line)
            headers = {name.lower(): value for name, _, value in pairs}
            length = int(headers.get("content-length", "0"))
            bodiless = to_head or status in {100, 204, 304}
            body = b"" if bodiless else await reader.readexactly(length)
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return None
    return Reply(status, headers, body)


def request_bytes(
    method: str, target: str, headers: dict[str, str], body: bytes = b"", version: str = "1.1"
) -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {target} HTTP/{version}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def running_front(
    tmp_path: Path,
    external: dict[str, str] | None = None,
    *,
    on_sighup: bool = True,
    **settings: str,
) -> AsyncIterator[Front]:
    """A front before `external`, or pinned to local mode before a server that isn't there."""
    (tmp_path / "env").touch()
    nobody = {
        "EXTERNAL_STORAGE_URL": f"s3+http://127.0.0.1:{free_port()}",
        "EXTERNAL_STORAGE_ACCESS_KEY": "external",
        "EXTERNAL_STORAGE_SECRET_KEY": "external-secret",
        "USE_EXTERNAL_STORAGE": "false",
    }
    environment = {
        **(external or nobody),
        "NOBREAK_ACCESS_KEY": USER.access_key,
        "NOBREAK_SECRET_KEY": USER.secret_key,
        "NOBREAK_DATA_DIR": str(tmp_path / "data"),
        "NOBREAK_ENV_FILE": str(tmp_path / "env"),
        "HEALTH_LOG_FILE": str(tmp_path / "health.log"),
        "NOBREAK_S3_LISTEN": "127.0.0.1:0",
        **settings,
    }
    told: list[Event] = []
    async with (
        Nobreak(
            lambda: load_settings(environment), hooks=[told.append], on_sighup=on_sighup
        ) as nobreak,
        s3_server(nobreak) as address,
    ):
        assert address is not None
        yield Front(nobreak, address, told)
