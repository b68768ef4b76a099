"""What a request that was passed on may have changed of the objects that the catalog knows. Pure."""

from enum import Enum, auto

from nobreak.faces.s3.addressing import read_copy_source
from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.operations import Operation, classify
from nobreak.faces.s3.request import S3Request
from nobreak.words import ObjectName


class Effect(Enum):
    """How far the catalog can't be believed any more without another look."""

    NONE = auto()
    ATTRIBUTES = auto()
    """Not the bytes of the object that the request names, but what is said of them."""
    OBJECT = auto()
    """The object that the request names."""
    BUCKET_GONE = auto()
    BUCKET = auto()
    """Any object of the bucket."""


READS = frozenset({"GET", "HEAD", "OPTIONS"})
_HARMLESS = frozenset(
    {
        Operation.CREATE_BUCKET,
        Operation.CREATE_MULTIPART_UPLOAD,
        Operation.UPLOAD_PART,
        Operation.UPLOAD_PART_COPY,
        Operation.ABORT_MULTIPART_UPLOAD,
    }
)
"""Writes that leave every object as it is."""
_OF_ATTRIBUTES = frozenset({"encryption", "legal-hold", "retention", "tagging"})
"""Query arguments of an object with which a request is about what a HEAD says of it."""
_OF_SOMETHING_ELSE = frozenset({"acl", "annotation", "restore", "select"})
"""Query arguments of an object with which a request is about something else."""
RENAME_SOURCE = "x-amz-rename-source"


def effect_of(request: S3Request) -> Effect:
    """The most that this request can have changed."""
    if request.method in READS:
        return Effect.NONE
    operation = classify(request)
    if operation in _HARMLESS:
        return Effect.NONE
    if request.key is not None:
        named = {name for name, _ in request.query}
        if not named.isdisjoint(_OF_ATTRIBUTES):
            return Effect.ATTRIBUTES
        return Effect.OBJECT if named.isdisjoint(_OF_SOMETHING_ELSE) else Effect.NONE
    if request.bucket is None:
        return Effect.NONE
    return Effect.BUCKET_GONE if operation is Operation.DELETE_BUCKET else Effect.BUCKET


def objects_changed(request: S3Request) -> tuple[ObjectName, ...]:
    """The objects whose bytes it may change, of those that it names."""
    if effect_of(request) is not Effect.OBJECT:
        return ()
    name = ObjectName(request.bucket or "", request.key or "")
    renamed = effective_headers(request).get(RENAME_SOURCE)
    return (name, read_copy_source(renamed).name) if renamed else (name,)
