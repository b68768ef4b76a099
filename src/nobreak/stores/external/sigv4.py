"""AWS Signature Version 4 as S3 speaks it: pure functions that sign and that verify.

The external store's requests are signed here, and a downstream signature is verified by
computing it anew with `signature` and comparing. S3's flavour: paths are percent-encoded once
and never normalised, so that `a//b` and `../y` stay what they are.

Source: "Authenticating Requests (AWS Signature Version 4)" in the Amazon S3 API reference.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

NEVER_SIGNED = frozenset(
    {"authorization", "connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"}
)
"""Headers that proxies and clients may change on the way."""

QueryPairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair and the region that it signs for."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signing key is good for: one day (`YYYYMMDD`, UTC), region and service."""

    day: str
    region: str
    service: str = "s3"

    def __str__(self) -> str:
        return f"{self.day}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The part of a request that its signature covers.

    `path` is percent-encoded, as on the wire; `query` holds decoded pairs, in any order;
    `headers` may have names in any case and must contain `host`. `payload` is the body's
    SHA-256 in hexadecimal, `UNSIGNED-PAYLOAD` or one of the `STREAMING-…` words.
    """

    method: str
    path: str
    query: QueryPairs
    headers: Mapping[str, str]
    payload: str = UNSIGNED_PAYLOAD


def encode_path(path: str) -> str:
    """Percent-encode everything but unreserved characters and slashes, exactly once."""
    return quote(path, safe="/")


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """The canonical query string, which is also a good one to send."""
    encoded = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def amz_date(moment: datetime) -> str:
    """The time stamp of a signature: `YYYYMMDDTHHMMSSZ`. `moment` carries a time zone."""
    at = moment.astimezone(UTC)
    day = f"{at.year:04}{at.month:02}{at.day:02}"
    return f"{day}T{at.hour:02}{at.minute:02}{at.second:02}Z"


def signable_headers(headers: Mapping[str, str]) -> list[str]:
    """The names to sign, in lower case and in order."""
    return sorted({name.lower() for name in headers}.difference(NEVER_SIGNED))


def canonical_request(request: SignedRequest, signed: Sequence[str]) -> str:
    """The text whose hash is signed; `signed` names headers that are there, sorted."""
    values = {name.lower(): " ".join(value.split()) for name, value in request.headers.items()}
    return "\n".join(
        (
            request.method,
            request.path,
            encode_query(request.query) if request.query else "",
            *(f"{name}:{values[name]}" for name in signed),
            "",
            ";".join(signed),
            request.payload,
        )
    )


def string_to_sign(canonical: str, stamp: str, scope: Scope) -> str:
    """What the signing key signs; `stamp` as `amz_date` gives it."""
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}"


@lru_cache(maxsize=256)
def signing_key(secret_key: str, scope: Scope) -> bytes:
    """The key derived for one scope. It also signs the chunks of a streamed payload."""
    key = f"AWS4{secret_key}".encode()
    for part in (scope.day, scope.region, scope.service, "aws4_request"):
        key = _hmac(key, part)
    return key


class _Keyed:
    """HMAC-SHA256 (RFC 2104) with one key, prepared: a message costs two copies and two hashes."""

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(64, b"\0")  # a derived key has 32 bytes, a block of SHA-256 has 64
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def digest_of(self, message: bytes) -> bytes:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


@lru_cache(maxsize=256)
def _keyed(secret_key: str, day: str, region: str, service: str) -> _Keyed:
    return _Keyed(signing_key(secret_key, Scope(day, region, service)))


def signature(
    request: SignedRequest, signed: Sequence[str], *, secret_key: str, stamp: str, scope: Scope
) -> str:
    """The signature of a request, in hexadecimal: computed to sign, and again to verify."""
    text = string_to_sign(canonical_request(request, signed), stamp, scope)
    keyed = _keyed(secret_key, scope.day, scope.region, scope.service)
    return keyed.digest_of(text.encode()).hex()


def same_signature(claimed: str, computed: str) -> bool:
    """Compare in constant time, so that a forger learns nothing from how long it takes."""
    return hmac.compare_digest(claimed.encode(), computed.encode())


def sign(request: SignedRequest, credentials: Credentials, *, now: datetime) -> dict[str, str]:
    """The request's headers with those that authenticate it, names in lower case."""
    stamp = amz_date(now)
    scope = Scope(stamp[:8], credentials.region)
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers["x-amz-date"] = stamp
    headers["x-amz-content-sha256"] = request.payload
    signed = signable_headers(headers)
    complete = SignedRequest(request.method, request.path, request.query, headers, request.payload)
    secret_key = credentials.secret_key
    result = signature(complete, signed, secret_key=secret_key, stamp=stamp, scope=scope)
    headers["authorization"] = (
        f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={';'.join(signed)}, Signature={result}"
    )
    return headers


def presign(
    request: SignedRequest, credentials: Credentials, *, now: datetime, expires: int
) -> str:
    """The query string of a presigned URL, valid for `expires` seconds from `now`.

    Whoever uses it must send the request's headers as they are.
    """
    stamp = amz_date(now)
    scope = Scope(stamp[:8], credentials.region)
    signed = signable_headers(request.headers)
    query = [
        *request.query,
        ("X-Amz-Algorithm", ALGORITHM),
        ("X-Amz-Credential", f"{credentials.access_key}/{scope}"),
        ("X-Amz-Date", stamp),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", ";".join(signed)),
    ]
    complete = replace(request, query=query)
    secret_key = credentials.secret_key
    result = signature(complete, signed, secret_key=secret_key, stamp=stamp, scope=scope)
    return f"{encode_query(query)}&X-Amz-Signature={result}"


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
