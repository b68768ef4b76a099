"""Objects: written through the store, which can divert; read from wherever the newest version is."""

from contextlib import aclosing

from nobreak.app import Nobreak
from nobreak.engine.forwarding import Forwarding
from nobreak.errors import NobreakError, UnavailableError, UnsupportedError
from nobreak.faces.s3.addressing import read_copy_source
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.conditions import (
    check_copy_source,
    has_conditions,
    is_not_modified,
    resolved_range,
    wanted_range,
)
from nobreak.faces.s3.errors import translated
from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.object_headers import (
    attributes_of,
    copied_attributes,
    overrides,
    response_headers,
    version_headers,
)
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.xml_in import read_delete
from nobreak.faces.s3.xml_out import Deletion, copy_result, delete_result
from nobreak.words import Attributes, ObjectName

KEPT = frozenset(
    {
        "x-amz-acl",
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-grant-read-acp",
        "x-amz-grant-write-acp",
        "x-amz-object-lock-legal-hold",
        "x-amz-object-lock-mode",
        "x-amz-object-lock-retain-until-date",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-bucket-key-enabled",
        "x-amz-server-side-encryption-context",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-website-redirect-location",
    }
)
"""What a PUT says to S3 beyond the object: kept with it, and given to the external store later."""
CUSTOMER_KEY = "x-amz-server-side-encryption-customer-key"
"""A secret: never written to this disk, so such a PUT only ever passes through."""
NO_CONTENT, NOT_MODIFIED, PARTIAL, OK = 204, 304, 206, 200
ONLY_WHEN_BACK = "a conditional write can be decided by the external store only, which is away"


class Objects:
    """The operations on single objects, and DeleteObjects."""

    def __init__(self, nobreak: Nobreak, forwarding: Forwarding, passing: Passing) -> None:
        self._store = nobreak.store
        self._forwarding = forwarding
        self._passing = passing

    async def put(self, request: S3Request, body: Incoming) -> Answer:
        """PutObject. What can't be kept here, or can be decided only there, passes through."""
        headers = effective_headers(request)
        if has_conditions(headers) or CUSTOMER_KEY in headers:
            if not self._forwarding.possible:
                raise UnavailableError(ONLY_WHEN_BACK)
            return await self._passing.on(request, body)
        plain = attributes_of(request)
        further = {name: value for name, value in headers.items() if name in KEPT}
        attributes = Attributes(plain.headers, plain.metadata, further)
        info = await self._store.put(
            name_of(request), body.chunks(), attributes=attributes, size=body.size
        )
        return Answer(OK, {"etag": f'"{info.etag}"'})

    async def get(self, request: S3Request, body: Incoming) -> Answer:
        """GetObject: as the external store answers it, or from the journal."""
        if self._asks_external(request):
            return await self._passing.on(request, body, of_object=True)
        info = await self._store.head(name_of(request))
        if is_not_modified(request.headers, info):
            return Answer(NOT_MODIFIED, version_headers(info))
        asked = wanted_range(request.headers, info)
        part = resolved_range(asked, info) if asked else None
        headers = {**response_headers(info, part), **overrides(request)}
        reading = await self._store.get(name_of(request), range_=asked)
        if reading.info.etag != info.etag:
            await reading.aclose()
            return await self.get(request, body)  # overwritten between the two looks
        return Answer(PARTIAL if part else OK, headers, reading.chunks(), reading.aclose)

    async def head(self, request: S3Request, body: Incoming) -> Answer:
        """HeadObject."""
        if self._asks_external(request):
            return await self._passing.on(request, body, of_object=True)
        info = await self._store.head(name_of(request))
        if is_not_modified(request.headers, info):
            return Answer(NOT_MODIFIED, version_headers(info))
        asked = wanted_range(request.headers, info)
        part = resolved_range(asked, info) if asked else None
        headers = {**response_headers(info, part), **overrides(request)}
        return Answer(PARTIAL if part else OK, headers)

    async def delete(self, request: S3Request, body: Incoming) -> Answer:
        """DeleteObject. A version, or a condition, is the external store's to decide."""
        if request.argument("versionId") is not None or has_conditions(request.headers):
            return await self._passing.on(request, body)
        await self._store.delete(name_of(request))
        return Answer(NO_CONTENT)

    async def delete_many(self, request: S3Request, body: Incoming) -> Answer:
        """DeleteObjects: each by itself; those that fail are named in the answer."""
        asked = read_delete(await body.whole())
        if any(each.version or each.etag for each in asked.objects):
            raise UnsupportedError("DeleteObjects of versions, or with conditions")
        deletions = [
            await self._delete_one(ObjectName(request.bucket or "", each.key))
            for each in asked.objects
        ]
        return xml_answer(delete_result(deletions, quiet=asked.quiet))

    async def copy(self, request: S3Request, body: Incoming) -> Answer:
        """CopyObject: by the external store where that knows both, else through here."""
        target = name_of(request)
        source = read_copy_source(effective_headers(request)["x-amz-copy-source"])
        waiting = any(map(self._forwarding.holds_back, (source.name, target)))
        if self._forwarding.possible and not waiting:
            return await self._passing.on(request, body)
        if source.version is not None:
            raise UnavailableError("only the external store has versions")
        async with aclosing(await self._store.get(source.name)) as reading:
            check_copy_source(request.headers, reading.info)
            attributes = copied_attributes(request, reading.info.attributes)
        info = await self._store.copy(source.name, target, attributes=attributes)
        return xml_answer(copy_result(info.etag, info.modified))

    def _asks_external(self, request: S3Request) -> bool:
        """Whether a read is the external store's to answer."""
        if request.argument("versionId") is not None or request.argument("partNumber") is not None:
            return True
        return self._forwarding.possible and not self._forwarding.holds_back(name_of(request))

    async def _delete_one(self, name: ObjectName) -> Deletion:
        try:
            await self._store.delete(name)
        except NobreakError as error:
            return Deletion(name.key, error=translated(error))
        return Deletion(name.key)


def name_of(request: S3Request) -> ObjectName:
    """The object that a request names. Raises `S3Error` when it names none."""
    if request.bucket is None or request.key is None:
        raise S3Error("InvalidURI")
    return ObjectName(request.bucket, request.key)
