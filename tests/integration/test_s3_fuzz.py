"""Issue 3, item 6: whatever comes in is answered with one of S3's errors; never an internal one,
never by hanging, and what nobody signed never reaches storage.

`make fuzz` looks longer.
"""

import asyncio
import threading
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.s3_front import USER, Front, read_reply, request_bytes, running_front

from nobreak.faces.s3.addressing import read_copy_source, read_request
from nobreak.faces.s3.auth import authenticate
from nobreak.faces.s3.checksums import Algorithm
from nobreak.faces.s3.chunked import ChunkedDecoder
from nobreak.faces.s3.errors import CODES, error_xml, status_of, translated
from nobreak.faces.s3.hoisting import check_header_values, effective_headers
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.faces.s3.list_request import read_list_request
from nobreak.faces.s3.operations import classify
from nobreak.faces.s3.payload import payload_decoder
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.verified import Streaming, Verified
from nobreak.faces.s3.xml_in import (
    read_bucket_configuration,
    read_complete,
    read_delete,
    read_tagging,
)
from nobreak.faces.s3.xml_writer import document, leaf
from nobreak.stores.external.s3_xml import parse
from nobreak.stores.external.sigv4 import SignedRequest, encode_query, sign

KEYS = KeyRing([KeyPair("user", "secret")])
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

TEXT = st.text(st.characters(codec="utf-8"), max_size=20) | st.binary(max_size=20).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)
WORDS = st.sampled_from(
    """
    AWS4-HMAC-SHA256 Credential=user/20261123/us-east-1/s3/aws4_request, SignedHeaders=host,
    Signature= X-Amz-Signature X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires
    X-Amz-SignedHeaders AWSAccessKeyId Signature Expires user 20261123T120000Z 604800 host
    uploads uploadId partNumber list-type 2 delete tagging versions prefix max-keys -1 1000
    continuation-token encoding-type url bytes=0- bytes=-5 * "etag" UNSIGNED-PAYLOAD
    STREAMING-UNSIGNED-PAYLOAD-TRAILER x-amz-checksum-crc32 CRC32 AAAAAA== shop/k /shop/%zz
    Mon, 23 Nov 2026 12:00:00 GMT x-amz-acl
    """.split()  # noqa: SIM905 - a table of words
)
PIECE = WORDS | TEXT
NAMES = st.sampled_from(
    """
    authorization date host x-amz-date x-amz-content-sha256 x-amz-decoded-content-length
    x-amz-trailer x-amz-checksum-crc32 x-amz-sdk-checksum-algorithm content-md5 content-type range
    if-match if-none-match if-modified-since if-unmodified-since x-amz-copy-source
    x-amz-copy-source-range x-amz-metadata-directive x-amz-meta-a x-amz-tagging content-encoding
    transfer-encoding expect x-amz-security-token
    """.split()  # noqa: SIM905 - a table of words
)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
HEADERS = st.dictionaries(NAMES, st.lists(PIECE, max_size=5).map(" ".join), max_size=6)
QUERY = st.lists(st.tuples(PIECE, PIECE), max_size=8).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
PATH = st.lists(PIECE, max_size=4).map(lambda parts: "/" + "/".join(parts))


@given(METHODS, PATH, QUERY, HEADERS)
def test_any_head_is_understood_or_refused(method, path, query, headers):
    try:
        request = read_request(method, path, query, headers, domain="s3.localhost")
    except S3Error as error:
        assert_answerable(error, path)
        return
    classify(request)
    for use in (
        check_header_values,
        read_list_request,
        lambda it: authenticate(it, KEYS, NOW),
        lambda it: read_copy_source(effective_headers(it).get("x-amz-copy-source", "")),
        lambda it: payload_decoder(Verified("user", Streaming.UNSIGNED_TRAILER), it.headers),
        lambda it: payload_decoder(Verified("user", "UNSIGNED-PAYLOAD"), it.headers),
    ):
        try:
            use(request)
        except S3Error as error:
            assert_answerable(error, path)


