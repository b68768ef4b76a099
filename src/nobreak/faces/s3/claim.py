"""What a SigV4 request says about its own signature, in a header or in a URL, and the check."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

from nobreak.faces.s3.keyring import KeyPair
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.printable import printable
from nobreak.stores.external.sigv4 import (
    QueryPairs,
    Scope,
    SignedRequest,
    same_signature,
    signature,
)

MAX_SKEW = timedelta(minutes=15)
"""How far a client's clock may be from ours."""

NEED_NO_SIGNATURE = frozenset({"x-amz-cf-id", "x-amz-content-sha256"})
"""`x-amz-` headers that may be there unsigned: one is added by CloudFront on the way, the other
is covered as the payload word."""

_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+(;[!#$%&'*+.^_`|~0-9a-z-]+)*", re.ASCII)
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_CREDENTIAL = re.compile(
    r"(?P<access_key>[^/]+)/(?P<day>[^/]+)/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)
_MOST_REGION = 64


class MalformedError(Exception):
    """A part of a claim isn't what it should be. Each kind of request has its own code for it."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A well-formed claim, not yet believed.

    `stamp` and `moment` are the same time; `query` lacks the signature itself; `payload` is what
    the client put into the canonical request.
    """

    access_key: str
    scope: Scope
    stamp: str
    moment: datetime
    signed: tuple[str, ...]
    signature: str
    query: QueryPairs
    payload: str

    def check(self, request: S3Request, pair: KeyPair) -> None:
        """Whether `pair` signed this request. Raises `S3Error` (`SignatureDoesNotMatch`)."""
        raw, secret = request.raw_path, pair.secret
        if self._signs(request, raw, secret):
            return
        if not any(self._signs(request, path, secret) for path in paths(raw) if path != raw):
            raise mismatch(self.access_key)

    def _signs(self, request: S3Request, path: str, secret: str) -> bool:
        # A header that was signed and isn't here counts as an empty one.
        headers = {name: request.headers.get(name, "") for name in self.signed}
        seen = SignedRequest(request.method, path, self.query, headers, self.payload)
        try:
            computed = signature(
                seen, self.signed, secret_key=secret, stamp=self.stamp, scope=self.scope
            )
        except UnicodeEncodeError:  # bytes that aren't UTF-8: no client signs those
            return False
        return same_signature(self.signature, computed)


def paths(raw: str) -> list[str]:
    """The paths that a client may have signed: the one it sent, and its canonical encoding.

    Some sign one and send the other, with `+`, `@` or `,` unescaped. Both name the same key, so
    that a signature is never good for another one.
    """
    try:
        canonical = quote(unquote_to_bytes(raw), safe="/")
    except UnicodeEncodeError:
        return [raw]
    return list(dict.fromkeys((raw, canonical)))


def credential(text: str, stamp: str) -> tuple[str, Scope]:
    """`KEY/20130524/us-east-1/s3/aws4_request`: the access key and the scope.

    Any region will do. Raises `MalformedError`.
    """
    match = _CREDENTIAL.fullmatch(text)
    if match is None:
        raise MalformedError(
            'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/'
            'aws4_request".'
        )
    if match["service"] != "s3":
        raise MalformedError('incorrect service; this endpoint belongs to "s3".')
    if match["day"] != stamp[:8]:
        raise MalformedError("the date of the Credential is not the same as X-Amz-Date.")
    if len(match["region"]) > _MOST_REGION or not match["region"].isascii():
        raise MalformedError("the region is wrong.")
    return match["access_key"], Scope(match["day"], match["region"])


def signed_names(text: str) -> tuple[str, ...]:
    """`host;x-amz-date`: names of headers in lower case. Raises `MalformedError`."""
    if not _NAMES.fullmatch(text):
        raise MalformedError("SignedHeaders is mal-formed.")
    return tuple(text.split(";"))


def signature_text(text: str) -> str:
    """64 hexadecimal digits. Raises `MalformedError`."""
    if not _SIGNATURE.fullmatch(text):
        raise MalformedError("the Signature is mal-formed.")
    return text


def moment_of(stamp: str) -> datetime | None:
    """`20130524T000000Z` as a time; None when it isn't one."""
    if not _STAMP.fullmatch(stamp):
        return None
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        return None


def require_signed(request: S3Request, signed: tuple[str, ...]) -> None:
    """`host` and every `x-amz-` header must be signed, or whoever sees a URL adds his own.

    One that the signed query has too, with the same value, is covered. Raises `S3Error` (`AccessDenied`).
    """
    in_query = {name.lower(): value for name, value in request.query}
    missing = [
        name
        for name, value in request.headers.items()
        if name.startswith("x-amz-")
        and name not in signed
        and name not in NEED_NO_SIGNATURE
        and in_query.get(name) != value
    ]
    if "host" not in signed:
        missing.append("host")
    if missing:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            extra={"HeadersNotSigned": printable(", ".join(sorted(missing)))},
        )


def mismatch(access_key: str) -> S3Error:
    """The answer to a wrong signature."""
    return S3Error(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method.",
        extra={"AWSAccessKeyId": access_key},
    )


def iso(moment: datetime) -> str:
    """A time as S3's errors show it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
