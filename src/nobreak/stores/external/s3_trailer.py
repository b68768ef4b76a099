"""A body whose checksum comes after it: the framing that S3 calls `aws-chunked`, unsigned.

Source: "Signature calculations for the Authorization header: including trailing headers" in the
Amazon S3 API reference.

The payload word alone says that a body is framed, as minio-go has it too: SeaweedFS (4.48) keeps an
`aws-chunked` among the content encodings with the object, to which it does not belong.
"""

from collections.abc import AsyncIterator, Mapping

from nobreak.stores.external.base import Trailer

PAYLOAD = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
PIECE = 64 * 1024
"""The bytes of a chunk; only the last one has fewer. S3 asks for 8 KiB at least."""


def framing_headers(size: int, headers: Mapping[str, str], trailer: Trailer) -> dict[str, str]:
    """The headers of a body of `size` bytes that is sent so, beside its `headers`."""
    return {
        **headers,
        "content-length": str(framed_length(size, trailer)),
        "x-amz-decoded-content-length": str(size),
        "x-amz-trailer": trailer.name,
    }


def framed_length(size: int, trailer: Trailer) -> int:
    """How many bytes the body has with its frames."""
    full, rest = divmod(size, PIECE)
    length = full * (len(_head(PIECE)) + PIECE + 2)
    if rest:
        length += len(_head(rest)) + rest + 2
    return length + len(_head(0)) + len(trailer.name) + 1 + trailer.length + 4


async def framed(chunks: AsyncIterator[bytes], trailer: Trailer) -> AsyncIterator[bytes]:
    """The body in its frames, and the trailer."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        while len(held) >= PIECE:
            yield _head(PIECE) + bytes(held[:PIECE]) + b"\r\n"
            del held[:PIECE]
    if held:
        yield _head(len(held)) + bytes(held) + b"\r\n"
    yield _head(0) + f"{trailer.name}:{trailer.value()}\r\n\r\n".encode()


def _head(size: int) -> bytes:
    return f"{size:x}\r\n".encode()
