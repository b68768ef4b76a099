"""SigV2 in the query string: what boto3 presigns by default in us-east-1.

Source: "Signing and Authenticating REST Requests" (Signature Version 2) in the Amazon S3 user
guide.
"""

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from nobreak.faces.s3.claim import iso, mismatch, paths
from nobreak.faces.s3.keyring import KeyRing
from nobreak.faces.s3.presigned import body_word
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.verified import Verified
from nobreak.stores.external.sigv4 import UNSIGNED_PAYLOAD

REQUIRED: Final = ("AWSAccessKeyId", "Expires", "Signature")

SIGNED_ARGUMENTS: Final = frozenset(
    """
    accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging
    metrics notification object-lock partNumber policy replication requestPayment restore select
    select-type storageClass tagging torrent uploadId uploads versionId versioning versions website
    response-cache-control response-content-disposition response-content-encoding
    response-content-language response-content-type response-expires
    """.split()  # noqa: SIM905 - a table of words
)
"""The arguments that the signature covers: sub-resources and headers of the answer."""

HARMLESS_ARGUMENTS: Final = frozenset(
    """
    content-md5 content-type continuation-token delimiter encoding-type fetch-owner key-marker
    list-type marker max-keys max-parts max-uploads part-number-marker prefix start-after
    upload-id-marker version-id-marker x-id
    """.split()  # noqa: SIM905 - a table of words
)
"""Arguments that no SigV2 signature covers and that change nothing but what a list shows."""

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9A-Za-z+/]{27}=", re.ASCII)


def verify_presigned_v2(request: S3Request, keys: KeyRing, now: datetime) -> Verified:
    """Who signed this URL. Raises `S3Error`."""
    arguments = _arguments(request)
    expires = arguments["Expires"]
    _require_valid(expires, now)
    pair = keys.pair(arguments["AWSAccessKeyId"])
    head = [request.method, *_plain_headers(request.headers), expires, *_amz_headers(request)]
    # A "+" that wasn't escaped on the way arrives as a space, and base64 has no spaces.
    claimed = arguments["Signature"].replace(" ", "+")
    if not any(
        same_v2("\n".join((*head, resource)), pair.secret, claimed)
        for resource in _resources(request)
    ):
        raise mismatch(pair.access_key)
    return Verified(pair.access_key, body_word(request, UNSIGNED_PAYLOAD))


def same_v2(text: str, secret: str, claimed: str) -> bool:
    """Whether `claimed` is the signature of `text`, compared in constant time."""
    if not _SIGNATURE.fullmatch(claimed):
        return False
    computed = hmac.digest(secret.encode(), text.encode("utf-8", "surrogateescape"), "sha1")
    return hmac.compare_digest(base64.b64encode(computed), claimed.encode())


def _arguments(request: S3Request) -> Mapping[str, str]:
    given = [(name, value) for name, value in request.query if name in REQUIRED]
    arguments = dict(given)
    if len(given) != len(REQUIRED) or len(arguments) != len(REQUIRED):
        raise S3Error(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId "
            "parameters, each once",
        )
    for name, _ in request.query:
        covered = name in SIGNED_ARGUMENTS or name.lower().startswith("x-amz-")
        if not covered and name not in arguments and name not in HARMLESS_ARGUMENTS:
            raise S3Error(
                "AccessDenied",
                "The URL has an argument that Signature Version 2 does not cover. "
                "Please use AWS4-HMAC-SHA256.",
            )
    return arguments


def _require_valid(expires: str, now: datetime) -> None:
    if not _SECONDS.fullmatch(expires):
        raise S3Error("AccessDenied", "Invalid date (should be seconds since epoch)")
    if now.timestamp() > int(expires):
        extra = {"Expires": iso(datetime.fromtimestamp(int(expires), UTC)), "ServerTime": iso(now)}
        raise S3Error("AccessDenied", "Request has expired", extra=extra)


def _plain_headers(headers: Mapping[str, str]) -> tuple[str, str]:
    return headers.get("content-md5", "").strip(), headers.get("content-type", "").strip()


def _amz_headers(request: S3Request) -> list[str]:
    """Headers of the request and those that the signer moved into the URL, in order.

    One that is in both must say the same: the signature covers it once.
    """
    found: dict[str, str] = {}
    for name, value in (*request.headers.items(), *request.query):
        lower = name.lower()
        if lower.startswith("x-amz-") and found.setdefault(lower, value) != value:
            raise S3Error("AccessDenied", "A header of the request contradicts the URL")
    return [f"{name}:{value.strip()}" for name, value in sorted(found.items())]


def _resources(request: S3Request) -> list[str]:
    """The canonical resource: the bucket, the path and the arguments that are covered.

    The bucket is part of the path unless the host names it. Some sign `/bucket/` for `/bucket`.
    """
    path = unquote_to_bytes(request.raw_path.encode("utf-8", "surrogateescape"))
    in_host = request.bucket is not None and path == f"/{request.key or ''}".encode()
    bucket = f"/{request.bucket}" if in_host else ""
    # Only the raw query tells `?acl` from `?acl=`. Read as the server reads it: "+" is a space.
    parts = [part.split("=", 1) for part in request.raw_query.replace("+", "%20").split("&")]
    decoded = [[unquote(each) for each in part] for part in parts]
    covered = sorted(part for part in decoded if part[0] in SIGNED_ARGUMENTS)
    query = "&".join(map("=".join, covered))
    suffix = f"?{query}" if query else ""
    ends = ("",) if request.key or request.raw_path.endswith("/") else ("", "/")
    return [f"{bucket}{path}{end}{suffix}" for path in paths(request.raw_path) for end in ends]
