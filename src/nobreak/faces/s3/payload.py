"""Bodies of S3 requests: unframed, hashed as they stream, and refused if they are not right."""

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nobreak.faces.s3.checksums import (
    Algorithm,
    Checksum,
    Hasher,
    checksum,
    checksum_header,
    checksum_trailer,
    from_base64,
    hasher,
    require_promised,
)
from nobreak.faces.s3.chunk_chain import ChunkChain
from nobreak.faces.s3.chunked import ChunkedDecoder
from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.verified import STREAMS, Streaming, Verified
from nobreak.stores.external.sigv4 import UNSIGNED_PAYLOAD

_LENGTH = re.compile(r"[0-9]{1,16}", re.ASCII)
_TRAILER_STREAMS = frozenset({Streaming.SIGNED_TRAILER, Streaming.UNSIGNED_TRAILER})


@dataclass(frozen=True, slots=True)
class Digests:
    """What is known of a body that was right.

    `checksum`: the one that the client sent, to be kept with the object. `md5`, `sha256`: None
    unless the client sent it.
    """

    size: int
    checksum: Checksum | None = None
    md5: bytes | None = None
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """A digest that the body must have, and the error if it has another."""

    algorithm: Algorithm
    value: bytes
    refusal: Callable[[bytes, bytes], S3Error]


class PayloadDecoder:
    """A body on its way in.

    `feed` takes what arrives and gives the object's bytes at once. They are good only when
    `finish` has returned: hold back at least the last of them until then. `length`: how many
    there will be, if the request says so of a framed body, else None.
    """

    def __init__(
        self,
        checks: list[Check],
        *,
        promised: Checksum | None = None,
        trailer: Algorithm | None = None,
        frames: ChunkedDecoder | None = None,
        length: int | None = None,
    ) -> None:
        self.length = length
        self._checks = checks
        self._promised = promised
        self.trailer = trailer
        self._frames = frames
        self._size = 0
        wanted = {check.algorithm for check in checks} | ({trailer} if trailer else set())
        self._hashers: dict[Algorithm, Hasher] = {each: hasher(each) for each in wanted}

    def feed(self, data: bytes) -> list[bytes]:
        """The object's bytes within `data`. Raises `S3Error`."""
        pieces = self._frames.feed(data) if self._frames else [data] if data else []
        for piece in pieces:
            self._size += len(piece)
            for each in self._hashers.values():
                each.update(piece)
        return pieces

    def finish(self) -> Digests:
        """All of the body was fed. To be called once. Raises `S3Error` unless it was right."""
        checks, promised = self._checks, self._promised
        if self._frames:
            self._frames.finish()
        if self._frames and self.trailer:
            name = self.trailer.header
            promised = checksum(name, self._frames.trailers[name])
            checks = [*checks, Check(promised.algorithm, promised.value, _bad_checksum(promised))]
        found = {algorithm: each.digest() for algorithm, each in self._hashers.items()}
        for check in checks:
            if not hmac.compare_digest(check.value, found[check.algorithm]):
                raise check.refusal(check.value, found[check.algorithm])
        return Digests(self._size, promised, found.get(Algorithm.MD5), found.get(Algorithm.SHA256))


def payload_decoder(
    verified: Verified, headers: Mapping[str, str], *, of_body: bool = True
) -> PayloadDecoder:
    """What reads the body of this request.

    `headers`: those that came as headers, names in lower case; never those of a presigned URL,
    into which SDKs write the checksum of an empty body. `of_body`: false where
    `x-amz-checksum-…` speaks of an object and not of this body (CompleteMultipartUpload).
    Raises `S3Error`: `InvalidArgument`, `InvalidDigest`, `InvalidRequest`,
    `MissingContentLength`, `NotImplemented`.
    """
    promised = checksum_header(headers) if of_body else None
    trailer = _trailer(verified, headers)
    if promised and trailer:
        raise S3Error("InvalidRequest", "A checksum came as a header and is announced as trailer.")
    if of_body:
        require_promised(headers, promised.algorithm if promised else trailer)
    checks = [*_sha256(verified), *_md5(headers)]
    if promised:
        checks.append(Check(promised.algorithm, promised.value, _bad_checksum(promised)))
    if verified.payload not in STREAMS:
        return PayloadDecoder(checks, promised=promised)
    length = _decoded_length(headers)
    frames = ChunkedDecoder(
        length,
        ChunkChain(verified.seed) if verified.seed else None,
        expected={trailer.header} if trailer else (),
        trailer_signed=verified.payload == Streaming.SIGNED_TRAILER,
    )
    return PayloadDecoder(checks, promised=promised, trailer=trailer, frames=frames, length=length)


def _trailer(verified: Verified, headers: Mapping[str, str]) -> Algorithm | None:
    trailer = checksum_trailer(headers)
    if trailer and verified.payload not in _TRAILER_STREAMS:
        raise S3Error("InvalidRequest", "x-amz-trailer needs an x-amz-content-sha256 with trailer.")
    return trailer


def _decoded_length(headers: Mapping[str, str]) -> int | None:
    """None for a stream whose client didn't know: botocore's form for what it can't seek in."""
    text = headers.get("x-amz-decoded-content-length")
    if text is None and "transfer-encoding" in headers:
        return None
    if text is None:
        raise S3Error("MissingContentLength", "x-amz-decoded-content-length is missing.")
    if not _LENGTH.fullmatch(text):
        raise S3Error("InvalidArgument", "x-amz-decoded-content-length is not a number.")
    return int(text)


def _sha256(verified: Verified) -> list[Check]:
    """The check of the hash that was signed, if one was."""
    word = verified.payload
    if word in STREAMS or word == UNSIGNED_PAYLOAD:
        return []

    def refusal(expected: bytes, found: bytes) -> S3Error:
        return S3Error(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            extra={
                "ClientComputedContentSHA256": expected.hex(),
                "S3ComputedContentSHA256": found.hex(),
            },
        )

    return [Check(Algorithm.SHA256, bytes.fromhex(word), refusal)]


def _md5(headers: Mapping[str, str]) -> list[Check]:
    """The check of `Content-MD5`, if it is there."""
    text = headers.get("content-md5")
    if text is None:
        return []
    value = from_base64(text, Algorithm.MD5)
    if value is None:
        raise S3Error("InvalidDigest", "The Content-MD5 you specified was invalid.")

    def refusal(_expected: bytes, _found: bytes) -> S3Error:
        return S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.")

    return [Check(Algorithm.MD5, value, refusal)]


def _bad_checksum(promised: Checksum) -> Callable[[bytes, bytes], S3Error]:
    message = f"The {promised.algorithm} you specified did not match the calculated checksum."
    return lambda _expected, _found: S3Error("BadDigest", message)
