"""The driver for the seed's form-upload server, which chooses the names of files itself.

`POST /upload` (multipart form, field `file`) → `{success, filename, url, size}`;
`GET /uploads/{filename}`. The server's name of an object is `Receipt.remote`; it has to be
durable before a write is acknowledged, or the object can't be found again.

Every upload makes a new file, so a late one can never overwrite a newer one (I4): an upload of
unknown outcome leaves at worst a file that nobody refers to. So does an overwrite on a server
that can't delete, as the seed's.
"""

import json
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from nobreak.errors import (
    NotFoundError,
    OutageError,
    OutageKind,
    RefusedError,
    UnsupportedError,
)
from nobreak.stores.external.base import Body, Listing, Traits, pages_in_order
from nobreak.stores.external.http import HttpClient, Timeouts
from nobreak.stores.external.http_response import Response
from nobreak.stores.external.reading import (
    ABSENT,
    HttpDownload,
    look,
    open_download,
    read_back,
    refused,
)
from nobreak.stores.external.sending import arrived, exactly
from nobreak.words import (
    Attributes,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    RangeRequest,
    Receipt,
)

MAX_ANSWER_BYTES = 65536
MAX_FILENAME = 1024
LONGEST_STEM, LONGEST_SUFFIX = 100, 20
METHOD_UNKNOWN = frozenset({405, 501})
CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
HEADER_VALUE = re.compile(r"[\x20-\x7e]{1,255}")
OTHER_THAN_SAFE = re.compile(r"[^A-Za-z0-9._-]+")


