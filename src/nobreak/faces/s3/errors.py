"""Answers that say no: S3's codes with their status, and nobreak's own errors as such.

Source: "Error responses" in the Amazon S3 API reference.
"""

from collections.abc import Mapping
from http import HTTPStatus

from nobreak.errors import (
    RETRY_AFTER,
    BodyMismatchError,
    InvalidRequestError,
    LocalStoreError,
    NotFoundError,
    OutageError,
    OutOfSpaceError,
    OvertakenError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    RefusedError,
    UnavailableError,
    UnsupportedError,
)
from nobreak.faces.s3.error_codes import CODES
from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.xml_writer import document, echo
from nobreak.printable import printable

INTERNAL_ERROR = 500
_CLIENT_ERRORS = range(400, 500)


class PassedOnError(S3Error):
    """The external store's own refusal, with its own code and status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code, message)
        self.status = status


def status_of(error: S3Error) -> int:
    """The HTTP status of an answer."""
    if isinstance(error, PassedOnError):
        return error.status
    status, _message = CODES.get(error.code, (INTERNAL_ERROR, ""))
    return status


def error_headers(error: S3Error) -> dict[str, str]:
    """The headers that belong to an error, names in lower case."""
    headers = {}
    if status_of(error) == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = str(RETRY_AFTER)
    if error.code == "InvalidRange" and "ActualObjectSize" in error.extra:
        headers["content-range"] = f"bytes */{error.extra['ActualObjectSize']}"
    return headers


def error_xml(error: S3Error, resource: str, request_id: str) -> bytes:
    """The body of an error; `resource` is the path that was asked for, decoded."""
    _status, default = CODES.get(error.code, (INTERNAL_ERROR, error.code))
    known: Mapping[str, str] = {
        "Code": error.code,
        "Message": error.message or default,
        **error.extra,
        "Resource": resource,
        "RequestId": request_id,
    }
    parts = [echo(name, value) for name, value in known.items()]
    return document("Error", *parts, namespace="")


def translated(error: Exception) -> S3Error:
    """Any exception as an answer; `InternalError` for one that nobody raised on purpose.

    Paths of this machine's disk and the like stay out of it.
    """
    match error:
        case S3Error():
            return error
        case NotFoundError():
            return S3Error("NoSuchKey", extra={"Key": error.name.key})
        case PreconditionFailedError():
            return S3Error("PreconditionFailed")
        case OvertakenError():
            return S3Error("ConditionalRequestConflict")
        case RangeNotSatisfiableError():
            return S3Error("InvalidRange", extra={"ActualObjectSize": str(error.size)})
        case BodyMismatchError():
            # Only a digest is told apart by its text; see the test that drives the real spool.
            return S3Error("BadDigest" if "MD5" in str(error) else "IncompleteBody")
        case InvalidRequestError():
            return S3Error("InvalidArgument", printable(str(error)))
        case RefusedError():
            return _refused(error)
        case _:
            return _failure(error)


def _failure(error: Exception) -> S3Error:
    """What is no client's fault."""
    match error:
        case UnavailableError():
            return S3Error("SlowDown", printable(str(error)))
        case OutageError():
            return S3Error("SlowDown")
        case OutOfSpaceError():
            # Not SlowDown: SDKs repeat that at once and at length, and a full disk stays full.
            # No SDK repeats a 507, so the application gets this code and message (I7).
            return S3Error("InsufficientStorage")
        case LocalStoreError():
            return S3Error("ServiceUnavailable")
        case UnsupportedError():
            return S3Error("NotImplemented", printable(str(error)))
        case _:
            return S3Error("InternalError")


def _refused(error: RefusedError) -> S3Error:
    """The external store's refusal; an answer that is none (a redirect) is its failure."""
    if error.status in _CLIENT_ERRORS or error.code == "NotImplemented":
        code = printable(error.code, 100) or f"HTTP{error.status}"
        return PassedOnError(error.status, code, printable(error.message))
    return S3Error("InternalError", f"The external store answered HTTP {error.status}.")
