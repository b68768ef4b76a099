"""Answers that are not S3's: a success that another program says confirms nothing (I1, I2)."""

import hashlib
from contextlib import aclosing

import pytest
from tests.contract.external_store import NAME, NOTHING, QUICK, TEXT
from tests.support.bodies import ArrivedBody, fingerprint_of
from tests.support.faults import answers, faulty_server

from nobreak.errors import NotFoundError, OutageError, OutageKind, RefusedError
from nobreak.stores.external.base import Download
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_multipart import MultipartPlan
from nobreak.words import ObjectName, RangeRequest, Receipt

MIB = 1024 * 1024
HTML = "content-type: text/html; charset=utf-8\r\n"
PAGES = {
    "page": answers("200 OK", headers=HTML, body=b"<html>Back soon</html>", read_body=True),
    "page with an etag": answers(
        "200 OK", headers=f'{HTML}etag: "5f-1"\r\n', body=b"<html>Back soon</html>", read_body=True
    ),
    "text": answers("200 OK", headers="content-type: text/plain\r\n", body=b"ok", read_body=True),
    "nothing": answers("200 OK", read_body=True),
}


@pytest.fixture
async def store_at():
    stores = []

    def make(port: int, plan: MultipartPlan | None = None) -> S3Store:
        pair = {"access_key": "a", "secret_key": "s", "region": "us-east-1"}
        url = f"http://127.0.0.1:{port}"
        stores.append(S3Store(url, timeouts=QUICK, plan=plan, **pair))
        return stores[-1]

    yield make
    for store in stores:
        await store.aclose()


REQUESTS = {
    "put": (lambda store: store.put(NAME, ArrivedBody(TEXT), NOTHING), True),
    "delete": (lambda store: store.delete(NAME), True),
    "get": (lambda store: store.get(NAME), False),
    "range": (lambda store: store.get(NAME, range_=RangeRequest(0, 1)), False),
    "head": (lambda store: store.head(NAME), False),
    "holds": (lambda store: store.holds(NAME, fingerprint_of(TEXT), Receipt()), False),
    "list": (lambda store: store.list("b", prefix="", start_after="", limit=9), False),
    "list_buckets": (lambda store: store.list_buckets(), False),
}


@pytest.mark.parametrize("page", ["page", "text", "nothing"])
@pytest.mark.parametrize("request_", REQUESTS)
async def test_200_to_everything_is_a_broken_answer_and_confirms_nothing(store_at, request_, page):
    """I1, I2: a maintenance page is neither a stored object nor the absence of one."""
    ask, in_doubt = REQUESTS[request_]
    async with faulty_server(PAGES[page]) as server:
        with pytest.raises(OutageError) as caught:
            await ask(store_at(server.port))
    assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, in_doubt)


async def test_a_page_that_has_an_etag_does_not_confirm_a_put(store_at):
    """I1: web servers give their own pages ETags."""
    async with faulty_server(PAGES["page with an etag"]) as server:
        with pytest.raises(OutageError) as caught:
            await store_at(server.port).put(NAME, ArrivedBody(TEXT), NOTHING)
    assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, True)


@pytest.mark.parametrize("ask", [S3Store.ensure_bucket, S3Store.create_bucket])
async def test_a_page_is_no_bucket(store_at, ask):
    async with faulty_server(PAGES["page"]) as server:
        with pytest.raises(OutageError) as caught:
            await ask(store_at(server.port), "b")
    assert caught.value.kind is OutageKind.BROKEN


async def test_a_missing_object_in_a_bucket_that_is_a_page_is_not_known_to_be_missing(store_at):
    """I2"""

    async def answer(reader, writer):
        key = b" /b/k" in server.requests[-1] or b" /bucket/" in server.requests[-1]
        await (answers("404 Not Found") if key else PAGES["page"])(reader, writer)

    async with faulty_server(answer) as server:
        with pytest.raises(OutageError):
            await store_at(server.port).head(ObjectName("b", "k"))


@pytest.mark.parametrize("body", [b"<html><body>Back soon</body></html>", b"<Error/>"])
async def test_well_formed_xml_that_is_no_listing_lists_nothing(store_at, body):
    """I2: an empty listing would say that there is nothing."""
    async with faulty_server(answers("200 OK", body=body)) as server:
        store = store_at(server.port)
        for attempt in (
            store.list("b", prefix="", start_after="", limit=9),
            store.list_buckets(),
        ):
            with pytest.raises(OutageError) as caught:
                await attempt
            assert caught.value.kind is OutageKind.BROKEN


