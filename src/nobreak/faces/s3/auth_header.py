"""SigV4 in the `Authorization` header.

Source: "Authenticating Requests: Using the Authorization Header" in the Amazon S3 API reference.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
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
from nobreak.faces.s3.verified import SIGNED_STREAMS, Seed, Verified, payload_word
from nobreak.stores.external.sigv4 import ALGORITHM, amz_date, signing_key

FIELDS: Final = ("Credential", "SignedHeaders", "Signature")
_SEPARATOR = re.compile(r"[ \t]*,[ \t]*")


def verify_header(request: S3Request, keys: KeyRing, now: datetime) -> Verified:
    """Who signed this request by header. Raises `S3Error`."""
    claim = _claim(request)
    require_signed(request, claim.signed)
    pair = keys.pair(claim.access_key)
    if abs(now - claim.moment) > MAX_SKEW:
        raise _skewed(claim.moment, now)
    claim.check(request, pair)
    if claim.payload not in SIGNED_STREAMS:
        return Verified(claim.access_key, claim.payload)
    key = signing_key(pair.secret, claim.scope)
    seed = Seed(key, claim.stamp, claim.scope, claim.signature)
    return Verified(claim.access_key, claim.payload, seed)


def _claim(request: S3Request) -> Claim:
    fields = _fields(request.headers["authorization"])
    moment = _moment(request)
    stamp = amz_date(moment)
    try:
        access_key, scope = credential(fields["Credential"], stamp)
        signed = signed_names(fields["SignedHeaders"])
        signature = signature_text(fields["Signature"])
    except MalformedError as error:
        raise _malformed(str(error)) from None
    payload = request.headers.get("x-amz-content-sha256")
    if payload is None:
        raise S3Error(
            "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
        )
    return Claim(
        access_key=access_key,
        scope=scope,
        stamp=stamp,
        moment=moment,
        signed=signed,
        signature=signature,
        query=request.query,
        payload=payload_word(payload),
    )


def _fields(authorization: str) -> dict[str, str]:
    """The three parts of the header, each of which must be there once."""
    scheme, _, rest = authorization.partition(" ")
    if scheme != ALGORITHM:
        raise S3Error(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. "
            "Please use AWS4-HMAC-SHA256.",
        )
    parts = [part.partition("=") for part in _SEPARATOR.split(rest.strip())]
    fields = {name: value for name, _, value in parts}
    if len(parts) != len(FIELDS) or set(fields) != set(FIELDS):
        raise _malformed(f"the authorization header requires exactly {', '.join(FIELDS)}.")
    return fields


def _moment(request: S3Request) -> datetime:
    """The time of the signature: `x-amz-date`, else `Date`."""
    stamp = request.headers.get("x-amz-date")
    date = request.headers.get("date", "")
    moment = moment_of(date) or _http_date(date) if stamp is None else moment_of(stamp)
    if moment is None:
        raise S3Error(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        )
    return moment


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _malformed(what: str) -> S3Error:
    return S3Error("AuthorizationHeaderMalformed", f"The authorization header is malformed; {what}")


def _skewed(moment: datetime, now: datetime) -> S3Error:
    return S3Error(
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        extra={
            "RequestTime": iso(moment),
            "ServerTime": iso(now),
            "MaxAllowedSkewMilliseconds": str(int(MAX_SKEW.total_seconds() * 1000)),
        },
    )
