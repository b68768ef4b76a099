"""The driver of the simulated server: it speaks to it as the S3 driver speaks to a real one."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tests.sim.server import Server

from nobreak.errors import OutageError, RefusedError
from nobreak.stores.external.base import Body, Listing, Trailer, pages_in_order
from nobreak.stores.external.checks import CheckResult, FailureKind
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_uploads import CompletedUpload, SentPart
from nobreak.words import (
    Attributes,
    BucketInfo,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    Precondition,
    Receipt,
    Segment,
)

BUCKET = "nobreak"


class SimStore(S3Store):
    """See the module."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.uploads = SimUploads(server)  # type: ignore[assignment]

    async def _ask(self, what: str, effect: Callable[[], Any], *, changes: bool = False) -> Any:
        return await self._server.ask(what, effect, changes=changes)

    async def put(
        self,
        name: ObjectName,
        body: Body,
        attributes: Attributes,
        *,
        precondition: Precondition | None = None,
        trailer: Trailer | None = None,
    ) -> Receipt:
        content = b"".join([chunk async for chunk in body.chunks()])
        fingerprint = await body.finished()
        etag = fingerprint.md5 if fingerprint.segments else None

        def store() -> str:
            return self._server.put(name, content, attributes, precondition, etag)

        return Receipt(etag=await self._ask(f"write {name.key}", store, changes=True))

    async def get(self, name: ObjectName, *, range_: Any = None, receipt: Any) -> "SimDownload":
        def look() -> tuple[ObjectInfo, bytes]:
            return self._server.info(name), self._server.objects[name].content

        return SimDownload(*await self._ask(f"read {name.key}", look))

    async def head(self, name: ObjectName, *, receipt: Any) -> ObjectInfo:
        info: ObjectInfo = await self._ask(f"read {name.key}", lambda: self._server.info(name))
        return info

    async def look_whole(self, name: ObjectName) -> ObjectInfo:
        return replace(await self.head(name, receipt=None), whole=True)

    async def delete(
        self, name: ObjectName, *, receipt: Any, precondition: Precondition | None = None
    ) -> Receipt | None:
        def remove() -> None:
            self._server.delete(name, precondition)

        await self._ask(f"write {name.key}", remove, changes=True)
        return None

    async def list(self, bucket: str, *, prefix: str, start_after: str, limit: int) -> Listing:
        def look() -> Listing:
            names = sorted(
                name
                for name in self._server.objects
                if name.bucket == bucket and name.key.startswith(prefix) and name.key > start_after
            )
            infos = tuple(self._server.info(name) for name in names[:limit])
            return Listing(infos, len(names) > limit)

        listing: Listing = await self._ask("list", look)
        return listing

    def pages(self, bucket: str) -> AsyncIterator[Any]:
        return pages_in_order(self, bucket)

    async def holds(self, name: ObjectName, fingerprint: Fingerprint, receipt: Any) -> bool:
        def look() -> bool:
            held = self._server.objects.get(name)
            return held is not None and held.etag == fingerprint.md5

        return bool(await self._ask(f"read {name.key}", look))

    async def shown(self, expected: Any) -> frozenset[ObjectName]:
        def look() -> frozenset[ObjectName]:
            objects = self._server.objects
            infos = [self._server.info(name) for name in expected if name in objects]
            return frozenset(
                info.name
                for info in infos
                if info.size == expected[info.name][0] and info.etag in expected[info.name][1]
            )

        found: frozenset[ObjectName] = await self._ask("list", look)
        return found

    async def ensure_bucket(self, bucket: str) -> None:
        await self._ask("bucket", lambda: None)

    async def delete_bucket(self, bucket: str) -> None:
        await self._ask("bucket", lambda: None)

    async def list_buckets(self) -> Sequence[BucketInfo]:  # type: ignore[override]
        made = datetime.fromtimestamp(0, UTC)
        buckets: Sequence[BucketInfo] = await self._ask(
            "bucket", lambda: [BucketInfo(BUCKET, made)]
        )
        return buckets

    async def aclose(self) -> None:
        return


class SimUploads:
    """Multipart uploads of the simulated server."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def begin(self, name: ObjectName, headers: Mapping[str, str]) -> str:
        begin = self._server.begin_upload
        upload_id: str = await self._server.ask(f"upload {name.key}", begin, changes=False)
        return upload_id

    async def send(
        self,
        name: ObjectName,
        upload_id: str,
        number: int,
        size: int,
        chunks: AsyncIterator[bytes],
        checksums: Mapping[str, str],
    ) -> SentPart:
        content = b"".join([chunk async for chunk in chunks])
        put = lambda: self._server.put_part(upload_id, number, content)  # noqa: E731
        etag = await self._server.ask(f"upload {name.key}", put, changes=False)
        segment = Segment(size, hashlib.md5(content).hexdigest(), checksums)
        return SentPart(number, f'"{etag}"', segment, compared=True)

    async def complete(
        self,
        name: ObjectName,
        upload_id: str,
        parts: Sequence[Any],
        headers: Mapping[str, str],
    ) -> CompletedUpload:
        numbers = {each.number: each.etag.strip('"') for each in parts}
        condition = None
        if "if-none-match" in headers:
            condition = Precondition(absent=True)
        elif "if-match" in headers:
            condition = Precondition(frozenset({headers["if-match"].strip('"')}))

        def complete() -> str:
            return self._server.complete(name, upload_id, numbers, condition)

        return CompletedUpload(await self._server.ask(f"write {name.key}", complete, changes=True))

    async def abort(self, name: ObjectName, upload_id: str) -> None:
        def abort() -> None:
            self._server.uploads.pop(upload_id, None)

        await self._server.ask(f"upload {name.key}", abort, changes=False)


@dataclass
class SimDownload:
    """An answer to a GET, whole."""

    info: ObjectInfo
    content: bytes
    start: int = 0

    @property
    def length(self) -> int:
        return len(self.content)

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.content

    async def aclose(self) -> None:
        return


class SimProbe:
    """Asks the server whether it is there, and in doubt whether it stores. `timeout` in seconds."""

    def __init__(self, server: Server, *, doubt: bool, timeout: float) -> None:
        self._server, self._doubt, self._timeout = server, doubt, timeout

    async def check(self) -> CheckResult:
        try:
            async with asyncio.timeout(self._timeout):
                await self._server.ask("probe", lambda: None, changes=self._doubt)
        except (OutageError, TimeoutError):
            return CheckResult(ok=False, seconds=0.0, kind=FailureKind.TIMEOUT, detail="away")
        except RefusedError:
            pass
        return CheckResult(ok=True, seconds=0.0)
