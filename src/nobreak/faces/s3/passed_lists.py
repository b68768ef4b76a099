"""Lists that the external store answers itself, since the journal could add nothing to them. Pure.

They come back as they are but for the continuation tokens, which become ours: if the mode changes in
the middle of a listing, it goes on from the same place. And but for ETags that we gave out.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape

from nobreak.faces.s3.list_request import ListRequest
from nobreak.faces.s3.request import S3Request
from nobreak.faces.s3.tokens import Place, write_place
from nobreak.stores.external.s3_listing import sorts_by_path
from nobreak.stores.external.s3_xml import ListPage, XmlError, read_list_page
from nobreak.stores.interfaces import Alias

TOKEN = "continuation-token"  # noqa: S105 - the name of an argument
_NEXT = re.compile(rb"<NextContinuationToken>[^<]*</NextContinuationToken>")
_ECHO = re.compile(rb"<ContinuationToken>[^<]*</ContinuationToken>")
_CONTENTS = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_ETAG = re.compile(rb"(?<=<ETag>).*?(?=</ETag>)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PassedList:
    """A page as the external store gave it. `by_path`: in an order of its own."""

    content: bytes
    page: ListPage
    by_path: bool


def as_theirs(request: S3Request, asked: ListRequest) -> S3Request:
    """The request with the external store's own token."""
    theirs = asked.place.theirs if asked.place else ""
    query = ((name, theirs if name == TOKEN else value) for name, value in request.query)
    headers = {n: value for n, value in request.headers.items() if n != "accept-encoding"}
    return replace(request, query=tuple(query), headers=headers)


def read_passed(content: bytes, server: str) -> PassedList | None:
    """Understand a page; `server` is the header of that name. None: it is none."""
    try:
        page = read_list_page(content)
    except XmlError:
        return None
    return PassedList(content, page, sorts_by_path(server, page.objects))


def rewritten(
    passed: PassedList, asked: ListRequest, alias: Callable[[str], Alias | None]
) -> bytes | None:
    """The page for the client; `alias` knows keys with an ETag that we gave out.

    None when it can't be made fit to be continued in any mode.
    """
    content = _with_our_etags(passed, alias)
    page = passed.page
    if asked.version == 1:
        return None if passed.by_path else content  # a marker says nothing of its order
    if content is None or (page.truncated and not page.token):
        return None
    if asked.token is not None:
        echo = f"<ContinuationToken>{escape(asked.token)}</ContinuationToken>".encode()
        content = _ECHO.sub(lambda _: echo, content)
    if not page.truncated:
        return content
    last = max((*(each.key for each in page.objects), *page.prefixes), default="", key=str.encode)
    token = write_place(Place(last, page.token, passed.by_path))
    ours = f"<NextContinuationToken>{token}</NextContinuationToken>".encode()
    content, count = _NEXT.subn(lambda _: ours, content)
    return content if count == 1 and last else None


def _with_our_etags(passed: PassedList, alias: Callable[[str], Alias | None]) -> bytes | None:
    found = {
        number: known
        for number, each in enumerate(passed.page.objects)
        if (known := alias(each.key)) is not None and known.theirs == each.etag
    }
    if not found:
        return passed.content
    blocks = list(_CONTENTS.finditer(passed.content))
    if len(blocks) != len(passed.page.objects):
        return None
    pieces, at = [], 0
    for number, known in found.items():
        block = blocks[number]
        pieces += [
            passed.content[at : block.start()],
            _ETAG.sub(f"&quot;{known.ours}&quot;".encode(), block[0]),
        ]
        at = block.end()
    return b"".join([*pieces, passed.content[at:]])
