"""The aws-chunked framing, read as the bytes come in.

A body is `size[;chunk-signature=…]` CRLF, so many bytes, CRLF, and so on up to a chunk of size 0,
the trailer (`name:value` lines, the last of which may be its signature) and an empty line. Bytes
are given out before their chunk's signature can be checked: whoever takes them must hold back the
end of the body, and everything that follows from it, until `finish`.
"""

import re
from collections.abc import Collection
from enum import Enum, auto
from typing import Final

from nobreak.faces.s3.chunk_chain import ChunkChain
from nobreak.faces.s3.request import S3Error

MAX_LINE: Final = 256
"""Bytes of a chunk's head or of a trailer's line; the longest that is sent has about 120."""

TRAILER_SIGNATURE: Final = "x-amz-trailer-signature"

_SIGNED_HEAD = re.compile(rb"([0-9A-Fa-f]{1,16});chunk-signature=([0-9a-f]{64})\r\n")
_PLAIN_HEAD = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_TRAILER = re.compile(rb"([0-9A-Za-z-]+):[ \t]*([!-~]+)[ \t]*\r?\n")
_EMPTY = (b"\r\n", b"\n")


class Part(Enum):
    """What comes next."""

    HEAD = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    END = auto()
    BROKEN = auto()


class ChunkedDecoder:
    """Gives out the bytes inside the chunks. Memory: one line.

    `length`: the bytes that all chunks together must have; None when nobody said. `chain`: None when chunks aren't
    signed. `expected`: the names of the trailers that must be there; after them comes their
    signature if `trailer_signed`.
    """

    def __init__(
        self,
        length: int | None,
        chain: ChunkChain | None,
        *,
        expected: Collection[str] = (),
        trailer_signed: bool = False,
    ) -> None:
        self.trailers: dict[str, str] = {}
        self._missing = length
        self._chain = chain
        self._expected = expected
        self._signature_due = trailer_signed
        self._part = Part.HEAD
        self._line = b""
        self._left = 0
        self._claimed = ""

    def feed(self, data: bytes) -> list[bytes]:
        """The bytes of the body within `data`. Raises `S3Error`."""
        pieces: list[bytes] = []
        at = 0
        try:
            while at < len(data):
                if self._part is Part.DATA:
                    pieces.append(piece := data[at : at + self._left])
                    at += len(piece)
                    self._on_data(piece)
                else:
                    at = self._on_text(data, at)
        except S3Error:
            self._part = Part.BROKEN
            raise
        return pieces

    def finish(self) -> None:
        """The body has ended. Raises `S3Error` (`IncompleteBody`, `MalformedTrailerError`).

        Only the empty line at the very end may be missing: some clients leave it out.
        """
        if self._part not in {Part.TRAILER, Part.END} or self._line:
            raise incomplete()
        self._require_trailers()

    def _on_data(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._chain:
            self._chain.update(piece)
        if not self._left:
            self._close_chunk()
            self._part = Part.DATA_END

    def _on_text(self, data: bytes, at: int) -> int:
        """Read up to the end of a line, or of `data`; the line is acted on when it is whole."""
        if self._part in {Part.END, Part.BROKEN}:
            raise malformed("there are bytes after the end")
        room = MAX_LINE - len(self._line)
        end = data.find(b"\n", at, at + room) + 1
        self._line += data[at : end or at + room]
        if end:
            line, self._line = self._line, b""
            self._on_line(line)
            return end
        if len(self._line) == MAX_LINE:
            raise malformed("a line is too long")
        return len(data)

    def _on_line(self, line: bytes) -> None:
        if self._part is Part.HEAD:
            self._on_head(line)
        elif self._part is Part.TRAILER:
            self._on_trailer(line)
        elif line == b"\r\n":
            self._part = Part.HEAD
        else:
            raise malformed("a chunk is longer than its head says")

    def _on_head(self, line: bytes) -> None:
        match = (_SIGNED_HEAD if self._chain else _PLAIN_HEAD).fullmatch(line)
        if match is None:
            raise malformed("the head of a chunk is wrong")
        self._left = int(match[1], 16)
        self._claimed = match[2].decode() if self._chain else ""
        if self._missing is not None:
            ends_early = not self._left and self._missing
            if ends_early or self._left > self._missing:
                raise incomplete()
            self._missing -= self._left
        if self._left:
            self._part = Part.DATA
        else:
            self._close_chunk()
            self._part = Part.TRAILER

    def _close_chunk(self) -> None:
        if self._chain:
            self._chain.close_chunk(self._claimed)

    def _on_trailer(self, line: bytes) -> None:
        if line in _EMPTY:
            # Before the signature of a trailer some clients send an empty line, too.
            if not self._signature_due:
                self._require_trailers()
                self._part = Part.END
            return
        match = _TRAILER.fullmatch(line)
        name, value = (match[1].decode().lower(), match[2].decode()) if match else ("", "")
        if name == TRAILER_SIGNATURE and self._signature_due:
            self._on_signature(value)
        elif name in self._expected and name not in self.trailers:
            self.trailers[name] = value
        else:
            raise bad_trailer()

    def _on_signature(self, claimed: str) -> None:
        self._signature_due = False
        self._require_trailers()
        if self._chain:
            text = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
            self._chain.close_trailer(text, claimed)

    def _require_trailers(self) -> None:
        if self._signature_due or len(self.trailers) != len(self._expected):
            raise bad_trailer()


def incomplete() -> S3Error:
    """The chunks don't add up to the length that was announced."""
    return S3Error(
        "IncompleteBody",
        "You did not provide the number of bytes specified by the "
        "x-amz-decoded-content-length HTTP header",
    )


def malformed(what: str) -> S3Error:
    """The framing isn't one."""
    return S3Error("InvalidChunkSizeError", f"The chunked body is malformed: {what}.")


def bad_trailer() -> S3Error:
    """The trailer isn't the one that was announced."""
    return S3Error(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed "
        "or did not conform to our published schema.",
    )
