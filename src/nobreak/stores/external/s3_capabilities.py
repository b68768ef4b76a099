"""What this S3 server really does, found out with canary objects: for `nobreak doctor`.

Some servers ignore conditional writes (then I4 needs another fence), fold keys into each other
or list in an order of their own. Canaries live under one prefix and are deleted afterwards.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass

from nobreak.errors import ExternalError, NotFoundError, RefusedError
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_client import read_answer
from nobreak.stores.external.s3_headers import etag_of
from nobreak.stores.external.s3_xml import read_list_page
from nobreak.words import ObjectName

RIVALS = 8
MAX_KEY_BYTES = 1024

ODD_KEYS = {
    "a//b": "a/b",
    "x/": "x",
    "d/../y": "y",
    "d/./z": "d/z",
    "two words": "two+words",
    "plus+sign": "plus sign",
    "%41": "A",
    "a\N{LATIN SMALL LETTER C WITH CEDILLA}\N{LATIN SMALL LETTER A WITH TILDE}o": "ac\u0327a\u0303o",
    "\N{GRINNING FACE}": "\N{SLIGHTLY SMILING FACE}",
    "back\\slash": "back/slash",
}
"""Each odd key and the one that a careless server takes it for."""


@dataclass(frozen=True, slots=True)
class S3Capabilities:
    """What was found. `keeps_keys`: each odd key, and whether it stays exactly what it is."""

    creates_only_if_absent: bool
    """`If-None-Match: *`: of writes at the same time exactly one wins."""
    replaces_only_if_same: bool
    """`If-Match` with another ETag is refused, with the right one it succeeds."""
    checks_content_md5: bool
    lists_in_key_order: bool
    keeps_longest_key: bool
    """A key of 1,024 bytes without a slash."""
    keeps_keys: Mapping[str, bool]


async def probe_capabilities(store: S3Store, bucket: str, *, prefix: str) -> S3Capabilities:
    """Try everything under `prefix`, which nothing else uses. Raises `OutageError`."""
    canaries = _Canaries(store, bucket, prefix)
    try:
        return S3Capabilities(
            creates_only_if_absent=await canaries.one_creation_wins(),
            replaces_only_if_same=await canaries.replaces_only_if_same(),
            checks_content_md5=await canaries.checks_content_md5(),
            lists_in_key_order=await canaries.lists_in_key_order(),
            keeps_longest_key=await canaries.keeps_longest_key(),
            keeps_keys={key: await canaries.keeps(key, twin) for key, twin in ODD_KEYS.items()},
        )
    finally:
        await canaries.remove()


class _Canaries:
    def __init__(self, store: S3Store, bucket: str, prefix: str) -> None:
        self._store = store
        self._bucket = bucket
        self._prefix = prefix
        self._written: set[str] = set()

    async def one_creation_wins(self) -> bool:
        rivals = [
            self._put("created", str(number).encode(), {"if-none-match": "*"})
            for number in range(RIVALS)
        ]
        outcomes = await asyncio.gather(*rivals)
        return sum(etag is not None for etag in outcomes) == 1

    async def replaces_only_if_same(self) -> bool:
        etag = await self._put("replaced", b"first")
        wrong = await self._put("replaced", b"second", {"if-match": f'"{"0" * 32}"'})
        right = await self._put("replaced", b"third", {"if-match": f'"{etag}"'})
        return etag is not None and wrong is None and right is not None

    async def checks_content_md5(self) -> bool:
        other = base64.b64encode(hashlib.md5(b"other").digest()).decode()
        return await self._put("digest", b"this", {"content-md5": other}) is None

    async def lists_in_key_order(self) -> bool:
        for key in ("order/1", "order-1"):
            await self._put(key, b"")
        listed = await self._listed("order")
        return listed == [self._key("order-1"), self._key("order/1")]

    async def keeps_longest_key(self) -> bool:
        key = "k" * (MAX_KEY_BYTES - len(self._key("").encode()))
        return await self.keeps(key, "k")

    async def keeps(self, key: str, twin: str) -> bool:
        """Whether the key can be written, read, told from its twin and found in a listing."""
        for each in (key, twin):
            if await self._put(each, each.encode()) is None:
                return False
        kept = await self._read(key) == key.encode() and await self._read(twin) == twin.encode()
        return kept and self._key(key) in await self._listed(key)

    async def remove(self) -> None:
        """Delete all canaries, and leave those that the server doesn't let go."""
        for key in self._written:
            with suppress(ExternalError):
                await self._store.delete(ObjectName(self._bucket, key))

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}"

    async def _put(
        self, key: str, content: bytes, headers: Mapping[str, str] | None = None
    ) -> str | None:
        """Write a canary: its ETag, or None when the server refused."""
        full = self._key(key)
        self._written.add(full)
        try:
            async with self._store.client.call(
                "PUT", self._bucket, full, headers=headers, data=content, changes=True
            ) as response:
                return etag_of(response.headers)
        except RefusedError:
            return None

    async def _read(self, key: str) -> bytes | None:
        """The canary's content, or None where it can't be had: confused servers answer 500."""
        try:
            download = await self._store.get(ObjectName(self._bucket, self._key(key)))
            async with aclosing(download):
                return b"".join([chunk async for chunk in download.chunks()])
        except (NotFoundError, ExternalError):
            return None

    async def _listed(self, key: str) -> list[str]:
        """The keys that start like this one, in the server's own order."""
        query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", self._key(key))]
        async with self._store.client.call("GET", self._bucket, query=query) as response:
            page = read_list_page(await read_answer(response))
        return [item.key for item in page.objects]
