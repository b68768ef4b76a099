"""S3's answers in XML, all but lists of objects and uploads (`xml_lists`).

ETags come in without quotes, times with a time zone; `checksums` maps the name of an element,
such as `ChecksumCRC32`, to its value. Source: the Amazon S3 API reference, by operation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nobreak.faces.s3.error_codes import CODES
from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.xml_writer import document, echo, flag, leaf, node, optional, text
from nobreak.words import ObjectName

OWNER = "nobreak"
STORAGE_CLASS = leaf("StorageClass", "STANDARD")
NO_CHECKSUMS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, as ListBuckets shows it."""

    name: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that has arrived."""

    number: int
    size: int
    etag: str
    modified: datetime
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deletion:
    """What became of one object of DeleteObjects; `error` None: it is gone.

    `marker`: the version of the delete marker that hides it now, where versions are kept.
    """

    key: str
    version: str | None = None
    error: S3Error | None = None
    marker: str | None = None


def timestamp(time: datetime) -> str:
    """A time as S3 lists it: full seconds, as `Last-Modified` has them."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def quoted_etag(etag: str) -> str:
    """The element of an ETag."""
    return leaf("ETag", f'"{etag}"')


def owner(name: str = "Owner") -> str:
    """The element of the one owner that we know."""
    return node(name, leaf("ID", OWNER), leaf("DisplayName", OWNER))


def acl_of_the_owner() -> bytes:
    """AccessControlPolicy: the owner may do everything, and nobody else anything."""
    kind = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"'
    grantee = f"<Grantee {kind}>{leaf('ID', OWNER)}{leaf('DisplayName', OWNER)}</Grantee>"
    grant = node("Grant", grantee, leaf("Permission", "FULL_CONTROL"))
    return document("AccessControlPolicy", owner(), node("AccessControlList", grant))


def list_buckets(buckets: Iterable[Bucket], *, prefix: str = "", token: str | None = None) -> bytes:
    """ListAllMyBucketsResult; `token` continues it."""
    rows = [
        node("Bucket", leaf("Name", each.name), leaf("CreationDate", timestamp(each.created)))
        for each in buckets
    ]
    return document(
        "ListAllMyBucketsResult",
        owner(),
        node("Buckets", *rows),
        leaf("Prefix", prefix) if prefix else "",
        optional("ContinuationToken", token),
    )


def bucket_location(region: str) -> bytes:
    """LocationConstraint; S3 leaves it empty for us-east-1."""
    return document("LocationConstraint", "" if region == "us-east-1" else text(region))


def copy_result(
    etag: str,
    modified: datetime,
    checksums: Mapping[str, str] = NO_CHECKSUMS,
    *,
    part: bool = False,
) -> bytes:
    """CopyObjectResult, or CopyPartResult for a part."""
    return document(
        "CopyPartResult" if part else "CopyObjectResult",
        quoted_etag(etag),
        leaf("LastModified", timestamp(modified)),
        *_leaves(checksums),
    )


def delete_result(deletions: Iterable[Deletion], *, quiet: bool) -> bytes:
    """DeleteResult; `quiet`: only what failed."""
    shown = (each for each in deletions if each.error is not None or not quiet)
    return document("DeleteResult", *map(_deletion, shown))


def tagging(tags: Mapping[str, str]) -> bytes:
    """Tagging."""
    rows = (node("Tag", leaf("Key", key), leaf("Value", value)) for key, value in tags.items())
    return document("Tagging", node("TagSet", *rows))


def initiated(name: ObjectName, upload_id: str) -> bytes:
    """InitiateMultipartUploadResult."""
    return document(
        "InitiateMultipartUploadResult",
        leaf("Bucket", name.bucket),
        echo("Key", name.key),
        leaf("UploadId", upload_id),
    )


def completed(
    name: ObjectName, etag: str, location: str, checksums: Mapping[str, str] = NO_CHECKSUMS
) -> bytes:
    """CompleteMultipartUploadResult; `location` is the object's URL."""
    return document(
        "CompleteMultipartUploadResult",
        echo("Location", location),
        leaf("Bucket", name.bucket),
        echo("Key", name.key),
        quoted_etag(etag),
        *_leaves(checksums),
    )


def list_parts(
    name: ObjectName,
    upload_id: str,
    parts: Sequence[Part],
    *,
    marker: int,
    max_parts: int,
    truncated: bool,
) -> bytes:
    """ListPartsResult: the parts after number `marker`."""
    following = parts[-1].number if parts else 0
    return document(
        "ListPartsResult",
        leaf("Bucket", name.bucket),
        echo("Key", name.key),
        leaf("UploadId", upload_id),
        owner("Initiator"),
        owner(),
        STORAGE_CLASS,
        leaf("PartNumberMarker", marker),
        leaf("NextPartNumberMarker", following),
        leaf("MaxParts", max_parts),
        flag("IsTruncated", value=truncated),
        *map(_part, parts),
    )


def _deletion(deletion: Deletion) -> str:
    named = leaf("Key", deletion.key), optional("VersionId", deletion.version)
    error = deletion.error
    if error is None:
        hidden = flag("DeleteMarker", value=True) if deletion.marker else ""
        return node("Deleted", *named, hidden, optional("DeleteMarkerVersionId", deletion.marker))
    message = error.message or CODES.get(error.code, (0, error.code))[1]
    return node("Error", *named, leaf("Code", error.code), echo("Message", message))


def _part(part: Part) -> str:
    return node(
        "Part",
        leaf("PartNumber", part.number),
        leaf("LastModified", timestamp(part.modified)),
        quoted_etag(part.etag),
        leaf("Size", part.size),
        *_leaves(part.checksums),
    )


def _leaves(values: Mapping[str, str]) -> Iterable[str]:
    return (leaf(name, value) for name, value in values.items())
