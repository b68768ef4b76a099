"""Issue 3, item 6: hostile bytes on the listening server. A clear S3 error or a closed connection,
the server goes on, and nothing is in storage.

Each row: the bytes, and the answers (status and code) that may come back; "closed" for none.
"""

import asyncio
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from tests.support.s3_front import Front, request_bytes, running_front

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOSED = "closed"
MALFORMED = "400 BadRequest"
DENIED = "403 AccessDenied"
TOO_LARGE = "400 RequestHeaderSectionTooLarge"
BAD_CHUNK = MALFORMED
BAD_XML = "400 MalformedXML"
HOST = "Host: x\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["local", "external"])
async def front(request, seaweed, tmp_path_factory):
    external = {
        "EXTERNAL_STORAGE_URL": f"s3+{seaweed.endpoint}",
        "EXTERNAL_STORAGE_ACCESS_KEY": seaweed.access_key,
        "EXTERNAL_STORAGE_SECRET_KEY": seaweed.secret_key,
    }
    settings = external if request.param == "external" else None
    async with running_front(tmp_path_factory.mktemp("hostile"), settings) as running:
        if settings:
            await asyncio.to_thread(running.client().create_bucket, Bucket="shop")
        running.outside = running.client() if settings else None
        yield running


async def trace(front: Front) -> list[str]:
    """What is in storage: here and, where there is one, on the external store."""
    if front.outside is None:
        return front.trace()
    listed = await asyncio.to_thread(front.outside.list_objects_v2, Bucket="shop")
    return [*front.trace(), *[each["Key"] for each in listed.get("Contents", [])]]


def plain(text: str) -> Callable[[Front], bytes]:
    """Bytes that nobody signed."""
    return lambda _front: text.encode("latin-1")


def signed(
    method: str = "PUT",
    path: str = "/shop/k",
    *,
    after: str = "Content-Length: 1\r\n",
    body: bytes = b"x",
    version: str = "1.1",
    target: str | None = None,
    query: tuple = (),
    headers: dict[str, str] | None = None,
) -> Callable[[Front], bytes]:
    """A request whose signature is right, with `after` written below its headers."""

    def made(front: Front) -> bytes:
        own = front.head(method, path, headers, query)
        asked = "?" + "&".join(f"{n}={v}" for n, v in query) if query else ""
        head = request_bytes(method, target or path + asked, own, version=version)
        return head[:-2] + after.encode("latin-1") + b"\r\n" + body

    return made


def with_xml(document: bytes) -> Callable[[Front], bytes]:
    length = f"Content-Length: {len(document)}\r\n"
    return signed("POST", "/shop", query=(("delete", ""),), after=length, body=document)


CHUNKED = "Transfer-Encoding: chunked\r\n"
LAUGHS = b"""<!DOCTYPE lolz [<!ENTITY lol "lol">
%s]><Delete><Object><Key>&lol9;</Key></Object></Delete>""" % b"".join(
    b'<!ENTITY lol%d "%s">' % (n, b"&lol%s;" % (b"" if n == 1 else b"%d" % (n - 1)) * 10)
    for n in range(1, 10)
)
OUTSIDE = b"""<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>
<Delete><Object><Key>&e;</Key></Object></Delete>"""

