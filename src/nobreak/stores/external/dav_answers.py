"""What a WebDAV server's answer means: which success is one, and what it states.

Whatever else listens there, such as a load balancer with its page "back soon", says 200 to
everything. RFC 4918 has other words: 201 and 204 to PUT, MOVE and MKCOL, 207 to PROPFIND.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from nobreak.errors import OutageError
from nobreak.stores.external.http_response import Response
from nobreak.stores.external.reading import refused, senseless

OK, CREATED, NO_CONTENT, MULTISTATUS = 200, 201, 204, 207
DONE = frozenset({CREATED, NO_CONTENT})
PAGE = "text/html"


def raise_unless_done(response: Response, *, or_ok: bool = False) -> None:
    """Raise unless this is success: `OutageError` where it is one that means nothing.

    `or_ok`: RFC 9110 allows 200 as well, so plain servers may say it. Not with a page in HTML.
    """
    if response.status in DONE:
        return
    if response.status != OK or not or_ok or response.content_type == PAGE:
        raise refused(response, in_doubt=True)


def stated_md5(headers: Mapping[str, str]) -> str:
    """The MD5 in `OC-Checksum` (ownCloud's), in lower case; empty when there is none."""
    for checksum in headers.get("OC-Checksum", "").split():
        kind, _, value = checksum.partition(":")
        if kind.upper() == "MD5":
            return value.lower()
    return ""


@contextmanager
def nothing_changed() -> Iterator[None]:
    """What fails in here changed nothing that a reader could see: it leaves no doubt (I4)."""
    try:
        yield
    except OutageError as error:
        raise OutageError(error.kind, str(error), in_doubt=False, status=error.status) from error


def not_kept(detail: str) -> OutageError:
    """The error for a PUT that was answered 200 by a server which then does not show the bytes."""
    return senseless(f"HTTP 200 to PUT, but {detail}", in_doubt=True)
