"""The object that a request names."""

from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.words import ObjectName


def name_of(request: S3Request) -> ObjectName:
    """The object that a request names. Raises `S3Error` when it names none."""
    if request.bucket is None or request.key is None:
        raise S3Error("InvalidURI")
    return ObjectName(request.bucket, request.key)
