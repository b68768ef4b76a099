"""What browsers send by themselves: CORS preflights, and forms with a file in them."""

from nobreak.faces.s3.request import S3Request

_ASKED = ("origin", "access-control-request-method", "access-control-request-headers")


def is_preflight(request: S3Request) -> bool:
    """Whether a browser asks what it may do. Nobody can sign that."""
    asked = request.headers
    names = "origin" in asked and "access-control-request-method" in asked
    return request.method == "OPTIONS" and request.bucket is not None and names


def preflight(request: S3Request) -> S3Request:
    """The request with nothing but the question: it goes out under our own name."""
    headers = {name: request.headers[name] for name in _ASKED if name in request.headers}
    return S3Request("OPTIONS", request.raw_path, "", (), headers, request.bucket, request.key)


def is_form(request: S3Request) -> bool:
    """Whether this is PostObject, whose signature is in a form and not where we look for it."""
    kind = request.headers.get("content-type", "").lower()
    return (
        request.method == "POST"
        and request.key is None
        and "authorization" not in request.headers
        and kind.startswith("multipart/form-data")
    )
