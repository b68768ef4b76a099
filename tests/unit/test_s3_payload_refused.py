"""Issue 3, items 5 and 6: a body that isn't what was signed or announced is refused."""

import base64
import hashlib
import re
from collections.abc import Callable

import pytest
from tests.support.chunks import aws_chunked, read, streamed, trailer

from nobreak.faces.s3.checksums import Algorithm
from nobreak.faces.s3.chunked import MAX_LINE, ChunkedDecoder
from nobreak.faces.s3.payload import payload_decoder
from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.verified import Streaming, Verified

UNSIGNED = Verified("user", "UNSIGNED-PAYLOAD")
BODY = b"0123456789abcdef" * 4
SIZE = 48
Change = Callable[[bytes], bytes]


def refused(verified: Verified, headers: dict[str, str], wire: bytes, step: int = 7) -> str:
    """The code, which is the same for a whole body and for one in small pieces."""
    codes = set()
    for size in (step, len(wire) + 1):
        with pytest.raises(S3Error) as caught:
            read(verified, headers, [wire[at : at + size] for at in range(0, len(wire), size)])
        codes.add(caught.value.code)
    assert len(codes) == 1
    return codes.pop()


def after(marker: bytes, new: bytes) -> Change:
    return lambda wire: wire.replace(marker, new, 1)


BROKEN: dict[str, tuple[Change, str]] = {
    "plus sign": (after(b"30", b"+30"), "InvalidChunkSizeError"),
    "minus sign": (after(b"30", b"-30"), "InvalidChunkSizeError"),
    "prefix": (after(b"30", b"0x30"), "InvalidChunkSizeError"),
    "underscore": (after(b"30", b"3_0"), "InvalidChunkSizeError"),
    "space before": (after(b"30", b" 30"), "InvalidChunkSizeError"),
    "space after": (lambda w: re.sub(rb"^30", b"30 ", w), "InvalidChunkSizeError"),
    "tab": (after(b"30", b"\t30"), "InvalidChunkSizeError"),
    "newline before": (lambda w: b"\r\n" + w, "InvalidChunkSizeError"),
    "not hexadecimal": (after(b"30", b"3g"), "InvalidChunkSizeError"),
    "no size": (after(b"30", b""), "InvalidChunkSizeError"),
    "overflow": (after(b"30", b"1" + b"0" * 16), "InvalidChunkSizeError"),
    "huge": (after(b"30", b"f" * 16), "IncompleteBody"),
    "extension": (after(b"\r\n", b";a=b\r\n"), "InvalidChunkSizeError"),
    "bare line feed": (after(b"\r\n", b"\n"), "InvalidChunkSizeError"),
    "bare carriage return": (after(b"\r\n", b"\r"), "InvalidChunkSizeError"),
    "endless line": (lambda _: b"0" * 10_000, "InvalidChunkSizeError"),
    "chunk longer than said": (after(b"f\r\n10", b"fx\r\n10"), "InvalidChunkSizeError"),
    "bytes after the end": (lambda w: w + b"x", "InvalidChunkSizeError"),
    "a line after the end": (lambda w: w + b"\r\n", "InvalidChunkSizeError"),
    "a second body": (lambda w: w + w, "InvalidChunkSizeError"),
    "nothing": (lambda _: b"", "IncompleteBody"),
    "cut": (lambda w: w[:30], "IncompleteBody"),
    "no final chunk": (lambda w: w[: w.rindex(b"\r\n0") + 2], "IncompleteBody"),
}