class UploadStore:
    """The `ExternalStore` at `base_url`, such as `http://host:9000`.

    It has no names of its own for our objects, keeps no attributes and can't list: the catalog
    does all that. The catalog is complete for this kind, since no object can be reached but
    through a receipt; so an object without one does not exist: `NotFoundError`.
    """

    traits = Traits(keeps_attributes=False, chooses_names=True, lists=False)

    def __init__(self, base_url: str, *, timeouts: Timeouts) -> None:
        self._base = base_url.rstrip("/")
        self._http = HttpClient(timeouts)

    async def put(self, name: ObjectName, body: Body, attributes: Attributes) -> Receipt:
        """Upload a new file.

        A body of unknown length is waited for: many such servers, and the proxies before them,
        refuse a form without Content-Length.
        """
        size = body.size if body.size is not None else (await body.finished()).size
        chunks = await arrived(exactly(size, body.chunks()))
        form = Form(form_filename(name.key), attributes.content_type)
        async with self._http.request(
            "POST",
            f"{self._base}/upload",
            headers=form.headers(size),
            data=form.around(chunks),
            changes=True,
        ) as response:
            if response.status >= 300:  # noqa: PLR2004 - not the class of success
                raise refused(response)
            answer = await _read_answer(response)
        return Receipt(remote=_stored_filename(answer, (await body.finished()).size))

    async def get(
        self, name: ObjectName, *, range_: RangeRequest | None = None, receipt: Receipt | None
    ) -> HttpDownload:
        return await open_download(self._http, self._url(name, receipt), name, range_=range_)

    async def head(self, name: ObjectName, *, receipt: Receipt | None) -> ObjectInfo:
        url = self._url(name, receipt)
        try:
            info, _ = await look(self._http, url, name)
        except RefusedError as error:
            if error.status not in METHOD_UNKNOWN:
                raise
            download = await open_download(self._http, url, name)
            await download.aclose()
            return download.info
        return info

    async def delete(self, name: ObjectName, *, receipt: Receipt | None) -> None:
        """Delete the file where the server can; where it can't, forgetting the name is all."""
        try:
            url = self._url(name, receipt)
        except NotFoundError:
            return
        async with self._http.request("DELETE", url, changes=True) as response:
            if response.status >= 300 and response.status not in METHOD_UNKNOWN | ABSENT:  # noqa: PLR2004 - not the class of success
                raise refused(response)

    async def list(
        self,
        bucket: str,  # noqa: ARG002 - the signature is the protocol's
        *,
        prefix: str,  # noqa: ARG002
        start_after: str,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> Listing:
        raise UnsupportedError("an upload server can't list; the catalog does")

    def pages(self, bucket: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        return pages_in_order(self, bucket)

    async def holds(self, name: ObjectName, fingerprint: Fingerprint, receipt: Receipt) -> bool:
        """Reads the bytes back: such a server states no checksum."""
        try:
            download = await self.get(name, receipt=receipt)
        except NotFoundError:
            return False
        return await read_back(download, fingerprint)

    async def ensure_bucket(self, bucket: str) -> None:
        """Such a server knows no buckets."""

    async def delete_bucket(self, bucket: str) -> None:
        """This kind of store has none."""

    async def aclose(self) -> None:
        await self._http.aclose()

    def _url(self, name: ObjectName, receipt: Receipt | None) -> str:
        """The address of the file; what the server called it is one segment, whatever it is."""
        if receipt is None or not receipt.remote:
            raise NotFoundError(name)
        return f"{self._base}/uploads/{quote(receipt.remote, safe='')}"


class Form:
    """A multipart form with one file (RFC 7578), written around the body as it streams."""

    def __init__(self, filename: str, content_type: str) -> None:
        if not HEADER_VALUE.fullmatch(content_type):
            content_type = "application/octet-stream"
        self._boundary = f"nobreak-{secrets.token_hex(16)}"
        self._head = (
            f"--{self._boundary}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\n'
            f"Content-Type: {content_type}\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()

    def headers(self, size: int) -> dict[str, str]:
        """The headers of the request, for a file of `size` bytes."""
        return {
            "Content-Type": f"multipart/form-data; boundary={self._boundary}",
            "Content-Length": str(len(self._head) + size + len(self._tail)),
        }

    async def around(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The whole form, with the file's bytes in its middle."""
        yield self._head
        async for chunk in chunks:
            yield chunk
        yield self._tail


def form_filename(key: str) -> str:
    """The key's last segment in safe ASCII; the extension stays, the server may use it."""
    safe = OTHER_THAN_SAFE.sub("_", key.rstrip("/").rpartition("/")[2]).strip(".")
    suffix = PurePosixPath(safe).suffix[:LONGEST_SUFFIX]
    stem = safe.removesuffix(suffix)[:LONGEST_STEM]
    return (stem or "file") + suffix


async def _read_answer(response: Response) -> dict[str, Any]:
    """The answer to an upload, whatever its content type says; bounded, since it is untrusted."""
    content = await response.read(MAX_ANSWER_BYTES + 1)
    if len(content) > MAX_ANSWER_BYTES:
        raise _senseless("too long")
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        raise _senseless("not JSON") from None
    if not isinstance(answer, dict):
        raise _senseless("not a JSON object")
    return answer


def _stored_filename(answer: dict[str, Any], size: int) -> str:
    """The name that the server chose, after it said that it has `size` bytes."""
    if answer.get("success") is not True:
        message = answer.get("error") or answer.get("message") or answer.get("detail") or ""
        raise RefusedError(200, "not stored", str(message)[:MAX_FILENAME])
    filename = answer.get("filename")
    if not isinstance(filename, str) or not 0 < len(filename) <= MAX_FILENAME:
        raise _senseless("no file name")
    if CONTROL.search(filename) or filename in {".", ".."}:
        raise _senseless("an impossible file name")
    stored = answer.get("size")
    if type(stored) is not int or stored != size:
        raise _senseless(f"it has {stored!r:.40} bytes of {size}")
    return filename


def _senseless(what: str) -> OutageError:
    """The upload's answer can't be believed, so nobody knows what was stored."""
    return OutageError(OutageKind.BROKEN, f"the upload's answer: {what}", in_doubt=True)
