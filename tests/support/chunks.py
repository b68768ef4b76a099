"""Bodies in aws-chunked, framed and signed from the documentation, apart from the reader."""

import base64
import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime

from nobreak.faces.s3.addressing import read_query, read_request
from nobreak.faces.s3.auth import authenticate
from nobreak.faces.s3.checksums import Algorithm, hasher
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.faces.s3.payload import payload_decoder
from nobreak.faces.s3.verified import Streaming, Verified
from nobreak.stores.external.sigv4 import Credentials, SignedRequest, sign

KEYS = KeyRing([KeyPair("user", "secret")])
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def streamed(
    word: Streaming,
    body: bytes,
    algorithm: Algorithm,
    *,
    path: str = "/bucket/k",
    query: str = "",
    now: datetime = NOW,
    further: dict[str, str] | None = None,
) -> tuple[Verified, dict[str, str]]:
    """The head of a PUT of `body`: as verified, and its headers."""
    headers = {"host": "store", "x-amz-decoded-content-length": str(len(body)), **(further or {})}
    if word != Streaming.SIGNED:
        headers["x-amz-trailer"] = algorithm.header
        headers["x-amz-sdk-checksum-algorithm"] = algorithm
    head = SignedRequest("PUT", path, read_query(query), headers, word)
    signed = sign(head, Credentials("user", "secret"), now=now)
    return authenticate(read_request("PUT", path, query, signed), KEYS, now), signed


def aws_chunked(
    verified: Verified, body: bytes, algorithm: Algorithm, *, size: int = 65536
) -> bytes:
    """The body on the wire, in chunks of `size`."""
    signed = verified.payload in {Streaming.SIGNED, Streaming.SIGNED_TRAILER}
    signer = Signer(verified) if signed else None
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    wire = b"".join(_framed(chunk, signer) + chunk + b"\r\n" for chunk in chunks)
    return wire + _framed(b"", signer) + trailer(verified, body, algorithm, signer) + b"\r\n"


def read(verified: Verified, headers: dict[str, str], parts: Iterable[bytes]) -> bytes:
    """The body that these parts carry, refused or whole."""
    decoder = payload_decoder(verified, headers)
    body = b"".join(piece for part in parts for piece in decoder.feed(part))
    decoder.finish()
    return body


def trailer(
    verified: Verified, body: bytes, algorithm: Algorithm, signer: "Signer | None"
) -> bytes:
    """The lines between the last chunk and the empty line."""
    if verified.payload == Streaming.SIGNED:
        return b""
    digest = hasher(algorithm)
    digest.update(body)
    line = f"{algorithm.header}:{base64.b64encode(digest.digest()).decode()}"
    if signer is None:
        return f"{line}\r\n".encode()
    return f"{line}\r\nx-amz-trailer-signature:{signer.trailer(line)}\r\n".encode()


class Signer:
    """Signs chunks one after the other."""

    def __init__(self, verified: Verified) -> None:
        assert verified.seed is not None
        self._seed = verified.seed
        self._previous = verified.seed.signature

    def chunk(self, chunk: bytes) -> str:
        empty, digest = hashlib.sha256().hexdigest(), hashlib.sha256(chunk).hexdigest()
        return self._sign("PAYLOAD", empty, digest)

    def trailer(self, line: str) -> str:
        return self._sign("TRAILER", hashlib.sha256(f"{line}\n".encode()).hexdigest())

    def _sign(self, kind: str, *hashes: str) -> str:
        scope = f"{self._seed.stamp[:8]}/us-east-1/s3/aws4_request"
        lines = (f"AWS4-HMAC-SHA256-{kind}", self._seed.stamp, scope, self._previous)
        text = "\n".join((*lines, *hashes)).encode()
        self._previous = hmac.new(self._seed.key, text, "sha256").hexdigest()
        return self._previous


def _framed(chunk: bytes, signer: Signer | None) -> bytes:
    extension = f";chunk-signature={signer.chunk(chunk)}" if signer else ""
    return f"{len(chunk):x}{extension}\r\n".encode()