@pytest.mark.parametrize(
    ("looked", "error"), [("404 Not Found", None), ("403 Forbidden", None), ("200 OK", OutageError)]
)
async def test_an_empty_200_to_a_delete_is_believed_from_whoever_speaks_s3(store_at, looked, error):
    """I2: some servers say so instead of 204, and so does everything else."""

    async def answer(reader, writer):
        deleting = server.requests[-1].startswith(b"DELETE")
        await answers("200 OK" if deleting else looked)(reader, writer)

    async with faulty_server(answer) as server:
        store = store_at(server.port)
        if error is None:
            await store.delete(NAME)
        else:
            with pytest.raises(error) as caught:
                await store.delete(NAME)
            assert caught.value.in_doubt


BEGUN = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
RESULT = b"<CompleteMultipartUploadResult>%s</CompleteMultipartUploadResult>"
WITH_ETAG = answers("200 OK", headers='etag: "opaque"\r\n', read_body=True)


@pytest.mark.parametrize(
    ("part", "completion", "in_doubt"),
    [
        pytest.param(PAGES["page"], b"", False, id="a part"),
        pytest.param(PAGES["nothing"], b"", False, id="an empty answer to a part"),
        pytest.param(WITH_ETAG, b"<html>Back soon</html>", True, id="the completion"),
        pytest.param(WITH_ETAG, RESULT % b"", True, id="a completion without an etag"),
        pytest.param(WITH_ETAG, b"", True, id="an empty completion"),
    ],
)
async def test_a_page_stands_for_no_step_of_a_multipart_upload(
    store_at, part, completion, in_doubt
):
    """I1, I4: only the completion has an effect on the object."""

    async def answer(reader, writer):
        request = server.requests[-1]
        if request.startswith(b"POST"):
            body = BEGUN if b"?uploads" in request else completion
            await answers("200 OK", body=body)(reader, writer)
        else:
            await (part if request.startswith(b"PUT") else answers("204 Gone"))(reader, writer)

    plan = MultipartPlan(threshold=MIB, part_size=MIB, at_once=1)
    async with faulty_server(answer) as server:
        with pytest.raises(OutageError) as caught:
            await store_at(server.port, plan).put(NAME, ArrivedBody(bytes(2 * MIB)), NOTHING)
    assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, in_doubt)


@pytest.mark.parametrize("size", [10, 3 * MIB])
async def test_bytes_that_are_not_what_their_etag_states_are_never_delivered_whole(store_at, size):
    """I3: a bit that a disk or a proxy turned is found before the last chunk."""
    content = bytes(size)
    etag = f'etag: "{hashlib.md5(content).hexdigest()}"\r\n'
    turned = content[:-2] + b"\1" + content[-1:]
    for sent in (content, turned):
        async with faulty_server(answers("200 OK", headers=etag, body=sent)) as server:
            download = await store_at(server.port).get(NAME)
            got = bytearray()
            if sent is turned:
                with pytest.raises(OutageError, match="ETag") as caught:
                    await read_into(got, download)
                assert (caught.value.kind, len(got) < size) == (OutageKind.BROKEN, True)
            else:
                await read_into(got, download)
                assert got == content


async def read_into(got: bytearray, download: Download) -> None:
    async with aclosing(download):
        async for chunk in download.chunks():
            got += chunk


async def test_a_range_and_an_etag_that_is_no_md5_are_not_compared(store_at):
    part = 'etag: "{}"\r\ncontent-range: bytes 0-9/20\r\n'.format("0" * 32)
    for answer, range_ in (
        (answers("206 Partial Content", headers=part, body=TEXT), RangeRequest(0, 9)),
        (answers("200 OK", headers=f'etag: "{"0" * 32}-2"\r\n', body=TEXT), None),
    ):
        async with faulty_server(answer) as server:
            download = await store_at(server.port).get(NAME, range_=range_)
            assert b"".join([chunk async for chunk in download.chunks()]) == TEXT
            await download.aclose()


@pytest.mark.parametrize("key", ["/", "//"])
@pytest.mark.parametrize("content", [b"", b"bytes"])
async def test_a_key_of_slashes_alone_that_seaweed_does_not_keep_is_refused(
    s3_store, bucket, key, content
):
    """I1: it says 200 and has nothing of that name afterwards."""
    name = ObjectName(bucket, key)
    with pytest.raises(RefusedError) as caught:
        await s3_store.put(name, ArrivedBody(content), NOTHING)
    assert caught.value.status == 501
    with pytest.raises(NotFoundError):
        await s3_store.head(name)
