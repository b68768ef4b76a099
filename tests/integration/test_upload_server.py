"""The driver of form-upload servers: against the seed's server, and against hostile ones."""

import asyncio
import hashlib
import json

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.external_store import ExternalStoreContract, ExternalStoreOutageContract
from tests.support.children import upload_server

from nobreak.errors import (
    BodyMismatchError,
    NotFoundError,
    OutageError,
    OutageKind,
    RangeNotSatisfiableError,
    RefusedError,
    UnsupportedError,
)
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.memory_body import MemoryBody
from nobreak.stores.external.upload import UploadStore, form_filename
from nobreak.words import Attributes, Fingerprint, ObjectName, RangeRequest, Receipt

NAME = ObjectName("nobreak", "fotos/olá mundo.JPG")
TEXT = b"0123456789"


@pytest.fixture(scope="module")
def seed_server(tmp_path_factory):
    """One server for all tests that neither freeze nor kill it: nobody shares a name there."""
    child = upload_server(tmp_path_factory.mktemp("upload"))
    asyncio.run(child.start())
    yield child
    asyncio.run(child.kill())


@pytest.fixture
async def store(seed_server):
    store = UploadStore(seed_server.url, timeouts=Timeouts(connect=1.0, silence=1.0))
    yield store
    await store.aclose()


class TestTheContract(ExternalStoreContract):
    @pytest.fixture
    def bucket(self) -> str:
        return "nobreak"

    async def test_a_deleted_object_is_gone_and_deleting_again_succeeds(self, store, bucket):
        """The seed's server can't delete: the file stays, the catalog forgets its name."""
        name = ObjectName(bucket, "k")
        receipt = await store.put(name, MemoryBody(TEXT), Attributes())
        await store.delete(name, receipt=receipt)
        await store.delete(name, receipt=receipt)


class TestOutages(ExternalStoreOutageContract):
    @pytest.fixture
    async def store_at(self):
        stores = []

        def make(port: int, timeouts: Timeouts) -> UploadStore:
            stores.append(UploadStore(f"http://127.0.0.1:{port}", timeouts=timeouts))
            return stores[-1]

        yield make
        for store in stores:
            await store.aclose()


async def read(download) -> bytes:
    try:
        return b"".join([chunk async for chunk in download.chunks()])
    finally:
        await download.aclose()


@pytest.mark.parametrize("content", [b"", TEXT, b"--nobreak-\r\n\r\n" * 100_000])
async def test_what_was_uploaded_comes_back(store, content):
    receipt = await store.put(NAME, MemoryBody(content), Attributes())
    download = await store.get(NAME, receipt=receipt)
    assert (download.start, download.length) == (0, len(content))
    assert await read(download) == content
    assert (await store.head(NAME, receipt=receipt)).size == len(content)
    assert await store.holds(NAME, MemoryBody(content).fingerprint, receipt)


async def test_the_server_chooses_the_name_and_keeps_the_extension(store):
    """Seed: the receipt is where the name is remembered."""
    first = await store.put(NAME, MemoryBody(TEXT), Attributes())
    second = await store.put(NAME, MemoryBody(TEXT), Attributes())
    assert first.remote != second.remote
    assert first.remote.endswith(".JPG")


@pytest.mark.parametrize(
    ("range_", "expected"),
    [
        (RangeRequest(2, 4), b"234"),
        (RangeRequest(7, None), b"789"),
        (RangeRequest(8, 500), b"89"),
        (RangeRequest(None, 3), b"789"),
        (RangeRequest(None, 500), TEXT),
        (RangeRequest(0, 0), b"0"),
    ],
)
async def test_ranges_are_the_same_whether_the_server_knows_them_or_not(store, range_, expected):
    receipt = await store.put(NAME, MemoryBody(TEXT), Attributes())
    download = await store.get(NAME, range_=range_, receipt=receipt)
    assert download.info.size == len(TEXT)
    assert (download.length, await read(download)) == (len(expected), expected)
    assert TEXT[download.start : download.start + download.length] == expected

    async def whole(request):
        return web.Response(body=TEXT)

    async with hostile(get=whole) as deaf:
        download = await deaf.get(NAME, range_=range_, receipt=receipt)
        assert download.info.size == len(TEXT)
        assert TEXT[download.start : download.start + download.length] == expected
        assert await read(download) == expected


@pytest.mark.parametrize("range_", [RangeRequest(10, None), RangeRequest(99, 100)])
async def test_a_range_outside_tells_the_size(store, range_):
    receipt = await store.put(NAME, MemoryBody(TEXT), Attributes())
    with pytest.raises(RangeNotSatisfiableError) as caught:
        await store.get(NAME, range_=range_, receipt=receipt)
    assert caught.value.size == len(TEXT)


async def test_without_a_receipt_there_is_no_object(store):
    """The catalog is complete for this kind: no receipt, no object (I2)."""
    for receipt in (None, Receipt(), Receipt(remote="0" * 32)):
        with pytest.raises(NotFoundError):
            await store.get(NAME, receipt=receipt)
        with pytest.raises(NotFoundError):
            await store.head(NAME, receipt=receipt)
        await store.delete(NAME, receipt=receipt)
    assert not await store.holds(NAME, MemoryBody(b"").fingerprint, Receipt(remote="gone"))


