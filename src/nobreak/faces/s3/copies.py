"""CopyObject: by the external store where that knows both objects, else through here."""

from contextlib import aclosing
from dataclasses import replace

from nobreak.app import Nobreak
from nobreak.engine.forwarding import Forwarding
from nobreak.errors import UnavailableError
from nobreak.faces.s3.addressing import CopySource, read_copy_source
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.conditions import check_copy_source, precondition
from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.kept import checksums_of, write_headers
from nobreak.faces.s3.named import name_of
from nobreak.faces.s3.object_headers import copied_attributes, replaces
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.reads import NULL_VERSION
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.tagging import external_tags
from nobreak.faces.s3.tags import write_tags_header
from nobreak.faces.s3.xml_attributes import checksum_elements
from nobreak.faces.s3.xml_out import copy_result
from nobreak.stores.external.s3_headers import TAGGING
from nobreak.words import Attributes, ObjectName

CUSTOMER_KEYS = (
    "x-amz-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key",
)
"""Secrets: never kept here, so such a copy is the external store's to make."""
UNCHANGED = (
    "This copy request is illegal because it is trying to copy an object to itself without "
    "changing the object's metadata, storage class, website redirect location or encryption "
    "attributes."
)
CHANGES = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption")
OK = 200


class Copies:
    """See the module."""

    def __init__(self, nobreak: Nobreak, forwarding: Forwarding, passing: Passing) -> None:
        self._store = nobreak.store
        self._forwarding = forwarding
        self._passing = passing

    async def copy(self, request: S3Request, body: Incoming) -> Answer:
        """CopyObject."""
        target, headers = name_of(request), effective_headers(request)
        source = read_copy_source(headers["x-amz-copy-source"])
        if self._is_theirs(source, target) or any(name in headers for name in CUSTOMER_KEYS):
            return await self._passing.on(request, body)
        if source.version not in {None, NULL_VERSION}:
            raise UnavailableError("only the external store has versions")
        if source.name == target and not _changes(request):
            raise S3Error("InvalidRequest", UNCHANGED)
        async with aclosing(await self._store.get(source.name)) as reading:
            check_copy_source(headers, reading.info)
            known = await self._with_tags(request, source, reading.info.attributes)
        info = await self._store.copy(
            source.name,
            target,
            attributes=copied_attributes(request, known),
            precondition=precondition(headers),
        )
        checksums = checksum_elements(checksums_of(info.attributes))
        answer = xml_answer(copy_result(info.etag, info.modified, checksums))
        said = write_headers(info.attributes, info.said)
        return Answer(OK, {**said, **answer.headers}, answer.body)

    def _is_theirs(self, source: CopySource, target: ObjectName) -> bool:
        """Whether the external store knows both, and may write the target now."""
        forwarding = self._forwarding
        if not forwarding.possible or forwarding.is_busy(target):
            return False
        return not forwarding.holds_back(source.name)

    async def _with_tags(
        self, request: S3Request, source: CopySource, known: Attributes
    ) -> Attributes:
        """The source's attributes with its tags, which only the external store may know."""
        if replaces(request, "tagging") or self._forwarding.holds_back(source.name):
            return known
        if not self._forwarding.possible:
            return known
        tags = await external_tags(self._forwarding, source.name)
        return replace(known, s3={**known.s3, TAGGING: write_tags_header(tags)}) if tags else known


def _changes(request: S3Request) -> bool:
    """Whether a copy of an object onto itself changes anything."""
    headers = effective_headers(request)
    return replaces(request, "metadata") or any(name in headers for name in CHANGES)
