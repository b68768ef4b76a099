"""SigV4 in the query string: presigned URLs, good for up to seven days.

Source: "Authenticating Requests: Using Query Parameters" in the Amazon S3 API reference.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from nobreak.faces.s3.claim import (
    MAX_SKEW,
    Claim,
    MalformedError,
    credential,
    iso,
    moment_of,
    require_signed,
    signature_text,
    signed_names,
)
from nobreak.faces.s3.keyring import KeyRing
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.verified import SIGNED_STREAMS, Verified, payload_word
from nobreak.stores.external.sigv4 import ALGORITHM, UNSIGNED_PAYLOAD

REQUIRED: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Signature",
    "X-Amz-Date",
    "X-Amz-SignedHeaders",
    "X-Amz-Expires",
)
PAYLOAD: Final = "X-Amz-Content-Sha256"
LONGEST: Final = timedelta(days=7)

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


def verify_presigned(request: S3Request, keys: KeyRing, now: datetime) -> Verified:
    """Who signed this URL. Raises `S3Error`."""
    arguments = _arguments(request)
    expires = _expires(arguments["X-Amz-Expires"])
    claim = _claim(request, arguments)
    require_signed(request, claim.signed)
    _require_valid(claim.moment, expires, now)
    claim.check(request, keys.pair(claim.access_key))
    return Verified(claim.access_key, body_word(request, claim.payload))


def body_word(request: S3Request, signed: str) -> str:
    """What the body must be: what was signed, else what whoever uses the URL says of it."""
    word = signed
    if word == UNSIGNED_PAYLOAD:
        word = payload_word(request.headers.get("x-amz-content-sha256", UNSIGNED_PAYLOAD))
    if word in SIGNED_STREAMS:
        raise S3Error("InvalidArgument", f"A presigned URL can't be used with {word}.")
    return word


def _arguments(request: S3Request) -> Mapping[str, str]:
    """The arguments of the signature, of which each is there once."""
    given = [(name, value) for name, value in request.query if name in (*REQUIRED, PAYLOAD)]
    arguments = dict(given)
    if len(arguments) != len(given) or any(name not in arguments for name in REQUIRED):
        raise _malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, "
            "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, "
            "and X-Amz-Expires parameters, each once."
        )
    if arguments["X-Amz-Algorithm"] != ALGORITHM:
        raise _malformed(f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    return arguments


def _claim(request: S3Request, arguments: Mapping[str, str]) -> Claim:
    stamp = arguments["X-Amz-Date"]
    moment = moment_of(stamp)
    if moment is None:
        raise _malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    try:
        access_key, scope = credential(arguments["X-Amz-Credential"], stamp)
        signed = signed_names(arguments["X-Amz-SignedHeaders"])
        signature = signature_text(arguments["X-Amz-Signature"])
    except MalformedError as error:
        raise _malformed(f"Error parsing the query parameters: {error}") from None
    return Claim(
        access_key=access_key,
        scope=scope,
        stamp=stamp,
        moment=moment,
        signed=signed,
        signature=signature,
        query=[pair for pair in request.query if pair[0] != "X-Amz-Signature"],
        payload=_signed_payload(request, arguments, signed),
    )


def _signed_payload(
    request: S3Request, arguments: Mapping[str, str], signed: tuple[str, ...]
) -> str:
    word = arguments.get(PAYLOAD)
    if word is None and "x-amz-content-sha256" in signed:
        word = request.headers.get("x-amz-content-sha256")
    return payload_word(UNSIGNED_PAYLOAD if word is None else word)


def _expires(text: str) -> timedelta:
    if text.startswith("-"):
        raise _malformed("X-Amz-Expires must be non-negative")
    if not _SECONDS.fullmatch(text):
        raise _malformed("X-Amz-Expires should be a number")
    expires = timedelta(seconds=int(text))
    if expires > LONGEST:
        raise _malformed(
            "X-Amz-Expires must be less than a week (in seconds); "
            "that is, the given X-Amz-Expires must be less than 604800 seconds"
        )
    return expires


def _require_valid(moment: datetime, expires: timedelta, now: datetime) -> None:
    if moment - now > MAX_SKEW:
        raise S3Error("AccessDenied", "Request is not yet valid", extra={"X-Amz-Date": iso(moment)})
    if now - moment > expires:
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            extra={
                "X-Amz-Expires": str(int(expires.total_seconds())),
                "Expires": iso(moment + expires),
                "ServerTime": iso(now),
            },
        )


def _malformed(message: str) -> S3Error:
    return S3Error("AuthorizationQueryParametersError", message)
