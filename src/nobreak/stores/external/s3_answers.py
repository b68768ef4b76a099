"""Whether a success was said by an S3 server at all.

A load balancer on a bad day, or whatever else listens on the wrong port, says 200 to everything.
It must not confirm a write (I1), nor stand in for an object or for its absence (I2). S3 states
an ETag with every object and never speaks HTML of its own.
"""

from nobreak.errors import OutageError, OutageKind
from nobreak.stores.external.http_response import Response
from nobreak.stores.external.s3_headers import etag_of, extent_of
from nobreak.words import ByteRange

OK, NO_CONTENT, PARTIAL = 200, 204, 206
PAGE = "text/html"


def not_s3(what: str, *, in_doubt: bool) -> OutageError:
    """The error for an answer that makes no sense from an S3 server."""
    return OutageError(OutageKind.BROKEN, f"a senseless answer: {what}", in_doubt=in_doubt)


def stored_etag(response: Response, *, in_doubt: bool) -> str:
    """The ETag of what a PUT stored. Raises `OutageError`."""
    refuse_page(response, in_doubt=in_doubt)
    etag = etag_of(response.headers)
    if not etag:
        raise not_s3("success without an ETag", in_doubt=in_doubt)
    return etag


def object_extent(response: Response) -> tuple[ByteRange, int]:
    """Which bytes of an object this answer is about, and its whole size. Raises `OutageError`."""
    if response.status not in {OK, PARTIAL} or not etag_of(response.headers):
        raise not_s3(f"HTTP {response.status}, and an object without an ETag", in_doubt=False)
    try:
        return extent_of(response.headers)
    except ValueError as error:
        raise not_s3("an object without a size", in_doubt=False) from error


def refuse_page(response: Response, *, in_doubt: bool) -> None:
    """Raise `OutageError` for a page in HTML, where no object was asked for."""
    if response.content_type == PAGE:
        raise not_s3(f"HTTP {response.status} with a page in HTML", in_doubt=in_doubt)


async def says_deleted(response: Response) -> bool:
    """Whether this is S3's own 204; False for an empty 200, which anybody might have said.

    Raises `OutageError` for anything else.
    """
    if response.status == NO_CONTENT:
        return True
    if response.status != OK or await response.some():
        raise not_s3(f"HTTP {response.status} to DELETE", in_doubt=True)
    return False
