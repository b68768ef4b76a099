"""Issue 3, item 5: every form in which SDKs send a body arrives whole; one that is not what was
signed or announced is refused, and leaves no trace: neither here nor on the external store."""

import asyncio
import base64
import hashlib
import io
import os
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from tests.support.chunks import aws_chunked, streamed
from tests.support.net import eventually
from tests.support.s3_front import TLS, USER, Front, read_reply, request_bytes, running_front

from nobreak.demo.seaweed import SeaweedServer
from nobreak.faces.s3.checksums import Algorithm
from nobreak.faces.s3.verified import Streaming
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.sigv4 import SignedRequest, sign

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUCKET = "bodies"
SIZES = [0, 1000, 600_000]
Wire = Callable[[bytes, str], tuple[dict[str, str], bytes]]
"""Of a body and a path with its query: the signed headers, and what goes over the wire."""


everywhere = pytest.mark.parametrize("front", ["external", "local", "https"], indirect=True)
in_both_modes = pytest.mark.parametrize("front", ["external", "local"], indirect=True)
outside_only = pytest.mark.parametrize("front", ["external"], indirect=True)
over_https = pytest.mark.parametrize("front", ["https"], indirect=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory):
    running = SeaweedServer(tmp_path_factory.mktemp("weed"))
    await running.start()
    yield running
    await running.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside(server):
    """The external store, seen directly."""
    store = S3Store(
        server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
        region=server.region,
        timeouts=Timeouts(connect=2.0, silence=10.0),
    )
    await store.create_bucket(BUCKET)
    yield store
    await store.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(request, server, outside, tmp_path_factory):
    settings = {
        "EXTERNAL_STORAGE_URL": f"s3+{server.endpoint}",
        "EXTERNAL_STORAGE_ACCESS_KEY": server.access_key,
        "EXTERNAL_STORAGE_SECRET_KEY": server.secret_key,
    }
    tls = {
        "NOBREAK_S3_TLS_CERT": str(TLS / "first.crt"),
        "NOBREAK_S3_TLS_KEY": str(TLS / "first.key"),
    }
    further = tls if request.param == "https" else {}
    external = None if request.param == "local" else settings
    async with running_front(tmp_path_factory.mktemp("bodies"), external, **further) as running:
        running.mode, running.clients = request.param, {}
        yield running


def client_of(front: Front, **options: Any) -> Any:
    name = repr(options)
    if name in front.clients:
        return front.clients[name]
    if front.mode == "https":
        options |= {"scheme": "https", "verify": str(TLS / "first.crt")}
    front.clients[name] = front.client(**options)
    return front.clients[name]


