"""Reading the answers to PROPFIND (RFC 4918, 9.1), which are hostile input.

The XML is parsed as it arrives, by expat without a document type: so there are no entities to
expand. Sizes are bounded: of a text, of the nesting, and of the number of entries.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote_to_bytes, urlsplit
from xml.parsers import expat

from nobreak.errors import OutageError, OutageKind, UnsupportedError
from nobreak.stores.external.reading import http_date, plain_etag

MAX_TEXT = 16384
MAX_DEPTH = 32
MAX_ENTRIES = 500_000
"""Of one folder; they are held in memory, since servers send them in no order."""

DAV = "DAV:\n"  # expat writes a name as its namespace, our separator, and itself


class ParseError(Exception):
    """What came is no answer to PROPFIND."""


@dataclass(slots=True)
class Found:
    """One entry of an answer: a file or a folder.

    `path`: its URL path as bytes, unquoted. `size`: of a file, in bytes.
    """

    path: bytes
    properties: dict[str, str] = field(default_factory=dict)
    is_folder: bool = False
    size: int = 0

    @property
    def etag(self) -> str:
        return plain_etag(self.properties.get("getetag", ""))

    @property
    def content_type(self) -> str:
        return self.properties.get("getcontenttype", "")

    @property
    def modified(self) -> datetime:
        return http_date(self.properties.get("getlastmodified", ""))


class MultistatusParser:
    """Calls `found` for each entry of a `multistatus` that is fed in pieces."""

    KEPT = frozenset({"getcontentlength", "getetag", "getcontenttype", "getlastmodified"})

    def __init__(self, found: Callable[[Found], None]) -> None:
        self._found = found
        self._open: list[str] = []
        self._text: list[str] = []
        self._text_size = 0
        self._entry: Found | None = None
        self._pending = Found(b"")
        self._granted = True
        self._parser = expat.ParserCreate(namespace_separator="\n")
        self._parser.buffer_text = True
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Raises `ParseError`."""
        try:
            self._parser.Parse(data, last)
        except expat.ExpatError as error:
            raise ParseError(f"bad XML: {error}") from error

    def _refuse_doctype(self, *_: object) -> None:
        raise ParseError("XML with a document type")

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        if not self._open and tag != f"{DAV}multistatus":
            raise ParseError("no multistatus")
        if len(self._open) >= MAX_DEPTH:
            raise ParseError("XML nested too deeply")
        self._open.append(tag.removeprefix(DAV))
        self._text.clear()
        self._text_size = 0
        match self._open[1:]:
            case ["response"]:
                self._entry = Found(b"")
            case ["response", "propstat"]:
                self._pending, self._granted = Found(b""), True
            case ["response", "propstat", "prop", "resourcetype", "collection"]:
                self._pending.is_folder = True

    def _characters(self, text: str) -> None:
        self._text_size += len(text)
        if self._text_size > MAX_TEXT:
            raise ParseError("a text that is too long")
        self._text.append(text)

    def _end(self, _tag: str) -> None:
        where, text = self._open[1:], "".join(self._text).strip()
        self._open.pop()
        self._text.clear()
        match where, self._entry:
            case ["response", "href"], Found() as entry:
                entry.path = _path_of(text)
            case ["response", "propstat", "status"], _:
                self._granted = " 200" in text
            case ["response", "propstat", "prop", property_], _ if property_ in self.KEPT:
                self._pending.properties[property_] = text
            case ["response", "propstat"], Found() as entry if self._granted:
                entry.properties.update(self._pending.properties)
                entry.is_folder |= self._pending.is_folder
            case ["response"], Found() as entry:
                self._entry = None
                if not entry.is_folder:
                    entry.size = _size_of(entry)
                self._found(entry)


def _path_of(href: str) -> bytes:
    """The path of a href, which may be a whole URL, unquoted."""
    return unquote_to_bytes(href if href.startswith("/") else urlsplit(href).path)


def _size_of(file: Found) -> int:
    text = file.properties.get("getcontentlength", "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004 - 64 bits
        raise ParseError("a file without a size")
    return int(text)


async def parse_multistatus(chunks: AsyncIterator[bytes]) -> list[Found]:
    """All entries of an answer. Raises `OutageError` (BROKEN), `UnsupportedError`."""
    entries: list[Found] = []
    parser = MultistatusParser(entries.append)
    try:
        async for chunk in chunks:
            parser.feed(chunk)
            if len(entries) > MAX_ENTRIES:
                raise UnsupportedError(f"a folder with more than {MAX_ENTRIES} entries")
        parser.feed(b"", last=True)
    except (ParseError, ValueError) as error:
        detail = f"a senseless answer to PROPFIND: {error}"
        raise OutageError(OutageKind.BROKEN, detail, in_doubt=False) from error
    return entries