@pytest.mark.parametrize(("change", "code"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("word", Streaming)
def test_a_broken_framing_is_refused(word, change, code):
    verified, headers = streamed(word, BODY, Algorithm.CRC32C)
    wire = aws_chunked(verified, BODY, Algorithm.CRC32C, size=SIZE)
    changed = change(wire)
    assert changed != wire
    assert refused(verified, headers, changed) == code


@pytest.mark.parametrize("length", [0, 1, 63, 65, 10**15])
def test_a_body_of_another_length_than_announced_is_incomplete(length):
    verified, headers = streamed(Streaming.UNSIGNED_TRAILER, BODY, Algorithm.CRC32)
    wire = aws_chunked(verified, BODY, Algorithm.CRC32, size=SIZE)
    wrong = headers | {"x-amz-decoded-content-length": str(length)}
    assert refused(verified, wrong, wire) == "IncompleteBody"


SIGNED_CHANGES: dict[str, tuple[Change, str]] = {
    "a byte of the body": (after(b"0123", b"0124"), "SignatureDoesNotMatch"),
    "chunks in another order": (
        lambda w: w[w.index(b"10;") : w.index(b"0;", 150)] + w[: w.index(b"10;")] + w[-90:],
        "SignatureDoesNotMatch",
    ),
    "a chunk left out": (lambda w: w[w.index(b"\r\n10;") + 2 :], "SignatureDoesNotMatch"),
    "a size without signature": (
        lambda w: re.sub(rb";chunk-signature=\w+", b"", w, count=1),
        "InvalidChunkSizeError",
    ),
    "capitals": (
        lambda w: re.sub(rb"=\w+", lambda m: m[0].upper(), w, count=1),
        "InvalidChunkSizeError",
    ),
    "the signature of another chunk": (
        lambda w: re.sub(rb"^(\w+;[^=]+=)\w+", rb"\g<1>" + b"0" * 64, w),
        "SignatureDoesNotMatch",
    ),
    "the signature of the last chunk": (
        lambda w: re.sub(rb"(\r\n0;[^=]+=)\w+", rb"\g<1>" + b"0" * 64, w),
        "SignatureDoesNotMatch",
    ),
}


@pytest.mark.parametrize(("change", "code"), SIGNED_CHANGES.values(), ids=SIGNED_CHANGES)
@pytest.mark.parametrize("word", [Streaming.SIGNED, Streaming.SIGNED_TRAILER])
def test_chunks_that_were_not_signed_so_are_refused(word, change, code):
    verified, headers = streamed(word, BODY, Algorithm.SHA256)
    wire = aws_chunked(verified, BODY, Algorithm.SHA256, size=SIZE)
    changed = change(wire)
    assert changed != wire
    assert refused(verified, headers, changed) == code


CRC = b"x-amz-checksum-crc32:"
TRAILERS: dict[str, tuple[Change, str]] = {
    "unknown": (after(CRC, b"x-amz-meta-a:"), "MalformedTrailerError"),
    "one more": (after(CRC, b"x-amz-meta-a:b\r\n" + CRC), "MalformedTrailerError"),
    "twice": (after(CRC, CRC + b"AAAAAA==\r\n" + CRC), "MalformedTrailerError"),
    "another checksum": (after(b"crc32:", b"crc32c:"), "MalformedTrailerError"),
    "none": (lambda w: re.sub(rb"x-amz-checksum.*?\r\n", b"", w), "MalformedTrailerError"),
    "no value": (lambda w: re.sub(rb"crc32:.*?\r\n", b"crc32:\r\n", w), "MalformedTrailerError"),
    "no colon": (after(b"crc32:", b"crc32"), "MalformedTrailerError"),
    "folded": (after(b"crc32:", b"crc32:\r\n "), "MalformedTrailerError"),
    "spaces inside": (after(b"crc32:", b"crc32:a b"), "MalformedTrailerError"),
    "too long": (after(b"crc32:", b"crc32:" + b"a" * MAX_LINE), "InvalidChunkSizeError"),
}


@pytest.mark.parametrize(("change", "code"), TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("word", [Streaming.SIGNED_TRAILER, Streaming.UNSIGNED_TRAILER])
def test_a_trailer_that_was_not_announced_so_is_refused(word, change, code):
    verified, headers = streamed(word, BODY, Algorithm.CRC32)
    changed = change(aws_chunked(verified, BODY, Algorithm.CRC32, size=SIZE))
    assert refused(verified, headers, changed) == code


def test_a_trailer_must_match_the_body_and_be_a_checksum():
    verified, headers = streamed(Streaming.UNSIGNED_TRAILER, BODY, Algorithm.CRC32)
    wire = aws_chunked(verified, BODY, Algorithm.CRC32, size=SIZE)
    wrong = re.sub(rb"crc32:.*?\r", b"crc32:AAAAAA==\r", wire)
    assert refused(verified, headers, wrong) == "BadDigest"
    short = re.sub(rb"crc32:.*?\r", b"crc32:AAAA\r", wire)
    assert refused(verified, headers, short) == "InvalidRequest"
    assert refused(verified, headers, wire.replace(b"0123", b"0124", 1)) == "BadDigest"


def test_the_signature_of_a_trailer_is_required_and_checked():
    verified, headers = streamed(Streaming.SIGNED_TRAILER, BODY, Algorithm.CRC32)
    wire = aws_chunked(verified, BODY, Algorithm.CRC32, size=SIZE)
    forged = re.sub(rb"(trailer-signature:)\w+", rb"\g<1>" + b"0" * 64, wire)
    assert refused(verified, headers, forged) == "SignatureDoesNotMatch"
    swapped = re.sub(rb"crc32:.*?\r", b"crc32:AAAAAA==\r", wire)
    assert refused(verified, headers, swapped) == "SignatureDoesNotMatch"
    bare = re.sub(rb"x-amz-trailer-signature:\w+\r\n", b"", wire)
    assert refused(verified, headers, bare) == "MalformedTrailerError"
    line = re.search(rb"x-amz-trailer-signature:\w+\r\n", wire)
    assert line is not None
    early = bare.replace(CRC, line[0] + CRC)
    assert refused(verified, headers, early) == "MalformedTrailerError"
    twice = wire.replace(line[0], line[0] * 2)
    assert refused(verified, headers, twice) == "MalformedTrailerError"


def test_a_trailer_signature_is_no_trailer_where_nothing_is_signed():
    verified, headers = streamed(Streaming.UNSIGNED_TRAILER, BODY, Algorithm.CRC32)
    wire = aws_chunked(verified, BODY, Algorithm.CRC32)
    wire = wire.removesuffix(b"\r\n") + b"x-amz-trailer-signature:" + b"0" * 64 + b"\r\n\r\n"
    assert refused(verified, headers, wire) == "MalformedTrailerError"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


CRC_OF_BODY = "x-amz-checksum-crc32"
HEADERS: dict[str, tuple[dict[str, str], str]] = {
    "md5 of another body": ({"content-md5": b64(hashlib.md5(b"").digest())}, "BadDigest"),
    "md5 that isn't base64": ({"content-md5": "?"}, "InvalidDigest"),
    "md5 in hexadecimal": ({"content-md5": hashlib.md5(BODY).hexdigest()}, "InvalidDigest"),
    "md5 not in ASCII": ({"content-md5": "é"}, "InvalidDigest"),
    "empty md5": ({"content-md5": ""}, "InvalidDigest"),
    "crc of another body": ({CRC_OF_BODY: "AAAAAA=="}, "BadDigest"),
    "crc that isn't base64": ({CRC_OF_BODY: "AAA?AA=="}, "InvalidRequest"),
    "crc of the wrong size": ({CRC_OF_BODY: "AAAA"}, "InvalidRequest"),
    "crc of parts": ({CRC_OF_BODY: "AAAAAA==-2"}, "InvalidRequest"),
    "two checksums": (
        {CRC_OF_BODY: "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="},
        "InvalidRequest",
    ),
    "an unknown one": ({"x-amz-checksum-adler": "AAAAAA=="}, "NotImplemented"),
    "promised and not sent": ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest"),
    "promised another": (
        {"x-amz-sdk-checksum-algorithm": "SHA1", CRC_OF_BODY: "AAAAAA=="},
        "InvalidRequest",
    ),
    "trailer without a place": ({"x-amz-trailer": CRC_OF_BODY}, "InvalidRequest"),
}


@pytest.mark.parametrize(("headers", "code"), HEADERS.values(), ids=HEADERS)
def test_a_plain_body_that_does_not_match_its_headers_is_refused(headers, code):
    assert refused(UNSIGNED, headers, BODY) == code


@pytest.mark.parametrize("algorithm", Algorithm)
def test_each_checksum_is_really_compared(algorithm):
    verified, _ = streamed(Streaming.UNSIGNED_TRAILER, BODY, algorithm)
    other = trailer(verified, BODY + b"x", algorithm, None).decode().strip().partition(":")[2]
    assert refused(UNSIGNED, {algorithm.header: other}, BODY) == "BadDigest"


def test_a_body_that_was_not_signed_so_is_refused_with_both_hashes():
    decoder = payload_decoder(Verified("user", hashlib.sha256(BODY).hexdigest()), {})
    decoder.feed(BODY + b"x")
    with pytest.raises(S3Error) as caught:
        decoder.finish()
    assert caught.value.code == "XAmzContentSHA256Mismatch"
    assert caught.value.extra == {
        "ClientComputedContentSHA256": hashlib.sha256(BODY).hexdigest(),
        "S3ComputedContentSHA256": hashlib.sha256(BODY + b"x").hexdigest(),
    }


STREAM_HEADERS: dict[str, tuple[dict[str, str], str]] = {
    "no length": ({}, "MissingContentLength"),
    "a signed length": ({"x-amz-decoded-content-length": "+5"}, "InvalidArgument"),
    "a negative length": ({"x-amz-decoded-content-length": "-5"}, "InvalidArgument"),
    "foreign digits": ({"x-amz-decoded-content-length": "٣"}, "InvalidArgument"),
    "endless digits": ({"x-amz-decoded-content-length": "9" * 5000}, "InvalidArgument"),
    "a trailer that is no checksum": ({"x-amz-trailer": "x-amz-meta-a"}, "InvalidRequest"),
    "two trailers": ({"x-amz-trailer": f"{CRC_OF_BODY},{CRC_OF_BODY}c"}, "InvalidRequest"),
    "header and trailer": (
        {"x-amz-trailer": CRC_OF_BODY, CRC_OF_BODY: "AAAAAA=="},
        "InvalidRequest",
    ),
}


@pytest.mark.parametrize(("headers", "code"), STREAM_HEADERS.values(), ids=STREAM_HEADERS)
def test_a_stream_that_is_announced_wrongly_is_refused_before_its_body(headers, code):
    with pytest.raises(S3Error) as caught:
        payload_decoder(Verified("user", Streaming.UNSIGNED_TRAILER), headers)
    assert caught.value.code == code


def test_after_a_refusal_nothing_more_is_taken():
    decoder = ChunkedDecoder(3, None)
    assert decoder.feed(b"3\r\nabc\r\n0\r\n\r\n") == [b"abc"]
    with pytest.raises(S3Error):
        decoder.feed(b"x")
    with pytest.raises(S3Error):
        decoder.feed(b"\r\n")
    with pytest.raises(S3Error):
        decoder.finish()
