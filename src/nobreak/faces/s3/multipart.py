"""Multipart uploads: ours go through the engine, which carries them through an outage.

An id that we never gave belongs to an upload that was begun on the external store without us: all
that is asked of it passes on.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing

from nobreak.app import Nobreak
from nobreak.engine.completing import request_digest
from nobreak.errors import OutageError, UnavailableError, UnsupportedError
from nobreak.faces.s3.addressing import read_copy_source
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.conditions import check_copy_source, copy_source_range, precondition
from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.kept import kept_headers
from nobreak.faces.s3.list_request import read_number
from nobreak.faces.s3.named import name_of
from nobreak.faces.s3.object_headers import attributes_of
from nobreak.faces.s3.part_checksums import (
    PartChecksum,
    check_stated,
    chosen,
    chosen_headers,
    whole_checksum,
)
from nobreak.faces.s3.part_lists import (
    check_size,
    chosen_parts,
    part_number,
    read_uploads_request,
    shown_part,
    uploads_page,
)
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.writes import CUSTOMER_KEY, NO_CONTENT, OK
from nobreak.faces.s3.xml_in import CompletedPart, read_complete
from nobreak.faces.s3.xml_lists import list_uploads
from nobreak.faces.s3.xml_out import completed, copy_result, initiated, list_parts
from nobreak.stores.external.s3_xml import checksum_element
from nobreak.stores.interfaces import Completion
from nobreak.stores.uploads import NoUploadError, Upload, UploadedPart
from nobreak.words import Attributes, ByteRange, ObjectInfo, ObjectName, RangeRequest

MAX_PARTS_SHOWN = 1000
CHECKSUM_PREFIX = "x-amz-checksum-"


class Multipart:
    """The operations on multipart uploads."""

    def __init__(self, nobreak: Nobreak, passing: Passing) -> None:
        self._store = nobreak.store
        self._uploads = nobreak.store.uploads
        self._passing = passing

    async def create(self, request: S3Request, body: Incoming) -> Answer:
        """CreateMultipartUpload. A secret of the customer never comes to this disk."""
        headers = effective_headers(request)
        if CUSTOMER_KEY in headers:
            return await self._passing.on(request, body)
        choice = chosen_headers(headers)
        plain = attributes_of(request)
        further = {**kept_headers(request), **choice}
        attributes = Attributes(plain.headers, plain.metadata, further)
        upload = await self._uploads.begin(name_of(request), attributes)
        answer = xml_answer(initiated(upload.name, upload.id))
        return Answer(answer.status, {**answer.headers, **choice}, answer.body)

    async def put_part(self, request: S3Request, body: Incoming) -> Answer:
        """UploadPart."""
        upload = self._find(request)
        if upload is None:
            return await self._pass_on(request, body)
        part = await self._take_part(request, upload, body.chunks(), body.size)
        return Answer(OK, {"etag": f'"{part.segment.md5}"', **part.segment.checksums})

    async def copy_part(self, request: S3Request, body: Incoming) -> Answer:
        """UploadPartCopy: the bytes come through here, for they have to be kept."""
        upload = self._find(request)
        if upload is None:
            return await self._pass_on(request, body)
        source = read_copy_source(effective_headers(request)["x-amz-copy-source"])
        if source.version is not None:
            raise UnsupportedError("UploadPartCopy of a version")
        info = await self._store.head(source.name)
        check_copy_source(request.headers, info)
        wanted = copy_source_range(request.headers, info)
        part = await self._copy(request, upload, info, wanted)
        checksums = _elements(part.segment.checksums)
        return xml_answer(copy_result(part.segment.md5, part.modified, checksums, part=True))

    async def complete(self, request: S3Request, body: Incoming) -> Answer:
        """CompleteMultipartUpload; asked again after a success, it says the same again."""
        upload = self._find(request, completed_too=True)
        if upload is None:
            return await self._pass_on(request, body)
        asked = read_complete(await body.whole())
        digest = request_digest([(each.number, each.etag) for each in asked])
        ended = upload.completion
        if ended is None:
            ended = await self._complete(request, upload, asked, digest)
        if ended.request != digest:
            raise S3Error("NoSuchUpload")
        location = f"http://{request.headers.get('host', '')}{request.raw_path}"
        checksums = _elements(ended.checksums)
        return xml_answer(completed(upload.name, ended.etag, location, checksums))

    async def abort(self, request: S3Request, body: Incoming) -> Answer:
        """AbortMultipartUpload."""
        upload = self._find(request)
        if upload is None:
            return await self._pass_on(request, body)
        await self._uploads.abort(upload)
        return Answer(NO_CONTENT)

    async def list_parts(self, request: S3Request, body: Incoming) -> Answer:
        """ListParts."""
        upload = self._find(request)
        if upload is None:
            return await self._pass_on(request, body)
        limit = read_number(request, "max-parts", MAX_PARTS_SHOWN)
        marker = 0
        if request.argument("part-number-marker"):
            marker = read_number(request, "part-number-marker", 10_000)
        parts = self._uploads.parts(upload, after=marker, limit=limit + 1)
        shown = [shown_part(each) for each in parts[:limit]]
        truncated = len(parts) > limit > 0
        return xml_answer(
            list_parts(
                upload.name, upload.id, shown, marker=marker, max_parts=limit, truncated=truncated
            )
        )

    async def list_uploads(self, request: S3Request, _body: Incoming) -> Answer:
        """ListMultipartUploads. Raises `UnavailableError` while only the external store knows all."""
        asked = read_uploads_request(request)
        name = ObjectName(request.bucket or "", "")
        uploads = await self._uploads.under_way(name.bucket, asked.fold.prefix)
        return xml_answer(list_uploads(uploads_page(name, asked, uploads)))

    def _find(self, request: S3Request, *, completed_too: bool = False) -> Upload | None:
        """The upload that a request names; None: it is none of ours. Raises `S3Error`."""
        upload = self._uploads.get(request.argument("uploadId") or "")
        if upload is None:
            return None
        if upload.name != name_of(request) or (upload.completion and not completed_too):
            raise S3Error("NoSuchUpload")
        return upload

    async def _pass_on(self, request: S3Request, body: Incoming) -> Answer:
        try:
            return await self._passing.on(request, body)
        except UnsupportedError as error:
            raise S3Error("NoSuchUpload") from error  # such a store has none that we don't know

    async def _take_part(
        self, request: S3Request, upload: Upload, chunks: AsyncIterator[bytes], size: int | None
    ) -> UploadedPart:
        number = part_number(request)
        checksum = PartChecksum(request, chosen(upload.attributes.s3))

        async def hashed() -> AsyncIterator[bytes]:
            async for piece in chunks:
                checksum.update(piece)
                yield piece

        try:
            return await self._uploads.put_part(
                upload,
                number,
                hashed(),
                size=size,
                checksums=checksum.headers,
                known=checksum.known,
            )
        except NoUploadError as error:
            raise S3Error("NoSuchUpload") from error

    async def _copy(
        self, request: S3Request, upload: Upload, info: ObjectInfo, wanted: ByteRange
    ) -> UploadedPart:
        part_of_it = wanted.length < info.size
        range_ = RangeRequest(wanted.start, wanted.stop - 1) if part_of_it else None
        async with aclosing(await self._store.get(info.name, range_=range_)) as reading:
            if reading.info.etag != info.etag:
                raise UnavailableError(f"{info.name} was overwritten meanwhile")
            try:
                return await self._take_part(request, upload, reading.chunks(), wanted.length)
            except OutageError as error:
                raise UnavailableError(f"{info.name}: {error}") from error

    async def _complete(
        self, request: S3Request, upload: Upload, asked: tuple[CompletedPart, ...], digest: str
    ) -> Completion:
        """How it ended; by somebody else, if several ask at the same time. Raises `S3Error`."""
        kept = {part.number: part for part in self._uploads.parts(upload)}
        parts = chosen_parts(asked, kept)
        choice = upload.attributes.s3
        checksums = whole_checksum(choice, parts)
        check_stated(request.headers, checksums)
        check_size(request.headers, parts)
        further = {n: v for n, v in choice.items() if not n.startswith(CHECKSUM_PREFIX)}
        attributes = Attributes(
            upload.attributes.headers, upload.attributes.metadata, {**further, **checksums}
        )
        try:
            condition = precondition(request.headers)
            await self._uploads.complete(upload, parts, digest, attributes, condition)
        except NoUploadError as error:
            ended = self._uploads.get(upload.id)
            if ended is not None and ended.completion is None:
                raise S3Error("InvalidPart") from error
        ended = self._uploads.get(upload.id)
        if ended is None or ended.completion is None:
            raise S3Error("NoSuchUpload")
        return ended.completion


def _elements(checksums: Mapping[str, str]) -> dict[str, str]:
    """Checksums by the name of their element in XML; their type last."""
    named = {n: text for n, text in checksums.items() if n != "x-amz-checksum-type"}
    found = {checksum_element(name): text for name, text in named.items()}
    type_ = checksums.get("x-amz-checksum-type")
    return {**found, "ChecksumType": type_} if found and type_ else found