async def test_holds_compares_size_and_bytes(store):
    """I3: same size, other bytes is not held."""
    receipt = await store.put(NAME, MemoryBody(TEXT), Attributes())
    assert not await store.holds(NAME, MemoryBody(TEXT[::-1]).fingerprint, receipt)
    assert not await store.holds(NAME, MemoryBody(TEXT + b"!").fingerprint, receipt)


async def test_it_cannot_list(store):
    with pytest.raises(UnsupportedError):
        await store.list("nobreak", prefix="", start_after="", limit=10)


class Arriving:
    """A body of unknown length that arrives in pieces, or fails."""

    def __init__(self, pieces: list[bytes], error: Exception | None = None, size=None) -> None:
        self.pieces = pieces
        self.error = error
        self.size = size
        self.fingerprint = None

    async def chunks(self, start=0, stop=None):
        for piece in self.pieces:
            await asyncio.sleep(0.01)
            yield piece
        if self.error:
            raise self.error

    async def finished(self) -> Fingerprint:
        whole = b"".join([piece async for piece in self.chunks()])
        return Fingerprint(len(whole), hashlib.md5(whole).hexdigest())


async def test_a_body_of_unknown_length_is_waited_for_and_sent_with_its_length():
    seen = {}

    async def upload(request):
        seen.update(request.headers)
        part = await (await request.multipart()).next()
        content = await part.read()
        return web.json_response({"success": True, "filename": "f", "size": len(content)})

    async with hostile(post=upload) as store:
        await store.put(NAME, Arriving([b"ab", b"cde"]), Attributes())
    assert "Transfer-Encoding" not in seen
    assert int(seen["Content-Length"]) > 5


async def test_a_body_that_fails_passes_its_error_and_leaves_no_file(store, seed_server):
    """Contract of `put`: nothing is left half-written."""
    before = set(seed_server.files.iterdir())
    body = Arriving([b"ab"], BodyMismatchError("announced 10 bytes, 2 came"), size=10)
    with pytest.raises(BodyMismatchError):
        await store.put(NAME, body, Attributes())
    await asyncio.sleep(0.1)
    assert set(seed_server.files.iterdir()) == before


async def test_a_killed_server_is_an_outage_without_doubt_a_frozen_one_with_doubt(tmp_path):
    """I4: only who may have received something leaves doubt."""
    server = upload_server(tmp_path)
    await server.start()
    store = UploadStore(server.url, timeouts=Timeouts(connect=0.5, silence=0.5))
    server.freeze()
    with pytest.raises(OutageError) as frozen:
        await store.put(NAME, MemoryBody(TEXT), Attributes())
    assert (frozen.value.kind, frozen.value.in_doubt) == (OutageKind.TIMEOUT, True)
    await server.kill()
    with pytest.raises(OutageError) as killed:
        await store.put(NAME, MemoryBody(TEXT), Attributes())
    assert (killed.value.kind, killed.value.in_doubt) == (OutageKind.CONNECTION, False)
    await store.aclose()


class hostile:  # noqa: N801 - a context manager
    """An `UploadStore` before a server whose handlers are given."""

    def __init__(self, *, post=None, get=None, delete=None) -> None:
        self.paths = []

        async def dispatch(request):
            self.paths.append(request.raw_path)
            handler = {"POST": post, "GET": get, "HEAD": get, "DELETE": delete}[request.method]
            return await handler(request)

        self.runner = web.ServerRunner(web.Server(dispatch), shutdown_timeout=0.1)

    async def __aenter__(self) -> UploadStore:
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        port = self.runner.addresses[0][1]
        self.store = UploadStore(
            f"http://127.0.0.1:{port}", timeouts=Timeouts(connect=1.0, silence=1.0)
        )
        return self.store

    async def __aexit__(self, *_) -> None:
        await self.store.aclose()
        await self.runner.cleanup()


def answering(content: bytes, status: int = 200):
    async def answer(request):
        await request.read()
        return web.Response(body=content, status=status)

    return answer


GOOD = {"success": True, "filename": "f.bin", "url": "/uploads/f.bin", "size": len(TEXT)}


def changed(**changes) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"OK",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"success": true, "filename": "' + b"x" * 100_000 + b'"}',
        b'{"size": ' + b"9" * 20_000 + b"}",
        changed(size=len(TEXT) - 1),
        changed(size=str(len(TEXT))),
        changed(size=True),
        changed(size=None),
        changed(filename=""),
        changed(filename=None),
        changed(filename=7),
        changed(filename="."),
        changed(filename=".."),
        changed(filename="a\nb"),
        changed(filename="a\0b"),
        changed(filename="\ud800"),
        changed(filename="x" * 2000),
    ],
)
async def test_an_answer_that_makes_no_sense_leaves_the_upload_in_doubt(answer):
    """I3: what the server does not clearly confirm is not confirmed."""
    async with hostile(post=answering(answer)) as store:
        with pytest.raises(OutageError) as caught:
            await store.put(NAME, MemoryBody(TEXT), Attributes())
    assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, True)


