"""The body of a request: unframed and checked as it streams, its end held back until it is right."""

from collections.abc import AsyncIterator

from nobreak.faces.s3.payload import Digests, PayloadDecoder
from nobreak.faces.s3.request import S3Error

MAX_XML_BYTES = 2 * 1024 * 1024
"""A thousand keys to delete, or ten thousand parts to join, fit in."""


class Incoming:
    """See the module. `size`: how many bytes `chunks` will give, None when nobody said."""

    def __init__(
        self, decoder: PayloadDecoder, source: AsyncIterator[bytes], content_length: int | None
    ) -> None:
        self.size = decoder.length if decoder.length is not None else content_length
        self.trailer = decoder.trailer
        """The kind of checksum that comes after the body, if one does."""
        self._decoder = decoder
        self._source = source
        self._digests: Digests | None = None

    @classmethod
    def of(cls, content: bytes) -> "Incoming":
        """A body that was read already, and found right."""
        return cls(PayloadDecoder([]), _once(content), len(content))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, once. The last ones only come when all is right. Raises `S3Error`."""
        held = b""
        async for data in self._source:
            for piece in self._decoder.feed(data):
                if held:
                    yield held
                held = piece
        self._digests = self._decoder.finish()
        if held:
            yield held

    def trailing_checksum(self) -> str:
        """The checksum that came after the body, in base64; to be asked when all is read."""
        digests = self._digests
        assert digests is not None and digests.checksum is not None, "known at the end"  # noqa: S101, PT018
        return digests.checksum.text

    async def whole(self) -> bytes:
        """A body of XML. Raises `S3Error`."""
        content = bytearray()
        async for piece in self.chunks():
            content += piece
            if len(content) > MAX_XML_BYTES:
                raise S3Error("MaxMessageLengthExceeded")
        return bytes(content)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
