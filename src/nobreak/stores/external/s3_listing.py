"""Listings in the order of the keys' bytes, also from servers that keep another order.

SeaweedFS and other servers built on folders list by path: `a/b` before `a-b`, where S3 says
`a-b` first. A page in that order can hide a key from whoever merges it (I2), so from such a
server everything under the prefix is read, and the smallest keys are kept.
"""

import heapq
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from nobreak.errors import OutageError, OutageKind
from nobreak.stores.external.base import Listing
from nobreak.stores.external.s3_client import S3Client, read_answer
from nobreak.stores.external.s3_xml import ListedObject, ListPage, XmlError, read_list_page
from nobreak.words import ObjectInfo, ObjectName

MAX_KEYS = 1000
SERVERS_SORTING_BY_PATH = ("SeaweedFS",)


class S3Lister:
    """ListObjectsV2; remembers whether the server sorts by path."""

    def __init__(self, client: S3Client) -> None:
        self._client = client
        self._sorts_by_path = False

    async def list(self, bucket: str, *, prefix: str, start_after: str, limit: int) -> Listing:
        """At most `limit` objects after `start_after`, in the order of their keys' bytes."""
        if not self._sorts_by_path:
            page = await self._page(bucket, prefix, limit, start_after=start_after)
            if not self._sorts_by_path:
                return _listing(bucket, page.objects, truncated=page.truncated)
        return await self._list_all(bucket, prefix, start_after, limit)

    async def pages(self, bucket: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """All objects of a bucket in the server's own order, each page asked for once."""
        token, truncated = "", True
        while truncated:
            page = await self._page(bucket, "", MAX_KEYS, token=token)
            yield _listing(bucket, page.objects, truncated=page.truncated).objects
            token, truncated = page.token, page.truncated

    async def folder(
        self, bucket: str, folder: str, start_after: str, token: str, limit: int
    ) -> ListPage:
        """A page of the objects right in a folder, in the server's own order."""
        return await self._page(
            bucket, folder, limit, start_after=start_after, token=token, delimiter="/"
        )

    async def _list_all(self, bucket: str, prefix: str, start_after: str, limit: int) -> Listing:
        """Read everything, keep the smallest keys; never more than those and a page in memory."""
        after = _order(start_after)
        kept: list[ListedObject] = []
        token = ""
        truncated = True
        while truncated:
            page = await self._page(bucket, prefix, MAX_KEYS, token=token)
            later = (item for item in page.objects if _order(item.key) > after)
            kept = heapq.nsmallest(limit + 1, [*kept, *later], key=lambda item: _order(item.key))
            token, truncated = page.token, page.truncated
        return _listing(bucket, tuple(kept[:limit]), truncated=len(kept) > limit)

    async def _page(
        self,
        bucket: str,
        prefix: str,
        limit: int,
        *,
        start_after: str = "",
        token: str = "",
        delimiter: str = "",
    ) -> ListPage:
        query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", str(limit))]
        optional = {
            "prefix": prefix,
            "start-after": start_after,
            "continuation-token": token,
            "delimiter": delimiter,
        }
        query += [(name, value) for name, value in optional.items() if value]
        async with self._client.call("GET", bucket, query=query) as response:
            answer = await read_answer(response)
            server = response.headers.get("Server", "")
        try:
            page = read_list_page(answer)
        except XmlError as error:
            raise OutageError(OutageKind.BROKEN, str(error), in_doubt=False) from error
        if page.truncated and not page.token:
            detail = "a senseless answer: a listing that can't be continued"
            raise OutageError(OutageKind.BROKEN, detail, in_doubt=False)
        if sorts_by_path(server, page.objects):
            self._sorts_by_path = True
        return page


def sorts_by_path(server: str, objects: Sequence[ListedObject]) -> bool:
    """Whether a server lists in another order than that of the keys' bytes.

    `server`: its header of that name; `objects`: a page of it.
    """
    keys = [_order(item.key) for item in objects]
    return server.startswith(SERVERS_SORTING_BY_PATH) or keys != sorted(keys)


def _order(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _listing(bucket: str, items: tuple[ListedObject, ...], *, truncated: bool) -> Listing:
    return Listing(tuple(_info(bucket, item) for item in items), truncated)


def _info(bucket: str, item: ListedObject) -> ObjectInfo:
    try:
        modified = datetime.fromisoformat(item.modified)
    except ValueError:
        modified = datetime.fromtimestamp(0, UTC)
    return ObjectInfo(ObjectName(bucket, item.key), item.size, item.etag, modified)