@pytest.mark.parametrize("success", [False, None, "true", 1])
async def test_without_success_it_is_a_refusal_with_the_servers_words(success):
    """I8: an answer is no outage."""
    async with hostile(post=answering(changed(success=success, error="too big"))) as store:
        with pytest.raises(RefusedError, match="too big"):
            await store.put(NAME, MemoryBody(TEXT), Attributes())


@pytest.mark.parametrize(
    ("status", "error"), [(413, RefusedError), (302, RefusedError), (500, OutageError)]
)
async def test_statuses_are_refusals_below_500_and_outages_above(status, error):
    async with hostile(post=answering(b"{}", status)) as store:
        with pytest.raises(error) as caught:
            await store.put(NAME, MemoryBody(TEXT), Attributes())
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("filename", "path"),
    [
        ("../../etc/passwd", "/uploads/..%2F..%2Fetc%2Fpasswd"),
        ("/abs", "/uploads/%2Fabs"),
        ("a?b#c%2F", "/uploads/a%3Fb%23c%252F"),
        ("http://evil/x", "/uploads/http%3A%2F%2Fevil%2Fx"),
        ("olá 😀.jpg", "/uploads/ol%C3%A1%20%F0%9F%98%80.jpg"),
        ("a\\..\\b", "/uploads/a%5C..%5Cb"),
    ],
)
async def test_a_hostile_file_name_stays_one_path_segment(filename, path):
    server = hostile(post=answering(changed(filename=filename)), get=answering(TEXT))
    async with server as store:
        receipt = await store.put(NAME, MemoryBody(TEXT), Attributes())
        assert receipt.remote == filename
        await read(await store.get(NAME, receipt=receipt))
    assert server.paths == ["/upload", path]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {"Content-Range": "bytes 0-9/10"}),
        (206, {}),
        (206, {"Content-Range": "bytes 5-4/10"}),
        (206, {"Content-Range": "bytes 2-11/10"}),
    ],
)
async def test_a_range_that_was_not_asked_for_is_never_passed_on(status, headers):
    """I2: wrong bytes are never served."""

    async def answer(request):
        return web.Response(body=b"x" * 3, status=status, headers=headers)

    async with hostile(get=answer) as store:
        with pytest.raises(OutageError):
            await store.get(NAME, range_=RangeRequest(2, 4), receipt=Receipt(remote="f"))


async def test_an_answer_that_ends_early_is_an_outage():
    """I2: a cut object is never served as a whole one."""

    async def cut(request):
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await response.write(b"012")
        request.transport.close()
        return response

    async with hostile(get=cut) as store:
        download = await store.get(NAME, receipt=Receipt(remote="f"))
        with pytest.raises(OutageError):
            await read(download)


async def test_a_server_without_head_is_asked_with_get():
    async def no_head(request):
        if request.method == "HEAD":
            return web.Response(status=405)
        return web.Response(body=TEXT)

    async with hostile(get=no_head) as store:
        assert (await store.head(NAME, receipt=Receipt(remote="f"))).size == len(TEXT)


@pytest.mark.parametrize("status", [200, 204, 404, 405, 410, 501])
async def test_delete_is_done_where_it_can_be(status):
    server = hostile(delete=answering(b"", status))
    async with server as store:
        await store.delete(NAME, receipt=Receipt(remote="f"))
    assert server.paths == ["/uploads/f"]


@pytest.mark.parametrize(("status", "error"), [(403, RefusedError), (503, OutageError)])
async def test_a_refused_delete_is_said(status, error):
    async with hostile(delete=answering(b"", status)) as store:
        with pytest.raises(error):
            await store.delete(NAME, receipt=Receipt(remote="f"))


@pytest.mark.parametrize("content_type", ["text/plain\r\nX: y", "", "é", "a" * 999])
async def test_a_content_type_cannot_break_the_form(store, content_type):
    attributes = Attributes(headers={"content-type": content_type})
    receipt = await store.put(NAME, MemoryBody(TEXT), attributes)
    assert await read(await store.get(NAME, receipt=receipt)) == TEXT


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("fotos/a.jpg", "a.jpg"),
        ("a b\"c'.tar.gz", "a_b_c_.tar.gz"),
        ("x/", "x"),
        ("..", "file"),
        ("", "file"),
        (".env", "env"),
        ("olá.JPG", "ol_.JPG"),
        ("n" * 300 + ".pdf", "n" * 100 + ".pdf"),
    ],
)
def test_the_forms_file_name_is_safe_and_keeps_the_extension(key, expected):
    assert form_filename(key) == expected


@given(st.text())
def test_the_forms_file_name_is_always_a_short_plain_name(key):
    name = form_filename(key)
    assert 0 < len(name) <= 120
    assert name.isascii()
    assert not set(name) & set('/\\"\r\n:')
    assert name.strip(".")