def assert_answerable(error: S3Error, path: str) -> None:
    """It has a status of its own, and its XML can be read."""
    assert error.code in CODES
    assert status_of(error) < 500 or error.code == "NotImplemented"
    assert parse(error_xml(translated(error), path, "ID")).text_of("Code") == error.code


@given(st.sampled_from(["GET", "PUT"]), PATH, st.lists(st.tuples(PIECE, PIECE), max_size=3))
def test_what_is_signed_is_believed_and_any_other_is_not(method, path, query):
    head = SignedRequest(method, path, query, {"host": "x"})
    try:
        headers = sign(head, USER, now=NOW)
    except UnicodeEncodeError:
        return
    request = S3Request(method, path, "", tuple(query), headers, None, None)
    signed_twice = {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"}
    signed_twice |= {"AWSAccessKeyId", "Signature"}
    if signed_twice.isdisjoint(name for name, _ in query):
        assert authenticate(request, KEYS, NOW).access_key == "user"
    other = S3Request(method, path + "x", "", tuple(query), headers, None, None)
    with pytest.raises(S3Error):
        authenticate(other, KEYS, NOW)


CHUNKS = st.lists(
    st.sampled_from(
        [
            b"3\r\nabc\r\n",
            b"0\r\n",
            b"\r\n",
            b"\n",
            b";",
            b"5",
            b"f" * 16,
            b"x-amz-checksum-crc32:",
            b"AAAAAA==",
            b"x-amz-trailer-signature:",
            b"0" * 64,
            b"chunk-signature=",
            b"-",
            b"0x1",
        ]
    )
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@given(CHUNKS, st.integers(0, 12) | st.none(), st.lists(st.integers(0, 100), max_size=6))
def test_chunks_mean_the_same_however_they_are_cut(wire, length, cuts):
    def read(edges: list[int]) -> bytes | str:
        expected = {Algorithm.CRC32.header}
        decoder = ChunkedDecoder(length, None, expected=expected)
        body, at = b"", 0
        try:
            for edge in [*edges, len(wire)]:
                body += b"".join(decoder.feed(wire[at:edge]))
                at = max(at, edge)
            decoder.finish()
        except S3Error as error:
            return error.code
        return body

    assert read(sorted(cut for cut in cuts if cut <= len(wire))) == read([])


XML = st.lists(
    st.sampled_from(
        [
            b"<Delete>",
            b"</Delete>",
            b"<Object>",
            b"</Object>",
            b"<Key>",
            b"</Key>",
            b"<Quiet>",
            b"<CompleteMultipartUpload>",
            b"<Part>",
            b"<PartNumber>",
            b"<ETag>",
            b"1",
            b"&lt;",
            b"<Tagging><TagSet><Tag>",
            b"<!DOCTYPE a [",
            b'<!ENTITY b "c">',
            b"&b;",
            b"]>",
            b"<?",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"-->",
            b'<?xml version="1.0" encoding="utf-16"?>',
        ]
    )
    | st.binary(max_size=6),
    max_size=20,
).map(b"".join)


@given(XML)
def test_any_xml_is_read_or_refused(content):
    for read in (read_delete, read_complete, read_tagging, read_bucket_configuration):
        with suppress(S3Error):
            read(content)


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_what_is_written_as_xml_is_read_again(value):
    try:
        written = document("A", leaf("B", value))
    except S3Error:
        return
    assert parse(written).text_of("B") == value


class Live:
    """A front that runs in a thread of its own, for examples that come one after the other."""

    def __init__(self, folder) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.context = running_front(folder, on_sighup=False)
        self.front: Front = self.run(self.context.__aenter__())

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def stop(self) -> None:
        self.run(self.context.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    running = Live(tmp_path_factory.mktemp("fuzz"))
    yield running
    running.stop()


LINES = st.lists(
    st.sampled_from(
        [
            b"GET / HTTP/1.1\r\n",
            b"PUT /shop/k HTTP/1.1\r\n",
            b"POST /shop?delete HTTP/1.1\r\n",
            b"Host: x\r\n",
            b"Content-Length: 3\r\n",
            b"Content-Length: 0\r\n",
            b"\r\n",
            b"\n",
            b"Transfer-Encoding: chunked\r\n",
            b"3\r\nabc\r\n",
            b"0\r\n\r\n",
            b"abc",
            b" ",
            b"\0",
            b"Expect: 100-continue\r\n",
            b"Connection: close\r\n",
            b"Upgrade: websocket\r\n",
            b"Connection: Upgrade\r\n",
            b"Content-Encoding: gzip\r\n",
            b"HEAD /a%00 HTTP/1.0\r\n",
            b"Authorization: AWS4-HMAC-SHA256 Credential=user/a\r\n",
            b"Range: bytes=9-1\r\n",
        ]
    )
    | st.binary(max_size=12),
    min_size=1,
    max_size=12,
)
LIVE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


async def told(
    front: Front, parts: list[bytes], within: float, *, to_head: bool = False
) -> list[int]:
    """The statuses of the answers that come within so many seconds each."""
    reader, writer = await front.connect()
    statuses = []
    with suppress(OSError):
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0)
    while (reply := await read_reply(reader, within, to_head=to_head)) is not None:
        statuses.append(reply.status)
    writer.close()
    return statuses


def assert_well(live: Live, statuses: list[int], before: int) -> None:
    assert all(status < 500 or status in {501, 503} for status in statuses), statuses
    assert not [event for event in live.front.told if event.kind == "unexpected_error"]
    assert len(live.front.trace()) == before


@LIVE
@given(LINES)
def test_bytes_that_nobody_signed_never_reach_storage(live, parts):
    before = len(live.front.trace())
    assert_well(live, live.run(told(live.front, parts, 0.03)), before)


ARGUMENTS = st.sampled_from(
    """
    uploads uploadId partNumber list-type delete tagging versions versionId acl location attributes
    prefix delimiter marker max-keys start-after continuation-token encoding-type fetch-owner
    key-marker upload-id-marker max-uploads max-parts part-number-marker response-content-type
    response-expires versioning cors policy lifecycle select torrent x-id x-amz-acl
    """.split()  # noqa: SIM905 - a table of words
)
VALUES = st.sampled_from(["", "1", "2", "0", "-1", "10001", "x", "url", "a/", "9" * 30]) | st.text(
    st.characters(codec="utf-8"), max_size=8
)
PATHS = st.sampled_from(["/", "/shop", "/shop/", "/shop/wrong", "/other", "/shop/a//b", "/Q/k"])
CHECKSUMS = {"x-amz-checksum-crc32": "AAAAAA==", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}


@LIVE
@given(
    METHODS,
    PATHS,
    st.lists(st.tuples(ARGUMENTS, VALUES), max_size=4),
    st.dictionaries(NAMES.filter(lambda name: name not in {"host", "authorization"}), PIECE),
    st.sampled_from([{}, CHECKSUMS, {"x-amz-copy-source": "/shop/wrong"}]),
    st.binary(max_size=40) | CHUNKS | XML,
)
def test_signed_requests_of_any_kind_are_answered_in_s3s_words(
    live, method, path, query, headers, further, body
):
    front = live.front
    plain = {
        name: value.encode("ascii", "ignore").decode()
        for name, value in {**headers, **further}.items()
        if not name.startswith(("x-amz-date", "transfer", "expect"))
    }
    plain = {name: "".join(c for c in value if c.isprintable()) for name, value in plain.items()}
    word = plain.pop("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    request = SignedRequest(method, path, tuple(query), {"host": "x", **plain}, word)
    signed = sign(request, USER, now=datetime.now(UTC))
    signed = {**signed, "content-length": str(len(body)), "connection": "close"}
    target = f"{path}?{encode_query(query)}" if query else path
    sent = [request_bytes(method, target, signed, body)]
    statuses = live.run(told(front, sent, 5, to_head=method == "HEAD"))
    assert len(statuses) == 1
    assert all(status < 500 or status in {501, 503} for status in statuses), statuses
    assert not [event for event in front.told if event.kind == "unexpected_error"]