TABLE: dict[str, tuple[Callable[[Front], bytes], list[str]]] = {
    # What is no HTTP
    "binary garbage": (plain("\x00\xff\xfe garbage\r\n\r\n"), [MALFORMED]),
    "a TLS hello on the plain port": (plain("\x16\x03\x01\x02\x00\x01\x00"), [MALFORMED]),
    "HTTP/2 preface": (plain("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), [MALFORMED]),
    "HTTP/0.9": (plain("GET /\r\n\r\n"), [MALFORMED, DENIED]),
    "HTTP/3.7": (plain(f"GET / HTTP/3.7\r\n{HOST}\r\n"), [MALFORMED]),
    "an unknown method": (plain(f"FROBNICATE / HTTP/1.1\r\n{HOST}\r\n"), ["501 NotImplemented"]),
    "a method in lower case": (plain(f"get / HTTP/1.1\r\n{HOST}\r\n"), [MALFORMED]),
    "no host": (plain("GET / HTTP/1.1\r\n\r\n"), [MALFORMED]),
    "two hosts": (plain(f"GET / HTTP/1.1\r\n{HOST}{HOST}\r\n"), [MALFORMED]),
    "a header without a colon": (plain(f"GET / HTTP/1.1\r\n{HOST}nonsense\r\n\r\n"), [MALFORMED]),
    "a space before the colon": (plain(f"GET / HTTP/1.1\r\n{HOST}a : b\r\n\r\n"), [MALFORMED]),
    "an empty header name": (plain(f"GET / HTTP/1.1\r\n{HOST}: b\r\n\r\n"), [MALFORMED]),
    "NUL in a header": (plain(f"GET / HTTP/1.1\r\n{HOST}a: b\0c\r\n\r\n"), [MALFORMED]),
    "a control character in a header": (
        plain(f"GET / HTTP/1.1\r\n{HOST}a: b\x07c\r\n\r\n"),
        [MALFORMED],
    ),
    "NUL in the path": (plain(f"GET /a\0b HTTP/1.1\r\n{HOST}\r\n"), [MALFORMED]),
    "a space in the path": (plain(f"GET /a b HTTP/1.1\r\n{HOST}\r\n"), [MALFORMED]),
    "a folded header": (plain(f"GET / HTTP/1.1\r\n{HOST}a: b\r\n c\r\n\r\n"), [MALFORMED]),
    "lines that end in LF": (plain("GET / HTTP/1.1\nHost: x\n\n"), [MALFORMED]),
    "a bare CR in a header": (plain(f"GET / HTTP/1.1\r\n{HOST}a: b\rc\r\n\r\n"), [MALFORMED]),
    "a request line without end": (plain("GET /" + "a" * 20_000), [TOO_LARGE]),
    "a header without end": (plain(f"GET / HTTP/1.1\r\n{HOST}a: " + "a" * 20_000), [TOO_LARGE]),
    "an oversized header": (
        plain(f"GET / HTTP/1.1\r\n{HOST}a: {'a' * 20_000}\r\n\r\n"),
        [TOO_LARGE],
    ),
    "headers without end": (
        plain(f"GET / HTTP/1.1\r\n{HOST}" + "".join(f"a{n}: b\r\n" for n in range(500))),
        [TOO_LARGE],
    ),
    "headers that are too large together": (
        plain(
            f"GET / HTTP/1.1\r\n{HOST}"
            + "".join(f"a{n}: {'b' * 9000}\r\n" for n in range(9))
            + "\r\n"
        ),
        [TOO_LARGE],
    ),
    # Request smuggling
    "Content-Length and Transfer-Encoding": (
        signed(after=f"Content-Length: 1\r\n{CHUNKED}", body=b"1\r\nx\r\n0\r\n\r\n"),
        [MALFORMED],
    ),
    "two lengths": (signed(after="Content-Length: 1\r\nContent-Length: 2\r\n"), [MALFORMED]),
    "the same length twice": (
        signed(after="Content-Length: 1\r\nContent-Length: 1\r\n"),
        [MALFORMED],
    ),
    "a list of lengths": (signed(after="Content-Length: 1, 1\r\n"), [MALFORMED]),
    "a negative length": (signed(after="Content-Length: -1\r\n"), [MALFORMED]),
    "a length with a sign": (signed(after="Content-Length: +1\r\n"), [MALFORMED]),
    "a length in hexadecimal": (signed(after="Content-Length: 0x1\r\n"), [MALFORMED]),
    "a length that no integer holds": (
        signed(after=f"Content-Length: {'9' * 40}\r\n"),
        [MALFORMED],
    ),
    "an unknown transfer encoding": (
        signed(after="Transfer-Encoding: xchunked\r\n", body=b"1\r\nx\r\n0\r\n\r\n"),
        [MALFORMED],
    ),
    "chunked is not the last encoding": (
        signed(after="Transfer-Encoding: chunked, identity\r\n", body=b"1\r\nx\r\n0\r\n\r\n"),
        [MALFORMED],
    ),
    "chunked twice": (signed(after=CHUNKED * 2, body=b"1\r\nx\r\n0\r\n\r\n"), [MALFORMED]),
    "chunked behind a vertical tab": (
        signed(after="Transfer-Encoding: \x0bchunked\r\n", body=b"1\r\nx\r\n0\r\n\r\n"),
        [MALFORMED],
    ),
    "chunked in HTTP/1.0": (
        signed(after=CHUNKED, body=b"1\r\nx\r\n0\r\n\r\n", version="1.0"),
        [MALFORMED],
    ),
    "a chunk of no size": (signed(after=CHUNKED, body=b"z\r\nx\r\n0\r\n\r\n"), [BAD_CHUNK]),
    "a negative chunk": (signed(after=CHUNKED, body=b"-1\r\nx\r\n0\r\n\r\n"), [BAD_CHUNK]),
    "a chunk that no integer holds": (
        signed(after=CHUNKED, body=b"f" * 40 + b"\r\nx\r\n0\r\n\r\n"),
        [BAD_CHUNK],
    ),
    "a chunk longer than its size": (
        signed(after=CHUNKED, body=b"1\r\nxyz\r\n0\r\n\r\n"),
        [BAD_CHUNK],
    ),
    "chunks that end in LF": (signed(after=CHUNKED, body=b"1\nx\n0\n\n"), [BAD_CHUNK]),
    # Requests that are HTTP
    "anonymous": (plain(f"GET / HTTP/1.1\r\n{HOST}\r\n"), [DENIED]),
    "HTTP/1.0 without a host": (plain("GET / HTTP/1.0\r\n\r\n"), [DENIED]),
    "an absolute target": (
        signed(target="http://x/shop/k"),
        ["400 InvalidURI"],
    ),
    "CONNECT": (plain("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"), ["400 InvalidURI"]),
    "an asterisk": (plain(f"OPTIONS * HTTP/1.1\r\n{HOST}\r\n"), ["400 InvalidURI"]),
    "a preflight": (plain(f"OPTIONS /shop/k HTTP/1.1\r\n{HOST}\r\n"), [DENIED]),
    "TRACE": (signed("TRACE", after="", body=b""), ["405 MethodNotAllowed"]),
    "PATCH": (signed("PATCH"), ["405 MethodNotAllowed"]),
    "PROPFIND": (signed("PROPFIND", after="", body=b""), ["405 MethodNotAllowed"]),
    "an upgrade to websocket": (
        plain(f"GET / HTTP/1.1\r\n{HOST}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        [DENIED],
    ),
    "an upgrade with a body": (
        plain(
            f"PUT /a/b HTTP/1.1\r\n{HOST}Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Content-Length: 300000\r\n\r\n{'x' * 300_000}"
        ),
        [DENIED],
    ),
    "a key of 1,025 bytes": (signed(path=f"/shop/{'k' * 1025}"), ["400 KeyTooLongError"]),
    "a key of 342 letters of 3 bytes": (
        signed(path="/shop/" + "%E2%82%AC" * 342),
        ["400 KeyTooLongError"],
    ),
    "NUL in a key": (signed(path="/shop/a%00b"), ["400 InvalidArgument"]),
    "a key that is no UTF-8": (signed(path="/shop/%ff"), ["400 InvalidURI"]),
    "an escape that is none": (signed(path="/shop/%zz"), ["400 InvalidURI"]),
    "two dots as a bucket": (signed(path="/../k"), ["400 InvalidBucketName"]),
    "escaped dots as a bucket": (signed(path="/%2e%2e/k"), ["400 InvalidBucketName"]),
    "a bucket with a slash inside": (signed(path="/a%2Fb/k"), ["400 InvalidBucketName"]),
    "a body without a length": (signed(after="", body=b""), ["411 MissingContentLength"]),
    "metadata that is no UTF-8": (
        signed(after="Content-Length: 1\r\nx-amz-meta-a: \xff\r\n"),
        ["400 InvalidArgument", DENIED],
    ),
    "a line break in a header of a URL": (
        signed(query=(("response-content-type", "a%0D%0AX:1"),), method="GET", after="", body=b""),
        ["403 SignatureDoesNotMatch", "400 InvalidArgument"],
    ),
    # XML
    "billion laughs": (with_xml(LAUGHS), [BAD_XML]),
    "an external entity": (with_xml(OUTSIDE), [BAD_XML]),
    "XML that breaks off": (with_xml(b"<Delete><Object><Key>a"), [BAD_XML]),
    "XML of something else": (with_xml(b"<Tagging/>"), [BAD_XML]),
    "XML in UTF-7": (with_xml(b'<?xml version="1.0" encoding="utf-7"?><Delete/>'), [BAD_XML]),
    "XML of depth": (with_xml(b"<Delete>" + b"<a>" * 20_000), [BAD_XML]),
    "no XML": (with_xml(b"\x00\x01"), [BAD_XML]),
    "XML of 3 MiB": (
        with_xml(b"<Delete>" + b" " * 3_000_000 + b"</Delete>"),
        ["400 MaxMessageLengthExceeded", BAD_XML],
    ),
}


@pytest.mark.parametrize("name", TABLE)
async def test_hostile_bytes_get_a_clear_answer_and_leave_no_trace(name, front):
    make, expected = TABLE[name]
    before = await trace(front)
    began = asyncio.get_running_loop().time()
    replies = await front.exchange(make(front))
    assert asyncio.get_running_loop().time() - began < 5
    first = f"{replies[0].status} {replies[0].code}" if replies else CLOSED
    assert first in expected, replies
    assert len(replies) <= 1
    for reply in replies:
        assert reply.headers["content-type"] == "application/xml"
        assert reply.headers["x-amz-request-id"]
        assert reply.headers["x-amz-id-2"]
        assert ET.fromstring(reply.body).findtext("RequestId") == reply.headers["x-amz-request-id"]
    assert await trace(front) == before
    again = await front.exchange(plain(f"GET / HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n")(front))
    assert [f"{each.status} {each.code}" for each in again] == [DENIED]
    assert not [event for event in front.told if event.kind == "unexpected_error"]
