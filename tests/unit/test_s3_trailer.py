"""A body with its checksum behind it: our framing is read by our own reader of such bodies."""

import base64

import pytest

from nobreak.faces.s3.checksums import Algorithm, hasher
from nobreak.faces.s3.chunked import ChunkedDecoder
from nobreak.stores.external.base import Trailer
from nobreak.stores.external.s3_trailer import PIECE, framed, framed_length, framing_headers

NAME = Algorithm.CRC32.header
VALUE = "NhCmhg=="
TRAILER = Trailer(NAME, len(VALUE), lambda: VALUE)


async def pieces(body, step):
    for at in range(0, len(body), step):
        yield body[at : at + step]


@pytest.mark.parametrize("size", [1, 5, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7])
@pytest.mark.parametrize("step", [1000, PIECE, 10 * PIECE])
async def test_what_is_framed_has_the_length_that_was_announced_and_is_read_back(size, step):
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    sent = b"".join([piece async for piece in framed(pieces(body, step), TRAILER)])
    assert len(sent) == framed_length(size, TRAILER)
    reader = ChunkedDecoder(size, None, expected=(NAME,), trailer_signed=False)
    assert b"".join(reader.feed(sent)) == body
    reader.finish()
    assert reader.trailers == {NAME: VALUE}


def test_the_headers_say_how_it_is_framed_and_what_it_is():
    found = framing_headers(5, {"content-encoding": "gzip", "content-type": "a/b"}, TRAILER)
    assert found == {
        "content-encoding": "gzip",
        "content-length": str(framed_length(5, TRAILER)),
        "content-type": "a/b",
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": NAME,
    }


@pytest.mark.parametrize("algorithm", Algorithm)
def test_how_long_a_checksum_will_be_is_known_before_it_is(algorithm):
    digest = hasher(algorithm).digest()
    assert algorithm.text_length == len(base64.b64encode(digest))
