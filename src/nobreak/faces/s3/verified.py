"""What authentication leaves behind: who sent a request, and how its body must be read."""

import re
from dataclasses import dataclass, field
from enum import StrEnum

from nobreak.faces.s3.request import S3Error
from nobreak.stores.external.sigv4 import UNSIGNED_PAYLOAD, Scope

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Streaming(StrEnum):
    """The payload words of bodies that are framed as aws-chunked."""

    SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


STREAMS = frozenset(Streaming)
SIGNED_STREAMS = frozenset({Streaming.SIGNED, Streaming.SIGNED_TRAILER})


@dataclass(frozen=True, slots=True)
class Seed:
    """Where a chain of chunk signatures begins: at the signature of the request's head."""

    key: bytes = field(repr=False)
    stamp: str
    scope: Scope
    signature: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A request whose signature was right.

    `access_key`: the identity, to ask `KeyRing.allowed` about. `payload`: what the body must be:
    its SHA-256 in hexadecimal, `UNSIGNED-PAYLOAD` or a `Streaming` word. `seed`: only with signed
    streams.
    """

    access_key: str
    payload: str
    seed: Seed | None = None


def payload_word(text: str) -> str:
    """`text` as a payload word. Raises `S3Error` (`InvalidArgument`) if it isn't one.

    The words of other streams (SigV4A) aren't supported.
    """
    if text == UNSIGNED_PAYLOAD or text in STREAMS or _SHA256.fullmatch(text):
        return text
    raise S3Error(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
        f"{', '.join(Streaming)}, or a valid sha256 value.",
    )
