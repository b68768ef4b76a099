"""The driver of S3-compatible servers: every method one request, large bodies aside."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from urllib.parse import urlencode

from nobreak.errors import (
    NotFoundError,
    OutageError,
    OutageKind,
    RangeNotSatisfiableError,
    RefusedError,
)
from nobreak.stores.external.base import Body, Listing, Trailer, Traits
from nobreak.stores.external.http import HttpClient, Timeouts
from nobreak.stores.external.http_request import RequestBody
from nobreak.stores.external.http_response import Response
from nobreak.stores.external.reading import HttpDownload, read_back
from nobreak.stores.external.s3_answers import object_extent, refuse_page, says_deleted, stored_etag
from nobreak.stores.external.s3_client import S3Client, read_answer
from nobreak.stores.external.s3_headers import (
    TAGGING,
    condition_headers,
    headers_of,
    md5_of,
    object_info,
    said_of,
)
from nobreak.stores.external.s3_listing import MAX_KEYS, S3Lister
from nobreak.stores.external.s3_multipart import MultipartPlan, MultipartSender, Register
from nobreak.stores.external.s3_shown import shown
from nobreak.stores.external.s3_trailer import PAYLOAD, framed, framing_headers
from nobreak.stores.external.s3_uploads import S3Uploads
from nobreak.stores.external.s3_xml import XmlError, bucket_location, read_buckets, read_tags
from nobreak.stores.external.sending import exactly
from nobreak.stores.external.sigv4 import UNSIGNED_PAYLOAD, Credentials
from nobreak.words import (
    Attributes,
    BucketInfo,
    ByteRange,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    Precondition,
    RangeRequest,
    Receipt,
)

NOT_IMPLEMENTED = 501
CONFLICT = 409
SMALL = 256 * 1024
"""A body of no more bytes goes out in one piece, once it is here."""
RANGE_NOT_SATISFIABLE = 416


class S3Store:
    """An `ExternalStore` over S3, path-style. `endpoint`: `http(s)://host:port`."""

    def __init__(
        self,
        endpoint: str,
        *,
        access_key: str,
        secret_key: str,
        region: str,
        timeouts: Timeouts,
        plan: MultipartPlan | None = None,
        register: Register | None = None,
    ) -> None:
        self._http = HttpClient(timeouts)
        self._client = S3Client(endpoint, Credentials(access_key, secret_key, region), self._http)
        self._plan = plan or MultipartPlan()
        self.uploads = S3Uploads(self._client)
        """Multipart uploads, request by request."""
        self._multipart = MultipartSender(self.uploads, self._plan, register)
        self._lister = S3Lister(self._client)

    @property
    def traits(self) -> Traits:
        return Traits(
            keeps_attributes=True,
            chooses_names=False,
            lists=True,
            decides=True,
            etags_of_bytes=True,
            replaces_whole=True,
            shows_many=True,
        )

    @property
    def client(self) -> S3Client:
        """Signed requests of any kind to the same server."""
        return self._client

    async def put(
        self,
        name: ObjectName,
        body: Body,
        attributes: Attributes,
        *,
        precondition: Precondition | None = None,
        trailer: Trailer | None = None,
    ) -> Receipt:
        headers = {**headers_of(attributes), **condition_headers(precondition)}
        size = body.size
        if size is None:
            size = (await body.finished()).size
        if size > self._plan.threshold or (body.fingerprint and body.fingerprint.segments):
            return await self._multipart.put(name, body, size, headers)
        headers["content-length"] = str(size)
        if body.fingerprint is not None:
            digest = bytes.fromhex(body.fingerprint.md5)
            headers["content-md5"] = base64.b64encode(digest).decode()
        payload = UNSIGNED_PAYLOAD
        chunks = exactly(size, body.chunks())
        data: RequestBody = chunks
        if trailer is not None and size:
            headers, payload = framing_headers(size, headers, trailer), PAYLOAD
            data = framed(chunks, trailer)
        elif body.fingerprint is not None and size <= SMALL:
            data = b"".join([chunk async for chunk in chunks])
        async with self._client.call(
            "PUT", name.bucket, name.key, headers=headers, data=data, changes=True, payload=payload
        ) as response:
            etag = stored_etag(response, in_doubt=True)
            stated, said = md5_of(response.headers), said_of(response.headers)
        ours = (await body.finished()).md5
        if stated is not None and stated != ours:
            detail = f"{name} arrived as {stated}, not {ours}"
            raise OutageError(OutageKind.BROKEN, detail, in_doubt=True)
        if name.key.endswith("/"):
            await self._check_kept(name, await body.finished(), Receipt(etag=etag))
        return Receipt(etag=etag, said=said)

    async def _check_kept(
        self, name: ObjectName, fingerprint: Fingerprint, receipt: Receipt
    ) -> None:
        """Some servers (SeaweedFS 4.48) take such a key for a folder, say 200, and drop the bytes.

        Of the key "/" they keep nothing at all, so an empty body is looked for, too.
        """
        if not await self.holds(name, fingerprint, receipt):
            message = "the server does not keep the bytes of a key that ends in '/'"
            raise RefusedError(NOT_IMPLEMENTED, "NotImplemented", message)

    async def get(
        self,
        name: ObjectName,
        *,
        range_: RangeRequest | None = None,
        receipt: Receipt | None = None,  # noqa: ARG002 - the name is enough
    ) -> HttpDownload:
        headers = {"range": range_.header()} if range_ else {}
        async with AsyncExitStack() as stack:
            try:
                response = await stack.enter_async_context(
                    self._client.call("GET", name.bucket, name.key, headers=headers)
                )
            except RefusedError as error:
                if error.status == RANGE_NOT_SATISFIABLE:
                    size = (await self.head(name)).size
                    raise RangeNotSatisfiableError(name, size) from error
                if error.code == "NoSuchKey":
                    raise NotFoundError(name) from error
                raise
            return _download(name, range_, response, stack)

    async def head(
        self,
        name: ObjectName,
        *,
        receipt: Receipt | None = None,  # noqa: ARG002 - the name is enough
    ) -> ObjectInfo:
        return (await self._look(name))[0]

    async def look_whole(self, name: ObjectName) -> ObjectInfo:
        """As `head`, with all that its attributes are: its checksums and its tags, too."""
        info = (await self._look(name, {"x-amz-checksum-mode": "ENABLED"}))[0]
        if info.whole:
            return info
        query = [("tagging", "")]
        async with self._client.call("GET", name.bucket, name.key, query=query) as response:
            answer = await read_answer(response)
        try:
            tags = read_tags(answer)
        except XmlError as error:
            raise OutageError(OutageKind.BROKEN, str(error), in_doubt=False) from error
        s3 = {**info.attributes.s3, TAGGING: urlencode(tags)}
        return replace(info, attributes=replace(info.attributes, s3=s3), whole=True)

    async def delete(
        self,
        name: ObjectName,
        *,
        receipt: Receipt | None = None,  # noqa: ARG002 - the name is enough
        precondition: Precondition | None = None,
    ) -> Receipt:
        headers = condition_headers(precondition)
        try:
            async with self._client.call(
                "DELETE", name.bucket, name.key, headers=headers, changes=True
            ) as response:
                sure = await says_deleted(response)
                said = said_of(response.headers)
        except RefusedError as error:
            if error.code != "NoSuchKey":
                raise
            return Receipt()
        if not sure:
            await self._check_it_is_s3(name)
        return Receipt(said=said)

    async def _check_it_is_s3(self, name: ObjectName) -> None:
        """After an empty 200 to DELETE: whoever also says 200 to this look is no S3 server."""
        try:
            with suppress(NotFoundError, RefusedError):
                await self._look(name)
        except OutageError as error:
            raise OutageError(error.kind, str(error), in_doubt=True, status=error.status) from error

    async def holds(self, name: ObjectName, fingerprint: Fingerprint, receipt: Receipt) -> bool:
        try:
            info, stated = await self._look(name)
        except NotFoundError:
            return False
        if info.size != fingerprint.size:
            return False
        if stated is not None and fingerprint.whole_md5:
            return stated == fingerprint.whole_md5
        if info.etag and info.etag in {receipt.etag, fingerprint.etag}:
            return True
        try:
            return await read_back(await self.get(name), fingerprint)
        except NotFoundError:
            return False

    async def list(self, bucket: str, *, prefix: str, start_after: str, limit: int) -> Listing:
        limit = min(limit, MAX_KEYS)
        return await self._lister.list(bucket, prefix=prefix, start_after=start_after, limit=limit)

    async def shown(
        self, expected: Mapping[ObjectName, tuple[int, frozenset[str]]]
    ) -> frozenset[ObjectName]:
        return await shown(self._lister, expected)

    def pages(self, bucket: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        return self._lister.pages(bucket)

    async def list_buckets(self) -> tuple[BucketInfo, ...]:
        """All buckets that the key pair may see, and when they were made."""
        async with self._client.call("GET") as response:
            answer = await read_answer(response)
        try:
            return read_buckets(answer)
        except XmlError as error:
            raise OutageError(OutageKind.BROKEN, str(error), in_doubt=False) from error

    async def create_bucket(self, bucket: str) -> None:
        """Make a bucket. Raises `RefusedError` (409) when there is one of this name."""
        region = self._client.credentials.region
        data = b"" if region == "us-east-1" else bucket_location(region)
        async with self._client.call("PUT", bucket, data=data, changes=True) as response:
            refuse_page(response, in_doubt=True)

    async def delete_bucket(self, bucket: str) -> None:
        """Delete a bucket. Raises `RefusedError` (409) when it isn't empty."""
        try:
            async with self._client.call("DELETE", bucket, changes=True) as response:
                refuse_page(response, in_doubt=True)
        except RefusedError as error:
            if not error.not_found:
                raise

    async def ensure_bucket(self, bucket: str) -> None:
        """Make the bucket if it isn't there."""
        if await self._has_bucket(bucket):
            return
        try:
            await self.create_bucket(bucket)
        except RefusedError as error:
            if error.status != CONFLICT or not await self._has_bucket(bucket):
                raise

    async def aclose(self) -> None:
        await self._multipart.aclose()
        await self._http.aclose()

    async def _has_bucket(self, bucket: str) -> bool:
        try:
            async with self._client.call("HEAD", bucket) as response:
                refuse_page(response, in_doubt=False)
                return True
        except RefusedError as error:
            if error.not_found:
                return False
            raise

    async def _look(
        self, name: ObjectName, headers: Mapping[str, str] | None = None
    ) -> tuple[ObjectInfo, str | None]:
        """The object and the MD5 that its ETag states, if it states one.

        A 404 to HEAD has no body to tell a missing object from a missing bucket, so we ask.
        """
        try:
            async with self._client.call(
                "HEAD", name.bucket, name.key, headers=headers
            ) as response:
                _, size = object_extent(response)
                info = object_info(name, response.headers, size)
                return info, md5_of(response.headers)
        except RefusedError as error:
            if not error.not_found:
                raise
            if not await self._has_bucket(name.bucket):
                message = f"there is no bucket {name.bucket}"
                raise RefusedError(error.status, "NoSuchBucket", message) from error
            raise NotFoundError(name) from error


def _download(
    name: ObjectName,
    range_: RangeRequest | None,
    response: Response,
    connection: AsyncExitStack,
) -> HttpDownload:
    """The bytes that were asked for, also from a server that ignored the range."""
    sent, size = object_extent(response)
    wanted = range_.resolve(size) if range_ else ByteRange(0, size)
    if wanted is None:
        raise RangeNotSatisfiableError(name, size)
    if not sent.start <= wanted.start <= wanted.stop <= sent.stop:
        detail = "a senseless answer: another range than was asked for"
        raise OutageError(OutageKind.BROKEN, detail, in_doubt=False)
    info = object_info(name, response.headers, size)
    skip = wanted.start - sent.start
    md5 = md5_of(response.headers) if wanted == ByteRange(0, size) else None
    return HttpDownload(info, wanted, response, connection.pop_all(), skip=skip, md5=md5)
