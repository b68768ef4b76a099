"""S3's XML, read with expat: no document types, no entities of their own, bounded depth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote_plus
from xml.parsers import expat
from xml.sax.saxutils import escape

from nobreak.errors import NobreakError
from nobreak.words import BucketInfo

MAX_DEPTH = 16


class XmlError(NobreakError):
    """Not XML, or XML that nobody should send."""


@dataclass(slots=True)
class Element:
    """An element: its name without namespace, its own text, its children."""

    tag: str
    text: str = ""
    children: "list[Element]" = field(default_factory=list)

    def all(self, tag: str) -> "Iterator[Element]":
        """The children of this name."""
        return (child for child in self.children if child.tag == tag)

    def text_of(self, tag: str, default: str = "") -> str:
        """The text of the first child of this name."""
        return next((child.text for child in self.all(tag)), default)


def parse(document: bytes) -> Element:
    """The root element. Raises `XmlError`."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = builder.refuse
    try:
        parser.Parse(document.strip(), True)
    except expat.ExpatError as error:
        raise XmlError(f"not XML: {error}") from error
    return builder.root.children[0]


def _parse_as(tag: str, document: bytes) -> Element:
    """The root element, which must be of this name: a page in XHTML lists nothing (I2)."""
    root = parse(document)
    if root.tag != tag:
        raise XmlError(f"{root.tag[:100]} instead of {tag}")
    return root


class _Builder:
    def __init__(self) -> None:
        self.root = Element("")
        self._open = [self.root]

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        if len(self._open) > MAX_DEPTH:
            raise XmlError("too many elements inside of each other")
        element = Element(tag.rpartition(":")[2])
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _tag: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].text += text

    def refuse(self, *_declaration: object) -> None:
        raise XmlError("a document type is not allowed")


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as ListObjectsV2 shows it; `modified` is ISO 8601, `etag` has no quotes."""

    key: str
    size: int
    etag: str
    modified: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """One answer of ListObjectsV2; `token` is what continues it."""

    objects: tuple[ListedObject, ...]
    truncated: bool
    token: str
    prefixes: tuple[str, ...] = ()
    """Common prefixes."""


def read_list_page(document: bytes) -> ListPage:
    """Read a ListBucketResult. Raises `XmlError`.

    With `EncodingType` url, keys are form-encoded: a plus sign means a space.
    """
    root = _parse_as("ListBucketResult", document)
    decode = unquote_plus if root.text_of("EncodingType") == "url" else str
    try:
        objects = tuple(
            ListedObject(
                key=decode(item.text_of("Key")),
                size=int(item.text_of("Size")),
                etag=item.text_of("ETag").strip('"'),
                modified=item.text_of("LastModified"),
            )
            for item in root.all("Contents")
        )
    except ValueError as error:
        raise XmlError(f"a listing without sizes: {error}") from error
    truncated = root.text_of("IsTruncated") == "true"
    prefixes = tuple(decode(each.text_of("Prefix")) for each in root.all("CommonPrefixes"))
    return ListPage(objects, truncated, root.text_of("NextContinuationToken"), prefixes)


def read_buckets(document: bytes) -> tuple[BucketInfo, ...]:
    """The buckets in a ListAllMyBucketsResult. Raises `XmlError`."""
    lists = _parse_as("ListAllMyBucketsResult", document).all("Buckets")
    return tuple(
        BucketInfo(bucket.text_of("Name"), _moment(bucket.text_of("CreationDate")))
        for found in lists
        for bucket in found.all("Bucket")
    )


def read_tags(document: bytes) -> dict[str, str]:
    """The tags in a Tagging. Raises `XmlError`."""
    return {
        tag.text_of("Key"): tag.text_of("Value")
        for found in _parse_as("Tagging", document).all("TagSet")
        for tag in found.all("Tag")
    }


def _moment(text: str) -> datetime:
    """A time; the beginning of all times for one that can't be read."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def read_error(document: bytes) -> tuple[str, str]:
    """Code and message of an Error; empty when it is none."""
    try:
        root = parse(document)
    except XmlError:
        return "", ""
    return root.text_of("Code"), root.text_of("Message")


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """A part that an upload is completed from; `checksums` by the name of their header."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


def complete_upload(parts: Sequence[CompletedPart]) -> bytes:
    """The CompleteMultipartUpload of these parts, which are in order."""
    elements = "".join(
        f"<Part><PartNumber>{part.number}</PartNumber><ETag>{escape(part.etag)}</ETag>"
        + "".join(map(_checksum, part.checksums.items()))
        + "</Part>"
        for part in parts
    )
    return f"<CompleteMultipartUpload>{elements}</CompleteMultipartUpload>".encode()


def checksum_element(header: str) -> str:
    """The element that says what this header says: `ChecksumCRC32` for `x-amz-checksum-crc32`."""
    return "Checksum" + header.removeprefix("x-amz-checksum-").upper()


def _checksum(pair: tuple[str, str]) -> str:
    element = checksum_element(pair[0])
    return f"<{element}>{escape(pair[1])}</{element}>"


@dataclass(frozen=True, slots=True)
class ListedUpload:
    """A multipart upload as ListMultipartUploads shows it."""

    key: str
    upload_id: str
    initiated: datetime


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """One answer of ListMultipartUploads; `next_key` and `next_id` are what continues it."""

    uploads: tuple[ListedUpload, ...]
    truncated: bool
    next_key: str
    next_id: str


def _time(text: str) -> datetime:
    """A time in ISO 8601; the epoch for one that can't be read."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def read_uploads(document: bytes) -> UploadsPage:
    """Read a ListMultipartUploadsResult. Raises `XmlError`. Keys as in `read_list_page`."""
    root = _parse_as("ListMultipartUploadsResult", document)
    decode = unquote_plus if root.text_of("EncodingType") == "url" else str
    uploads = tuple(
        ListedUpload(
            decode(each.text_of("Key")), each.text_of("UploadId"), _time(each.text_of("Initiated"))
        )
        for each in root.all("Upload")
    )
    return UploadsPage(
        uploads,
        root.text_of("IsTruncated") == "true",
        decode(root.text_of("NextKeyMarker")),
        root.text_of("NextUploadIdMarker"),
    )


def bucket_location(region: str) -> bytes:
    """The CreateBucketConfiguration for a region."""
    return (
        "<CreateBucketConfiguration><LocationConstraint>"
        f"{escape(region)}"
        "</LocationConstraint></CreateBucketConfiguration>"
    ).encode()
