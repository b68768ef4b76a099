"""What a request that was passed on may have changed of the objects that the catalog knows. Pure."""

from enum import Enum, auto

from nobreak.faces.s3.operations import Operation, classify
from nobreak.faces.s3.request import S3Request


class Effect(Enum):
    """How far the catalog can't be believed any more without another look."""

    NONE = auto()
    OBJECT = auto()
    """The object that the request names."""
    BUCKET_GONE = auto()
    BUCKET = auto()
    """Any object of the bucket."""


_HARMLESS = frozenset(
    {
        Operation.CREATE_BUCKET,
        Operation.CREATE_MULTIPART_UPLOAD,
        Operation.UPLOAD_PART,
        Operation.UPLOAD_PART_COPY,
        Operation.ABORT_MULTIPART_UPLOAD,
        Operation.PUT_OBJECT_TAGGING,
        Operation.DELETE_OBJECT_TAGGING,
    }
)
"""Writes that leave every object's bytes and name as they are."""


def effect_of(request: S3Request) -> Effect:
    """The most that this request can have changed."""
    operation = classify(request)
    if request.method in {"GET", "HEAD", "OPTIONS"} or operation in _HARMLESS:
        return Effect.NONE
    if request.key is not None:
        return Effect.OBJECT
    if request.bucket is None:
        return Effect.NONE
    return Effect.BUCKET_GONE if operation is Operation.DELETE_BUCKET else Effect.BUCKET
