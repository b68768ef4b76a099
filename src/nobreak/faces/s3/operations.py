"""What a request asks for: one table of S3's operations, read by `classify`.

A request is an operation only if all of its query is known for that operation. Anything else,
an unknown sub-resource above all, is `OTHER`: passed on to the external store or refused, and
never mistaken for a write of the object (`PUT ?acl`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.request import S3Request


class Operation(Enum):
    """An operation of S3, by the name that its API reference gives it."""

    LIST_BUCKETS = "ListBuckets"
    HEAD_BUCKET = "HeadBucket"
    CREATE_BUCKET = "CreateBucket"
    DELETE_BUCKET = "DeleteBucket"
    GET_BUCKET_LOCATION = "GetBucketLocation"
    LIST_OBJECTS = "ListObjects"
    LIST_OBJECTS_V2 = "ListObjectsV2"
    LIST_MULTIPART_UPLOADS = "ListMultipartUploads"
    LIST_OBJECT_VERSIONS = "ListObjectVersions"
    DELETE_OBJECTS = "DeleteObjects"
    POST_OBJECT = "PostObject"
    PUT_OBJECT = "PutObject"
    COPY_OBJECT = "CopyObject"
    GET_OBJECT = "GetObject"
    HEAD_OBJECT = "HeadObject"
    DELETE_OBJECT = "DeleteObject"
    CREATE_MULTIPART_UPLOAD = "CreateMultipartUpload"
    UPLOAD_PART = "UploadPart"
    UPLOAD_PART_COPY = "UploadPartCopy"
    COMPLETE_MULTIPART_UPLOAD = "CompleteMultipartUpload"
    ABORT_MULTIPART_UPLOAD = "AbortMultipartUpload"
    LIST_PARTS = "ListParts"
    GET_OBJECT_TAGGING = "GetObjectTagging"
    PUT_OBJECT_TAGGING = "PutObjectTagging"
    DELETE_OBJECT_TAGGING = "DeleteObjectTagging"
    GET_OBJECT_ACL = "GetObjectAcl"
    PUT_OBJECT_ACL = "PutObjectAcl"
    GET_OBJECT_ATTRIBUTES = "GetObjectAttributes"
    OTHER = "Other"
    """Anything else: only the external store can answer it."""


class Level(Enum):
    """What an operation is about; its request names exactly that."""

    SERVICE = auto()
    BUCKET = auto()
    OBJECT = auto()


class BodyKind(Enum):
    """What the body of a request holds."""

    NONE = auto()
    OBJECT = auto()
    """The bytes of an object or of a part of one."""
    XML = auto()
    FORM = auto()
    """A form of a browser (`multipart/form-data`) with the object inside."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One operation: how it is recognised, and what it does.

    `needs`: query arguments that must be there; `allows`: others that may; `fixed`: values that
    some of them must have; `copies`: whether it has an `x-amz-copy-source`.
    """

    operation: Operation
    method: str
    level: Level
    needs: frozenset[str] = frozenset()
    allows: frozenset[str] = frozenset()
    fixed: tuple[tuple[str, str], ...] = ()
    copies: bool = False
    writes: bool = False
    body: BodyKind = BodyKind.NONE


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OVERRIDES = _words(
    "response-cache-control response-content-disposition response-content-encoding"
    " response-content-language response-content-type response-expires"
)
_PAGE = _words("prefix delimiter encoding-type max-keys")
_V2 = _PAGE | _words("continuation-token start-after fetch-owner")
_VERSION = _words("versionId")
_READ = _OVERRIDES | _words("versionId partNumber")
_PART = _words("uploadId partNumber")
_PAGE_OF_BUCKETS = _words("max-buckets continuation-token prefix bucket-region")
_PAGE_OF_UPLOADS = _words("prefix delimiter encoding-type max-uploads key-marker upload-id-marker")
_PAGE_OF_VERSIONS = _PAGE | _words("key-marker version-id-marker")
_PAGE_OF_PARTS = _words("max-parts part-number-marker encoding-type")
_TAGGING, _UPLOADS, _UPLOAD = _words("tagging"), _words("uploads"), _words("uploadId")
_ACL = _words("acl")


def _rules() -> Iterator[Rule]:
    op, at = Operation, Level
    yield Rule(op.LIST_BUCKETS, "GET", at.SERVICE, allows=_PAGE_OF_BUCKETS)
    yield from _bucket_rules()
    yield from _object_rules()
    yield from _multipart_rules()


def _bucket_rules() -> Iterator[Rule]:
    op, at, xml = Operation, Level.BUCKET, BodyKind.XML
    v2 = (("list-type", "2"),)
    yield Rule(op.HEAD_BUCKET, "HEAD", at)
    yield Rule(op.CREATE_BUCKET, "PUT", at, writes=True, body=xml)
    yield Rule(op.DELETE_BUCKET, "DELETE", at, writes=True)
    yield Rule(op.GET_BUCKET_LOCATION, "GET", at, _words("location"))
    yield Rule(op.LIST_OBJECTS, "GET", at, allows=_PAGE | {"marker"})
    yield Rule(op.LIST_OBJECTS_V2, "GET", at, _words("list-type"), _V2, fixed=v2)
    yield Rule(op.LIST_MULTIPART_UPLOADS, "GET", at, _UPLOADS, _PAGE_OF_UPLOADS)
    yield Rule(op.LIST_OBJECT_VERSIONS, "GET", at, _words("versions"), _PAGE_OF_VERSIONS)
    yield Rule(op.DELETE_OBJECTS, "POST", at, _words("delete"), writes=True, body=xml)
    yield Rule(op.POST_OBJECT, "POST", at, writes=True, body=BodyKind.FORM)


def _object_rules() -> Iterator[Rule]:
    op, at, xml = Operation, Level.OBJECT, BodyKind.XML
    tagging, acl = (_TAGGING, _VERSION), (_ACL, _VERSION)
    yield Rule(op.PUT_OBJECT, "PUT", at, writes=True, body=BodyKind.OBJECT)
    yield Rule(op.COPY_OBJECT, "PUT", at, copies=True, writes=True)
    yield Rule(op.GET_OBJECT, "GET", at, allows=_READ)
    yield Rule(op.HEAD_OBJECT, "HEAD", at, allows=_READ)
    yield Rule(op.DELETE_OBJECT, "DELETE", at, allows=_VERSION, writes=True)
    yield Rule(op.GET_OBJECT_TAGGING, "GET", at, *tagging)
    yield Rule(op.PUT_OBJECT_TAGGING, "PUT", at, *tagging, writes=True, body=xml)
    yield Rule(op.DELETE_OBJECT_TAGGING, "DELETE", at, *tagging, writes=True)
    yield Rule(op.GET_OBJECT_ACL, "GET", at, *acl)
    yield Rule(op.PUT_OBJECT_ACL, "PUT", at, *acl, writes=True, body=xml)
    yield Rule(op.GET_OBJECT_ATTRIBUTES, "GET", at, _words("attributes"), _VERSION)


def _multipart_rules() -> Iterator[Rule]:
    op, at, xml, bytes_ = Operation, Level.OBJECT, BodyKind.XML, BodyKind.OBJECT
    yield Rule(op.CREATE_MULTIPART_UPLOAD, "POST", at, _UPLOADS, writes=True)
    yield Rule(op.UPLOAD_PART, "PUT", at, _PART, writes=True, body=bytes_)
    yield Rule(op.UPLOAD_PART_COPY, "PUT", at, _PART, copies=True, writes=True)
    yield Rule(op.COMPLETE_MULTIPART_UPLOAD, "POST", at, _UPLOAD, writes=True, body=xml)
    yield Rule(op.ABORT_MULTIPART_UPLOAD, "DELETE", at, _UPLOAD, writes=True)
    yield Rule(op.LIST_PARTS, "GET", at, _UPLOAD, _PAGE_OF_PARTS)


RULES = {rule.operation: rule for rule in _rules()}
"""Every operation but `OTHER`, of which nothing is known but that it may write."""

_CANDIDATES: dict[tuple[str, Level, bool], list[Rule]] = {}
for _rule in RULES.values():
    _CANDIDATES.setdefault((_rule.method, _rule.level, _rule.copies), []).append(_rule)

_ENVELOPE = _words("x-id AWSAccessKeyId Signature Expires content-type content-md5")
"""SDKs write the last two into the URLs that they presign with SigV2."""
_CHANGES_THE_MEANING = ("x-amz-write-offset-bytes", "x-amz-rename-source")
"""Headers that make a PUT something else than the write of a whole object."""


def classify(request: S3Request) -> Operation:
    """The operation that a request asks for."""
    named = [name for name, _ in request.query if not _is_envelope(name)]
    headers = effective_headers(request)
    if len(named) != len(set(named)) or any(name in headers for name in _CHANGES_THE_MEANING):
        return Operation.OTHER
    copies = request.method == "PUT" and "x-amz-copy-source" in headers
    for rule in _CANDIDATES.get((request.method, _level(request), copies), ()):
        if rule.needs <= set(named) <= rule.needs | rule.allows and all(
            request.argument(name) == value for name, value in rule.fixed
        ):
            return rule.operation
    return Operation.OTHER


def _level(request: S3Request) -> Level:
    if request.bucket is None:
        return Level.SERVICE
    return Level.BUCKET if request.key is None else Level.OBJECT


def _is_envelope(name: str) -> bool:
    """Whether an argument says how the request is sent, not what it asks for."""
    return name in _ENVELOPE or name.lower().startswith("x-amz-")
