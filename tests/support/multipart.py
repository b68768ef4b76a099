"""A multipart upload as its client sees it, and what is left of one in both stores."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

from tests.support.outage import Shop

MIB = 1024 * 1024
PHASES = ("before", "during", "after")


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass
class Sent:
    """An upload as its client sees it."""

    shop: Shop
    key: str
    pieces: list[bytes] = field(default_factory=lambda: [os.urandom(5 * MIB), os.urandom(70_000)])
    upload_id: str = ""
    parts: list[dict[str, Any]] = field(default_factory=list)
    etag: str = ""

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def expected_etag(self) -> str:
        digests = b"".join(hashlib.md5(each).digest() for each in self.pieces)
        return f'"{md5(digests)}-{len(self.pieces)}"'

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return await self.shop.call(operation, Key=self.key, UploadId=self.upload_id, **arguments)

    async def begin(self, **arguments: Any) -> "Sent":
        answer = await self.shop.call("create_multipart_upload", Key=self.key, **arguments)
        self.upload_id = answer["UploadId"]
        return self

    async def put(self, number: int, **arguments: Any) -> dict[str, Any]:
        content = self.pieces[number - 1]
        answer = await self.call("upload_part", PartNumber=number, Body=content, **arguments)
        assert answer["ETag"] == f'"{md5(content)}"'
        named = {name: answer[name] for name in answer if name.startswith("Checksum")}
        self.parts = [each for each in self.parts if each["PartNumber"] != number]
        self.parts.append({"PartNumber": number, "ETag": answer["ETag"], **named})
        return answer

    async def complete(self, **arguments: Any) -> dict[str, Any]:
        parts = {"Parts": sorted(self.parts, key=lambda each: each["PartNumber"])}
        answer = await self.call("complete_multipart_upload", MultipartUpload=parts, **arguments)
        self.etag = answer["ETag"]
        assert self.etag == self.expected_etag
        return answer

    async def step(self, step: int) -> None:
        acts = [self.begin, lambda: self.put(1), lambda: self.put(2), self.complete]
        await acts[step]()

    async def finish(self) -> None:
        """Send the parts that it has not been told of, and complete it."""
        acked = {each["PartNumber"] for each in self.parts}
        for number in range(1, len(self.pieces) + 1):
            if number not in acked:
                await self.put(number)
        await self.complete()


async def open_there(server: Shop) -> list[str]:
    """The keys of all uploads that are open on the server itself."""
    answer = await server.call("list_multipart_uploads")
    return sorted(each["Key"] for each in answer.get("Uploads", []))


async def nothing_is_open(server: Shop) -> bool:
    return await open_there(server) == []


def part_files(data_dir: Path) -> list[Path]:
    """The files of bodies that are kept in a data directory."""
    return [path for path in (data_dir / "blobs").glob("*/*") if path.is_file()]


async def checked(shop: Shop, upload: Sent) -> None:
    """The object is what was uploaded, under the ETag that its client was given."""
    answer = await shop.call("get_object", Key=upload.key, IfMatch=upload.etag)
    content = await asyncio.to_thread(answer["Body"].read)
    assert content == upload.content
    assert answer["ETag"] == upload.etag
    across = await shop.read(upload.key, Range=f"bytes={5 * MIB - 5}-{5 * MIB + 4}")
    assert across == upload.content[5 * MIB - 5 : 5 * MIB + 5]


class Orderings:
    """An upload for each way in which its four steps can come before, during and after an outage."""

    def __init__(self, shop: Shop) -> None:
        plans = combinations_with_replacement(PHASES, 4)
        self._shop = shop
        self._sent = {plan: Sent(shop, "/".join(plan)) for plan in plans}

    @property
    def uploads(self) -> Sequence[Sent]:
        """All of them."""
        return list(self._sent.values())

    async def play(self, phase: str) -> None:
        """Take the steps of this phase; what is complete by then is read."""
        for plan, upload in self._sent.items():
            for step, when in enumerate(plan):
                if when == phase:
                    await upload.step(step)
            if plan[3] == phase:
                await checked(self._shop, upload)
