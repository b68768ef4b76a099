"""Bodies on their way out: exactly as long as announced, hashed as they go."""

from collections.abc import AsyncIterator
from typing import Protocol

from nobreak.errors import BodyMismatchError


class Digest(Protocol):
    """What `hashlib` makes."""

    def update(self, data: bytes, /) -> None: ...


async def exactly(size: int, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """These chunks. Raises `BodyMismatchError` when they are not `size` bytes together.

    Without it a body that ends early leaves the server waiting for the rest.
    """
    left = size
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise BodyMismatchError(f"the body is longer than the {size} bytes announced")
        yield chunk
    if left:
        raise BodyMismatchError(f"the body ended {left} bytes short of the {size} announced")


async def hashed(digest: Digest, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """These chunks, each fed to `digest` first."""
    async for chunk in chunks:
        digest.update(chunk)
        yield chunk


async def arrived(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """These chunks, once the first of them is here; until then nothing needs a connection."""
    first = await anext(chunks, b"")

    async def all_chunks() -> AsyncIterator[bytes]:
        if first:
            yield first
        async for chunk in chunks:
            yield chunk

    return all_chunks()
