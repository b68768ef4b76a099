"""Refusals of what is no request: broken HTTP, endless heads, one connection too many."""

import re

from aiohttp.http_exceptions import BadHttpMethod, LineTooLong

from nobreak.faces.s3.answer import XML
from nobreak.faces.s3.errors import error_headers, error_xml, status_of
from nobreak.faces.s3.request import S3Error

_METHOD = re.compile(r"b[\"'][A-Z]{1,20} ")
_TOO_MANY = "Too many headers"
_REASONS = {400: "Bad Request", 501: "Not Implemented", 503: "Service Unavailable"}


def broken_request(error: BaseException | None) -> S3Error:
    """What S3 says of a request that the parser of HTTP can't make sense of."""
    text = str(error)
    if isinstance(error, LineTooLong) or _TOO_MANY in text:
        return head_too_large()
    if isinstance(error, BadHttpMethod) and _METHOD.search(text):
        return S3Error("NotImplemented", "There is no such method.")
    return S3Error("BadRequest", "An error occurred when parsing the HTTP request.")


def head_too_large() -> S3Error:
    """The request line and the headers are longer than anybody needs."""
    message = "Your request header section exceeds the maximum allowed size."
    return S3Error("RequestHeaderSectionTooLarge", message)


def too_slow() -> S3Error:
    """The client keeps us waiting."""
    message = "Your socket connection to the server was not read from or written to in time."
    return S3Error("RequestTimeout", message)


def too_many() -> S3Error:
    """There is no room for one more."""
    return S3Error("SlowDown", "Please reduce your request rate.")


def raw_answer(error: S3Error, request_id: str) -> bytes:
    """An answer to what is no request, after which the connection is closed."""
    body, status = error_xml(error, "", request_id), status_of(error)
    headers = {
        "content-type": XML,
        "content-length": str(len(body)),
        "connection": "close",
        **identified(request_id),
        **error_headers(error),
    }
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def identified(request_id: str) -> dict[str, str]:
    """The headers by which an answer can be found again: SDKs show both."""
    return {"x-amz-request-id": request_id, "x-amz-id-2": f"nobreak/{request_id}"}