class Pipe(io.RawIOBase):
    """A body that can be read only once, of a length that nobody knows."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(memoryview(buffer)[:50_000])


async def read(front: Front, key: str) -> bytes:
    answer = await asyncio.to_thread(client_of(front).get_object, Bucket=BUCKET, Key=key)
    return await asyncio.to_thread(answer["Body"].read)


@everywhere
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "form",
    [
        {},
        {"ChecksumAlgorithm": "SHA256"},
        {"ChecksumAlgorithm": "CRC32C"},
        {"config": {"request_checksum_calculation": "when_required"}},
        {"config": {"s3": {"payload_signing_enabled": True, "addressing_style": "path"}}},
        {"config": {"s3": {"payload_signing_enabled": False, "addressing_style": "path"}}},
    ],
    ids=str,
)
async def test_botocore_puts_bodies_of_every_form(form, size, front):
    content = os.urandom(size)
    options = dict(form)
    client = client_of(front, config=options.pop("config", {}))
    where = {"Bucket": BUCKET, "Key": "form"}
    put = await asyncio.to_thread(client.put_object, **where, Body=content, **options)
    assert await read(front, "form") == content
    found = await asyncio.to_thread(client.head_object, **where, ChecksumMode="ENABLED")
    sent = f"Checksum{options.get('ChecksumAlgorithm', 'CRC32')}"
    assert found.get(sent) == put.get(sent)
    if "config" not in form:
        assert sent in put, "a checksum is kept, whether it came in a header or in a trailer"


@over_https
@pytest.mark.parametrize("size", SIZES)
async def test_a_stream_that_nobody_knows_the_length_of_arrives(size, front):
    """botocore over HTTPS: `Transfer-Encoding: chunked`, a trailer, and no length at all."""
    client, content, seen = client_of(front), os.urandom(size), []
    client.meta.events.register("before-send.s3", lambda request, **_: seen.append(request.headers))
    await asyncio.to_thread(client.put_object, Bucket=BUCKET, Key="form", Body=Pipe(content))
    word = seen[0]["X-Amz-Content-SHA256"]
    assert (word.decode() if isinstance(word, bytes) else word) == Streaming.UNSIGNED_TRAILER
    assert "Content-Length" not in seen[0]
    assert await read(front, "form") == content


@in_both_modes
@pytest.mark.parametrize("version", ["s3", "s3v4"])
async def test_presigned_urls_of_both_versions_put_and_get(version, front):
    client, content = client_of(front, config={"signature_version": version}), os.urandom(1000)
    where = {"Bucket": BUCKET, "Key": "pre/ç +%.txt"}
    url = client.generate_presigned_url("put_object", Params=where)
    assert ("AWSAccessKeyId" in url) is (version == "s3")
    put = urllib.request.Request(url, data=content, method="PUT")
    put.add_header("Content-Type", "")
    if version == "s3v4":
        put.remove_header("Content-type")
    (await asyncio.to_thread(urllib.request.urlopen, put)).close()
    got = await asyncio.to_thread(
        urllib.request.urlopen, client.generate_presigned_url("get_object", Params=where)
    )
    assert got.read() == content


def plain(body: bytes, path: str, word: str | None = None, **headers: str) -> tuple[dict, bytes]:
    path, _, query = path.partition("?")
    pairs = tuple(tuple(each.split("=")) for each in query.split("&") if each)
    word = word or hashlib.sha256(body).hexdigest()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = SignedRequest("PUT", path, pairs, {"host": "store", **names}, word)
    return sign(request, USER, now=datetime.now(UTC)), body


def chunked(word: Streaming) -> Wire:
    def made(body: bytes, path: str) -> tuple[dict[str, str], bytes]:
        path, _, query = path.partition("?")
        verified, headers = streamed(
            word, body, Algorithm.CRC32C, path=path, query=query, now=datetime.now(UTC)
        )
        return headers, aws_chunked(verified, body, Algorithm.CRC32C)

    return made


def spoilt(wire: Wire, change: Callable[[bytes], bytes]) -> Wire:
    def made(body: bytes, path: str) -> tuple[dict[str, str], bytes]:
        headers, sent = wire(body, path)
        return headers, change(sent)

    return made


def other_end(sent: bytes) -> bytes:
    """The last character of what is signed or summed is another one."""
    at = len(sent.rstrip(b"\r\n=")) - 2
    return sent[:at] + (b"A" if sent[at : at + 1] != b"A" else b"B") + sent[at + 1 :]


def sum_of(algorithm: str, body: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, body + b"!").digest()).decode()


WRONG: dict[str, tuple[Wire, set[str]]] = {
    "SHA-256": (lambda b, p: plain(b, p, "0" * 64), {"XAmzContentSHA256Mismatch"}),
    "MD5": (lambda b, p: plain(b, p, content_md5=sum_of("md5", b)), {"BadDigest"}),
    "checksum": (
        lambda b, p: plain(b, p, x_amz_checksum_sha1=sum_of("sha1", b)),
        {"BadDigest"},
    ),
    "MD5 of an unsigned body": (
        lambda b, p: plain(b, p, "UNSIGNED-PAYLOAD", content_md5=sum_of("md5", b)),
        {"BadDigest"},
    ),
    "signature of a chunk": (
        spoilt(chunked(Streaming.SIGNED), other_end),
        {"SignatureDoesNotMatch", "InvalidChunkSizeError"},
    ),
    "signature of a trailer": (
        spoilt(chunked(Streaming.SIGNED_TRAILER), other_end),
        {"SignatureDoesNotMatch"},
    ),
    "checksum in a trailer": (
        spoilt(chunked(Streaming.UNSIGNED_TRAILER), other_end),
        {"BadDigest", "InvalidRequest"},
    ),
    "chunks that break off": (
        spoilt(chunked(Streaming.UNSIGNED_TRAILER), lambda sent: sent[:-60]),
        {"IncompleteBody", "MalformedTrailerError"},
    ),
    "chunks after the last": (
        spoilt(chunked(Streaming.SIGNED), lambda sent: sent + sent),
        {"InvalidChunkSizeError", "IncompleteBody"},
    ),
}


async def put_raw(front: Front, path: str, headers: dict[str, str], body: bytes) -> str:
    reader, writer = await front.connect()
    writer.write(request_bytes("PUT", path, {**headers, "content-length": str(len(body))}, body))
    reply = await read_reply(reader)
    writer.close()
    assert reply is not None
    return reply.code or str(reply.status)


async def traces(front: Front, outside: S3Store) -> list[Any]:
    listed = await outside.list(BUCKET, prefix="wrong", start_after="", limit=10)
    return [*front.trace(), *listed.objects]


@in_both_modes
@pytest.mark.parametrize("word", [Streaming.SIGNED, Streaming.SIGNED_TRAILER])
@pytest.mark.parametrize("size", SIZES)
async def test_signed_chunks_of_old_clients_arrive(word, size, front):
    content = os.urandom(size)
    headers, wire = chunked(word)(content, f"/{BUCKET}/form")
    assert await put_raw(front, f"/{BUCKET}/form", headers, wire) == "200"
    assert await read(front, "form") == content


@in_both_modes
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("conditional", [False, True], ids=["", "conditional"])
async def test_a_wrong_body_is_refused_and_leaves_no_trace(name, size, conditional, front, outside):
    wire, codes = WRONG[name]
    path = f"/{BUCKET}/wrong"
    before = await traces(front, outside)
    headers, body = wire(os.urandom(size), path)
    if conditional:  # these go through to the external store by another way
        headers["if-none-match"] = "*"
    said = await put_raw(front, path, headers, body)
    assert said in codes | ({"SlowDown"} if conditional and front.mode == "local" else set())
    assert await traces(front, outside) == before


@outside_only
@pytest.mark.parametrize("size", SIZES[::2])
@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_part_is_refused_and_is_no_part(name, size, front, outside):
    client, wire = client_of(front), WRONG[name][0]
    upload = client.create_multipart_upload
    where = {"Bucket": BUCKET, "Key": "wrong-parts"}
    identity = (await asyncio.to_thread(upload, **where))["UploadId"]
    path = f"/{BUCKET}/wrong-parts?partNumber=1&uploadId={identity}"
    headers, body = wire(os.urandom(size), path)
    said = await put_raw(front, path, headers, body)
    found = await asyncio.to_thread(client.list_parts, UploadId=identity, **where)
    await asyncio.to_thread(client.abort_multipart_upload, UploadId=identity, **where)
    assert said in WRONG[name][1]
    assert found.get("Parts", []) == []


@in_both_modes
@pytest.mark.parametrize("conditional", [False, True], ids=["", "conditional"])
@pytest.mark.parametrize("size", [1000, 600_000])
async def test_an_upload_that_is_given_up_leaves_no_trace(size, conditional, front, outside):
    headers, body = plain(os.urandom(size), f"/{BUCKET}/wrong-half", "UNSIGNED-PAYLOAD")
    if conditional:
        headers["if-none-match"] = "*"
    before = await traces(front, outside)
    _reader, writer = await front.connect()
    head = {**headers, "content-length": str(size)}
    writer.write(request_bytes("PUT", f"/{BUCKET}/wrong-half", head, body[:-1]))
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()

    async def gone() -> bool:
        return await traces(front, outside) == before

    await eventually(gone)
    await asyncio.sleep(0.2)
    assert await gone()
