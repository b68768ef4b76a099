"""Issue 3, item 6: no bytes raise anything but S3's errors, and none are kept without bound."""

import tracemalloc
from contextlib import suppress
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.chunks import Signer, read, streamed

from nobreak.faces.s3.checksums import Algorithm
from nobreak.faces.s3.payload import payload_decoder
from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.verified import Streaming, Verified

CRC_OF_BODY = "x-amz-checksum-crc32"

fragments = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"0",
            b"3",
            b"\r\n",
            b"abc",
            b"\n",
            b";chunk-signature=" + b"0" * 64,
            b"x-amz-checksum-crc32:",
            b"AAAAAA==",
        ]
    ),
)


@given(st.lists(fragments, max_size=30), st.sampled_from(Streaming), st.integers(0, 9))
def test_random_bytes_raise_nothing_but_s3s_errors(parts, word, length):
    verified, headers = streamed(word, b"a" * length, Algorithm.CRC32)
    with suppress(S3Error):
        assert len(read(verified, headers, parts)) == length


header_names = st.sampled_from(
    [
        *(each.header for each in Algorithm),
        *("x-amz-trailer", "x-amz-sdk-checksum-algorithm", "content-md5"),
        *("x-amz-decoded-content-length", "x-amz-checksum-type", "x-amz-checksum-"),
    ]
)
odd_values = st.one_of(
    st.text(max_size=20), st.sampled_from([*Algorithm, CRC_OF_BODY, "AAAAAA==", "5", "\udcff"])
)


@given(
    st.dictionaries(header_names, odd_values, max_size=4),
    st.sampled_from(["UNSIGNED-PAYLOAD", Streaming.UNSIGNED_TRAILER, "0" * 64]),
)
def test_random_headers_raise_nothing_but_s3s_errors(headers, word):
    with suppress(S3Error):
        read(Verified("user", word), headers, [b"5\r\nhello\r\n0\r\n\r\n"])


@pytest.mark.parametrize("line", [b"0", b"\r", b"5;", b"x"])
def test_no_line_is_kept_for_longer_than_a_line_may_be(line):
    verified = Verified("user", Streaming.UNSIGNED_TRAILER)
    tracemalloc.start()
    try:
        with pytest.raises(S3Error):
            read(verified, {"x-amz-decoded-content-length": "10"}, repeat(line, 100_000))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_a_chunk_beyond_the_announced_length_is_refused_at_its_head():
    """None of its bytes are given out: whoever stores them relies on the length."""
    verified = Verified("user", Streaming.UNSIGNED_TRAILER)
    decoder = payload_decoder(verified, {"x-amz-decoded-content-length": "5"})
    assert decoder.feed(b"3\r\nabc\r\n") == [b"abc"]
    with pytest.raises(S3Error) as caught:
        decoder.feed(b"3\r\n")
    assert caught.value.code == "IncompleteBody"


def test_a_chunk_of_any_size_streams_through_without_being_kept():
    total = 64 * 1024 * 1024
    verified, headers = streamed(Streaming.SIGNED, b"", Algorithm.CRC32)
    headers["x-amz-decoded-content-length"] = str(total)
    decoder = payload_decoder(verified, headers)
    block = bytes(65536)
    tracemalloc.start()
    try:
        decoder.feed(b"%x;chunk-signature=%s\r\n" % (total, b"0" * 64))
        for _ in range(total // len(block) - 1):
            assert decoder.feed(block) == [block]
        assert tracemalloc.get_traced_memory()[1] < 300_000
        with pytest.raises(S3Error) as caught:
            decoder.feed(block)
    finally:
        tracemalloc.stop()
    assert caught.value.code == "SignatureDoesNotMatch"


def test_endless_empty_lines_before_a_trailers_signature_cost_no_memory():
    verified, headers = streamed(Streaming.SIGNED_TRAILER, b"", Algorithm.CRC32)
    decoder = payload_decoder(verified, headers)
    decoder.feed(f"0;chunk-signature={Signer(verified).chunk(b'')}\r\n".encode())
    tracemalloc.start()
    try:
        for _ in range(1000):
            assert decoder.feed(b"\r\n" * 100) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    with pytest.raises(S3Error):
        decoder.finish()
