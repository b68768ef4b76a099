"""Multipart uploads of S3, request by request: begin, send a part, complete, abort, list.

Until it is completed an upload has no effect on the object, so of all these requests only
`complete` can leave a write in doubt (I4).
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from nobreak.errors import ExternalError, OutageError, OutageKind, RefusedError
from nobreak.stores.external.s3_answers import not_s3, stored_etag
from nobreak.stores.external.s3_client import S3Client, read_answer
from nobreak.stores.external.s3_headers import etag_of, md5_of
from nobreak.stores.external.s3_xml import (
    CompletedPart,
    Element,
    UploadsPage,
    XmlError,
    complete_upload,
    parse,
    read_uploads,
)
from nobreak.stores.external.sending import arrived, exactly, hashed
from nobreak.stores.external.sigv4 import QueryPairs
from nobreak.words import ObjectName, Segment

NO_SUCH_UPLOAD = "NoSuchUpload"
PASSING_ERRORS = frozenset({"InternalError", "ServiceUnavailable", "SlowDown"})
NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that the server has. `etag`: as it was given, quotes included.

    `segment`: what we sent. `compared`: its ETag was the MD5 of that.
    """

    number: int
    etag: str
    segment: Segment
    compared: bool


@dataclass(frozen=True, slots=True)
class CompletedUpload:
    """The object that an upload became; `etag` without quotes, checksums by their element."""

    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


class S3Uploads:
    """See the module. All methods raise what drivers raise (`base`)."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    async def begin(self, name: ObjectName, headers: Mapping[str, str]) -> str:
        """Begin an upload; `headers` are the object's. Its id."""
        async with self._client.call(
            "POST", name.bucket, name.key, query=[("uploads", "")], headers=headers, data=b""
        ) as response:
            upload_id = _parsed(await read_answer(response), in_doubt=False).text_of("UploadId")
        if not upload_id:
            raise OutageError(OutageKind.BROKEN, "an upload without an id", in_doubt=False)
        return upload_id

    async def send(
        self,
        name: ObjectName,
        upload_id: str,
        number: int,
        size: int,
        chunks: AsyncIterator[bytes],
        checksums: Mapping[str, str] = NO_HEADERS,
    ) -> SentPart:
        """Send a part of `size` bytes; `checksums` by the name of their header."""
        digest = hashlib.md5()
        data = await arrived(hashed(digest, exactly(size, chunks)))
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        headers = {"content-length": str(size), **checksums}
        async with self._client.call(
            "PUT", name.bucket, name.key, query=query, headers=headers, data=data
        ) as response:
            stored_etag(response, in_doubt=False)
            etag, stated = response.headers["ETag"], md5_of(response.headers)
        md5 = digest.hexdigest()
        if stated is not None and stated != md5:
            detail = f"part {number} arrived as {stated}, not {md5}"
            raise OutageError(OutageKind.BROKEN, detail, in_doubt=False)
        return SentPart(number, etag, Segment(size, md5, checksums), compared=stated is not None)

    async def complete(
        self,
        name: ObjectName,
        upload_id: str,
        parts: Sequence[CompletedPart],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> CompletedUpload:
        """Make the parts one object. A 200 may still carry an error: S3 answers early."""
        async with self._client.call(
            "POST",
            name.bucket,
            name.key,
            query=[("uploadId", upload_id)],
            headers=headers,
            data=complete_upload(parts),
            changes=True,
        ) as response:
            answer = _parsed(await read_answer(response), in_doubt=True)
        if answer.tag == "Error":
            raise _refusal(answer.text_of("Code"), answer.text_of("Message"))
        etag = etag_of({"ETag": answer.text_of("ETag")})
        if answer.tag != "CompleteMultipartUploadResult" or not etag:
            raise not_s3("an upload completed without an ETag", in_doubt=True)
        found = {each.tag: each.text for each in answer.children if each.tag.startswith("Checksum")}
        return CompletedUpload(etag, found)

    async def abort(self, name: ObjectName, upload_id: str) -> None:
        """Abort an upload; one that is not there (any more) is a success."""
        query = [("uploadId", upload_id)]
        try:
            async with self._client.call("DELETE", name.bucket, name.key, query=query):
                pass
        except RefusedError as error:
            if error.code != NO_SUCH_UPLOAD:
                raise

    async def list(self, bucket: str, query: QueryPairs) -> UploadsPage:
        """One page of the uploads under way; `query`: what S3 takes beside `uploads`."""
        full = [("uploads", ""), *query]
        async with self._client.call("GET", bucket, query=full) as response:
            answer = await read_answer(response)
        try:
            return read_uploads(answer)
        except XmlError as error:
            raise OutageError(OutageKind.BROKEN, str(error), in_doubt=False) from error


def _parsed(answer: bytes, *, in_doubt: bool) -> Element:
    try:
        return parse(answer)
    except XmlError as error:
        raise OutageError(OutageKind.BROKEN, str(error), in_doubt=in_doubt) from error


def _refusal(code: str, message: str) -> ExternalError:
    if code in PASSING_ERRORS:
        return OutageError(OutageKind.STATUS, f"{code}: {message}", in_doubt=True, status=200)
    return RefusedError(400, code, message)
