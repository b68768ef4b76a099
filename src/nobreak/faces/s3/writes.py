"""Writes of objects: through the store, which can divert them."""

from nobreak.app import Nobreak
from nobreak.errors import NotFoundError
from nobreak.faces.s3.answer import Answer
from nobreak.faces.s3.conditions import precondition
from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.kept import write_headers
from nobreak.faces.s3.named import name_of
from nobreak.faces.s3.object_headers import new_attributes
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.request import S3Request
from nobreak.stores.external.base import Trailer

CUSTOMER_KEY = "x-amz-server-side-encryption-customer-key"
"""A secret: never written to this disk, so such a PUT only ever passes through."""
ONLY_THERE = ("x-amz-if-match-last-modified-time", "x-amz-if-match-size", "x-amz-mfa")
"""What a DELETE may depend on that only the external store knows."""
NO_CONTENT, OK = 204, 200


class Writes:
    """PutObject and DeleteObject."""

    def __init__(self, nobreak: Nobreak, passing: Passing) -> None:
        self._store = nobreak.store
        self._passing = passing

    async def put(self, request: S3Request, body: Incoming) -> Answer:
        """PutObject."""
        headers = effective_headers(request)
        if CUSTOMER_KEY in headers:
            return await self._passing.on(request, body)
        attributes = new_attributes(request)
        info = await self._store.put(
            name_of(request),
            body.chunks(),
            attributes=attributes,
            size=body.size,
            trailer=trailer_of(body),
            precondition=precondition(headers),
        )
        said = write_headers(info.attributes, info.said)
        return Answer(OK, {**said, "etag": f'"{info.etag}"'})

    async def delete(self, request: S3Request, body: Incoming) -> Answer:
        """DeleteObject. A version is the external store's to delete."""
        headers = effective_headers(request)
        versioned = request.argument("versionId") is not None
        if versioned or any(name in headers for name in ONLY_THERE):
            return await self._passing.on(request, body)
        try:
            said = await self._store.delete(name_of(request), precondition=precondition(headers))
        except NotFoundError:
            return Answer(NO_CONTENT)  # there is nothing that a condition could protect
        return Answer(NO_CONTENT, said)


def trailer_of(body: Incoming) -> Trailer | None:
    """The checksum that comes after a body, to be kept with its object."""
    announced = body.trailer
    if announced is None:
        return None
    return Trailer(announced.header, announced.text_length, body.trailing_checksum)
