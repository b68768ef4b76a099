"""Reading files from plain HTTP servers (RFC 9110): what WebDAV and upload servers share."""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from nobreak.errors import (
    ExternalError,
    NotFoundError,
    OutageError,
    OutageKind,
    RangeNotSatisfiableError,
    RefusedError,
)
from nobreak.stores.external.body_digest import BodyDigest
from nobreak.stores.external.http import HttpClient
from nobreak.stores.external.http_response import Response
from nobreak.words import (
    CONTENT_HEADERS,
    Attributes,
    ByteRange,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    RangeRequest,
)

OK, PARTIAL, UNSATISFIABLE = 200, 206, 416
ABSENT = frozenset({404, 410})
CHUNK_BYTES = 256 * 1024
PLAIN = {"Accept-Encoding": "identity"}
"""The stored bytes are wanted, not a compressed form of them."""

CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
UNSATISFIED_RANGE = re.compile(r"bytes \*/(\d+)")
EPOCH = datetime.fromtimestamp(0, UTC)


class HttpDownload:
    """The `Download` of an answer that is being read; `skip` bytes at its start are not wanted.

    `md5`: what the server states of exactly the wanted bytes, in hex. Other bytes are never
    delivered whole: the last of them stay here.
    """

    def __init__(
        self,
        info: ObjectInfo,
        wanted: ByteRange,
        response: Response,
        connection: AsyncExitStack,
        *,
        skip: int = 0,
        md5: str | None = None,
    ) -> None:
        self.info = info
        self.start = wanted.start
        self.length = wanted.length
        self._skip = skip
        self._md5 = md5
        self._response = response
        self._connection = connection

    async def chunks(self) -> AsyncIterator[bytes]:
        skip, left = self._skip, self.length
        digest = hashlib.md5() if self._md5 else None
        while left:
            chunk = await self._response.some(min(CHUNK_BYTES, skip + left))
            if not chunk:
                raise OutageError(OutageKind.BROKEN, "the answer ended early", in_doubt=False)
            kept = chunk[skip:]
            skip -= min(skip, len(chunk))
            left -= len(kept)
            if digest is not None:
                digest.update(kept)
                if not left and digest.hexdigest() != self._md5:
                    raise senseless("other bytes than its ETag states")
            if kept:
                yield kept

    async def aclose(self) -> None:
        await self._connection.aclose()


async def open_download(
    http: HttpClient,
    url: str,
    name: ObjectName,
    *,
    range_: RangeRequest | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpDownload:
    """GET `url`. A server that ignores `Range` costs time, and the bytes are cut here.

    Raises `NotFoundError`, `RangeNotSatisfiableError`, `RefusedError`, `OutageError`.
    """
    wanted = {"Range": range_.header()} if range_ else {}
    async with AsyncExitStack() as stack:
        response = await stack.enter_async_context(
            http.request("GET", url, headers={**PLAIN, **wanted, **(headers or {})})
        )
        if response.status == UNSATISFIABLE and range_:
            size = await _size_for_416(http, url, name, response, headers)
            raise RangeNotSatisfiableError(name, size)
        raise_unless_found(response, name)
        info, sent = _extent(response, name, asked=range_ is not None)
        bytes_ = range_.resolve(info.size) if range_ else ByteRange(0, info.size)
        if bytes_ is None:
            raise RangeNotSatisfiableError(name, info.size)
        if not sent.start <= bytes_.start <= bytes_.stop <= sent.stop:
            raise senseless("another range than was asked for")
        skip = bytes_.start - sent.start
        connection = stack.pop_all()
    return HttpDownload(info, bytes_, response, connection, skip=skip)


async def look(
    http: HttpClient, url: str, name: ObjectName, headers: Mapping[str, str] | None = None
) -> tuple[ObjectInfo, Mapping[str, str]]:
    """HEAD `url`: what it says of the object, and its headers. Raises as `open_download`."""
    async with http.request("HEAD", url, headers={**PLAIN, **(headers or {})}) as response:
        raise_unless_found(response, name)
        return info_from(response, name, _length(response)), response.headers


async def read_back(download: HttpDownload, fingerprint: Fingerprint) -> bool:
    """Whether the download gives exactly these bytes; closes it."""
    digest = BodyDigest(fingerprint.segments)
    async with aclosing(download):
        if download.info.size != fingerprint.size:
            return False
        async for chunk in download.chunks():
            digest.update(chunk)
    return digest.fingerprint() == fingerprint


def raise_unless_found(response: Response, name: ObjectName) -> None:
    """Raise unless this is the object or a part of it: `NotFoundError`, or as `refused` says."""
    if response.status in ABSENT:
        raise NotFoundError(name)
    if response.status not in {OK, PARTIAL}:
        raise refused(response)


def refused(response: Response, *, in_doubt: bool = False) -> ExternalError:
    """The answer as an error: these servers have no codes of their own.

    A success where another one was due refuses nothing. It is a senseless answer, an
    `OutageError`: so speak load balancers whose server is away.
    """
    if response.ok:
        return senseless(f"HTTP {response.status} to {response.method}", in_doubt=in_doubt)
    return RefusedError(response.status, response.reason, "")


def info_from(response: Response, name: ObjectName, size: int) -> ObjectInfo:
    """What the headers of an answer say of an object of `size` bytes."""
    headers = response.headers
    content = {header: headers[header] for header in CONTENT_HEADERS if header in headers}
    return ObjectInfo(
        name=name,
        size=size,
        etag=plain_etag(headers.get("ETag", "")),
        modified=http_date(headers.get("Last-Modified", "")),
        attributes=Attributes(headers=content),
        whole=True,
    )


def plain_etag(value: str) -> str:
    """An ETag without quotes and without the mark of weakness (RFC 9110, 8.8.3)."""
    return value.strip().removeprefix("W/").strip('"')


def http_date(value: str) -> datetime:
    """A date as in `Last-Modified`; the epoch when there is none that can be read."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, IndexError, OverflowError):
        return EPOCH
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _extent(response: Response, name: ObjectName, *, asked: bool) -> tuple[ObjectInfo, ByteRange]:
    """What the object is, and which of its bytes this answer carries."""
    length = _length(response)
    if response.status == OK:
        return info_from(response, name, length), ByteRange(0, length)
    match = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match is None or not asked:
        raise senseless("206 without a range")
    first, last, size = map(int, match.groups())
    if last - first + 1 != length or last >= size:
        raise senseless("a Content-Range that contradicts itself")
    return info_from(response, name, size), ByteRange(first, last + 1)


def _length(response: Response) -> int:
    """The Content-Length; without it nobody can tell a whole body from a cut one."""
    if response.content_length is None:
        raise senseless("no Content-Length")
    return response.content_length


async def _size_for_416(
    http: HttpClient,
    url: str,
    name: ObjectName,
    response: Response,
    headers: Mapping[str, str] | None,
) -> int:
    """The object's size, which most servers tell with a 416 and some don't."""
    match = UNSATISFIED_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if match:
        return int(match[1])
    info, _ = await look(http, url, name, headers)
    return info.size


def senseless(what: str, *, in_doubt: bool = False) -> OutageError:
    """The error for an answer that can't be believed."""
    return OutageError(OutageKind.BROKEN, f"a senseless answer: {what}", in_doubt=in_doubt)
