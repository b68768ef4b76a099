"""GetObjectAttributes: what is asked for, and the answer.

Source: "GetObjectAttributes" in the Amazon S3 API reference.
"""

from collections.abc import Mapping, Sequence

from nobreak.faces.s3.checksums import BY_HEADER
from nobreak.faces.s3.kept import CHECKSUM_TYPE, STORAGE_CLASS, checksums_of
from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.xml_writer import document, flag, leaf, node
from nobreak.words import ObjectInfo, Segment

NAMES = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
MAX_PARTS = 1000


def read_wanted(headers: Mapping[str, str]) -> frozenset[str]:
    """The attributes that `x-amz-object-attributes` names. Raises `S3Error`."""
    listed = headers.get("x-amz-object-attributes", "").split(",")
    wanted = frozenset(name.strip() for name in listed if name.strip())
    if not wanted or not wanted <= set(NAMES):
        raise S3Error("InvalidArgument", "Invalid attribute name specified.")
    return wanted


def write_attributes(
    info: ObjectInfo, wanted: frozenset[str], segments: Sequence[Segment]
) -> bytes:
    """GetObjectAttributesResponse; `segments`: the parts of an object that came in such."""
    elements = {
        "ETag": leaf("ETag", info.etag),
        "Checksum": _checksum(checksums_of(info.attributes)),
        "ObjectParts": _parts(segments) if segments else "",
        "StorageClass": leaf("StorageClass", info.attributes.s3.get(STORAGE_CLASS, "STANDARD")),
        "ObjectSize": leaf("ObjectSize", info.size),
    }
    shown = (elements[name] for name in NAMES if name in wanted)
    return document("GetObjectAttributesResponse", *shown)


def _checksum(headers: Mapping[str, str]) -> str:
    if not headers:
        return ""
    values = checksum_elements(headers)
    leaves = (leaf(name, text) for name, text in values.items())
    return node("Checksum", *leaves, leaf("ChecksumType", headers[CHECKSUM_TYPE]))


def checksum_elements(headers: Mapping[str, str]) -> dict[str, str]:
    """Checksums by the name of their element, such as `ChecksumCRC32`."""
    known = (name for name in headers if name in BY_HEADER)
    return {f"Checksum{BY_HEADER[name]}": headers[name] for name in known}


def _parts(segments: Sequence[Segment]) -> str:
    """The first page of the parts; they are only named one by one where they have checksums."""
    shown = segments[:MAX_PARTS] if any(each.checksums for each in segments) else ()
    rows = (
        node(
            "Part",
            leaf("PartNumber", number),
            leaf("Size", each.size),
            *(leaf(name, text) for name, text in checksum_elements(each.checksums).items()),
        )
        for number, each in enumerate(shown, 1)
    )
    return node(
        "ObjectParts",
        leaf("PartsCount", len(segments)),
        leaf("PartNumberMarker", 0),
        leaf("NextPartNumberMarker", len(shown)),
        leaf("MaxParts", MAX_PARTS),
        flag("IsTruncated", value=len(segments) > MAX_PARTS),
        *rows,
    )
