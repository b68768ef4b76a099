"""S3's requests in XML: no document types, no entities, bounded size, depth and count.

All readers raise `S3Error`: `MalformedXML`, or the code that S3 has for the case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.tags import checked_tags
from nobreak.stores.external.s3_xml import Element, XmlError, parse

MAX_OBJECTS = 1000
MAX_PARTS = 10_000
_SMALL_BYTES = 64 * 1024
_LARGE_BYTES = 8 * 1024 * 1024
_TAGS_PER_ITEM = 12
"""Starts and ends of elements that an object or a part may come in, with room to spare."""
_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class ObjectToDelete:
    """An object of DeleteObjects; `etag`, without quotes: only if it has that one."""

    key: str
    version: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """DeleteObjects; `quiet`: only failures are to be told."""

    objects: tuple[ObjectToDelete, ...]
    quiet: bool


@dataclass(frozen=True, slots=True)
class CompletedPart:
    """A part that CompleteMultipartUpload names; `etag` without quotes."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    """By the name of their elements, such as `ChecksumCRC32`."""


def read_delete(body: bytes) -> DeleteRequest:
    """The objects that DeleteObjects names: 1 to 1,000 of them."""
    root = _root(body, "Delete", most=MAX_OBJECTS)
    objects = tuple(map(_object_to_delete, root.all("Object")))
    if not 1 <= len(objects) <= MAX_OBJECTS:
        raise S3Error("MalformedXML", f"DeleteObjects takes 1 to {MAX_OBJECTS} objects.")
    return DeleteRequest(objects, quiet=_boolean(root.text_of("Quiet", "false")))


def read_complete(body: bytes) -> tuple[CompletedPart, ...]:
    """The parts that CompleteMultipartUpload names: 1 to 10,000, in ascending order."""
    root = _root(body, "CompleteMultipartUpload", most=MAX_PARTS)
    parts = tuple(map(_completed_part, root.all("Part")))
    if not 1 <= len(parts) <= MAX_PARTS:
        raise S3Error("MalformedXML", f"An upload is completed from 1 to {MAX_PARTS} parts.")
    numbers = [part.number for part in parts]
    if numbers != sorted(set(numbers)):
        raise S3Error("InvalidPartOrder")
    return parts


def read_bucket_configuration(body: bytes) -> str | None:
    """The region that CreateBucket names; None when it names none."""
    if not body.strip():
        return None
    return _root(body, "CreateBucketConfiguration").text_of("LocationConstraint").strip() or None


def read_tagging(body: bytes) -> dict[str, str]:
    """The tags of PutObjectTagging."""
    sets = list(_root(body, "Tagging").all("TagSet"))
    if len(sets) != 1:
        raise S3Error("MalformedXML")
    return checked_tags([(_only(tag, "Key"), _only(tag, "Value")) for tag in sets[0].all("Tag")])


def _root(body: bytes, name: str, most: int = 0) -> Element:
    """The root element, of this name; `most`: of how many items the document may be made."""
    large = most > 0
    if len(body) > (_LARGE_BYTES if large else _SMALL_BYTES):
        raise S3Error("MalformedXML", "The XML is too large.")
    if body.count(b"<") > _TAGS_PER_ITEM * (most + 100):
        raise S3Error("MalformedXML", "The XML has too many elements.")
    try:
        root = parse(body)
    except (XmlError, ValueError, LookupError) as error:  # an encoding that nobody knows
        raise S3Error("MalformedXML") from error
    if root.tag != name:
        raise S3Error("MalformedXML", f"The root element should be {name}.")
    return root


def _object_to_delete(element: Element) -> ObjectToDelete:
    key = _only(element, "Key")
    if not key:
        raise S3Error("MalformedXML", "An object to delete needs a key.")
    return ObjectToDelete(
        key=key,
        version=element.text_of("VersionId").strip() or None,
        etag=element.text_of("ETag").strip().strip('"') or None,
    )


def _completed_part(element: Element) -> CompletedPart:
    number, etag = _only(element, "PartNumber").strip(), element.text_of("ETag").strip().strip('"')
    if not _NUMBER.fullmatch(number) or not etag:
        raise S3Error("MalformedXML", "A part needs a number and an ETag.")
    if not 1 <= int(number) <= MAX_PARTS:
        raise S3Error("InvalidArgument", f"Parts have numbers from 1 to {MAX_PARTS}.")
    checksums = {
        child.tag: child.text.strip()
        for child in element.children
        if child.tag.startswith("Checksum")
    }
    return CompletedPart(int(number), etag, checksums)


def _only(element: Element, name: str) -> str:
    """The text of the one child of this name."""
    found = list(element.all(name))
    if len(found) != 1:
        raise S3Error("MalformedXML", f"There should be one {name} in {element.tag}.")
    return found[0].text


def _boolean(text: str) -> bool:
    if text.strip().lower() not in {"true", "false", "1", "0", ""}:
        raise S3Error("MalformedXML")
    return text.strip().lower() in {"true", "1"}
