"""Lists of objects and of uploads in XML.

Source: ListObjects, ListObjectsV2 and ListMultipartUploads in the Amazon S3 API reference.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from nobreak.faces.s3.folding import FoldedPage
from nobreak.faces.s3.list_request import ListRequest
from nobreak.faces.s3.tokens import Place, write_place
from nobreak.faces.s3.xml_out import STORAGE_CLASS, owner, quoted_etag, timestamp
from nobreak.faces.s3.xml_writer import document, flag, leaf, node
from nobreak.stores.external.s3_xml import ListedUpload
from nobreak.words import ObjectInfo

Name = Callable[[str, str], str]
"""Writes an element that holds a key or a part of one."""


def list_objects(asked: ListRequest, page: FoldedPage) -> bytes:
    """ListBucketResult. Raises `S3Error` for a key that XML can't hold, unless it is encoded."""
    name = _name(encode=asked.encode)
    versioned = _version_1(asked, page, name) if asked.version == 1 else _version_2(asked, page)
    return document(
        "ListBucketResult",
        leaf("Name", asked.bucket),
        name("Prefix", asked.fold.prefix),
        name("Delimiter", asked.fold.delimiter) if asked.fold.delimiter else "",
        leaf("MaxKeys", asked.fold.max_keys),
        leaf("EncodingType", "url") if asked.encode else "",
        flag("IsTruncated", value=page.truncated),
        *versioned,
        *(_contents(info, name, with_owner=asked.fetch_owner) for info in page.objects),
        *_common_prefixes(page.common_prefixes, name),
    )


def _version_1(asked: ListRequest, page: FoldedPage, name: Name) -> Iterator[str]:
    yield name("Marker", asked.marker or "")
    if page.truncated and asked.fold.delimiter:  # without one the last key continues the list
        yield name("NextMarker", page.last)


def _version_2(asked: ListRequest, page: FoldedPage) -> Iterator[str]:
    name = _name(encode=asked.encode)
    yield leaf("KeyCount", len(page.objects) + len(page.common_prefixes))
    if asked.token is not None:
        yield leaf("ContinuationToken", asked.token)
    if page.truncated:
        yield leaf("NextContinuationToken", write_place(Place(page.last)))
    if asked.start_after:
        yield name("StartAfter", asked.start_after)


def _contents(info: ObjectInfo, name: Name, *, with_owner: bool) -> str:
    return node(
        "Contents",
        name("Key", info.name.key),
        leaf("LastModified", timestamp(info.modified)),
        quoted_etag(info.etag),
        leaf("Size", info.size),
        owner() if with_owner else "",
        STORAGE_CLASS,
    )


@dataclass(frozen=True, slots=True)
class UploadsPage:
    """A page of uploads, by key and then by id, and what was asked for."""

    bucket: str
    uploads: Sequence[ListedUpload]
    common_prefixes: Sequence[str] = ()
    prefix: str = ""
    delimiter: str = ""
    key_marker: str = ""
    upload_id_marker: str = ""
    max_uploads: int = 1000
    truncated: bool = False
    next_key_marker: str = ""
    next_upload_id_marker: str = ""
    encode: bool = False


def list_uploads(page: UploadsPage) -> bytes:
    """ListMultipartUploadsResult. Raises as `list_objects`."""
    name = _name(encode=page.encode)
    return document(
        "ListMultipartUploadsResult",
        leaf("Bucket", page.bucket),
        name("KeyMarker", page.key_marker),
        leaf("UploadIdMarker", page.upload_id_marker),
        name("NextKeyMarker", page.next_key_marker) if page.truncated else "",
        leaf("NextUploadIdMarker", page.next_upload_id_marker) if page.truncated else "",
        name("Prefix", page.prefix),
        name("Delimiter", page.delimiter) if page.delimiter else "",
        leaf("EncodingType", "url") if page.encode else "",
        leaf("MaxUploads", page.max_uploads),
        flag("IsTruncated", value=page.truncated),
        *(_upload(each, name) for each in page.uploads),
        *_common_prefixes(page.common_prefixes, name),
    )


def _upload(upload: ListedUpload, name: Name) -> str:
    return node(
        "Upload",
        name("Key", upload.key),
        leaf("UploadId", upload.upload_id),
        owner("Initiator"),
        owner(),
        STORAGE_CLASS,
        leaf("Initiated", timestamp(upload.initiated)),
    )


def _common_prefixes(prefixes: Iterable[str], name: Name) -> Iterable[str]:
    return (node("CommonPrefixes", name("Prefix", prefix)) for prefix in prefixes)


def _name(*, encode: bool) -> Name:
    return _encoded_leaf if encode else leaf


def _encoded_leaf(name: str, value: str) -> str:
    """A space goes as `%20`, not as a plus sign: so all ways to decode give it back."""
    return leaf(name, quote(value, safe="/"))
