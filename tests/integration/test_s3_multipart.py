"""Large bodies in parts: against a real SeaweedFS, and with the server going away in between."""

import asyncio
import re
import time
from itertools import pairwise

import pytest
from tests.contract.external_store import NAME, NOTHING, QUICK, BrokenBodyError
from tests.support.bodies import (
    ArrivedBody,
    ArrivingBody,
    FailingBody,
    SegmentedBody,
    UnannouncedBody,
    fingerprint_of,
)
from tests.support.faults import answers, faulty_server, silence
from tests.support.net import eventually

from nobreak.errors import NotFoundError, OutageError, OutageKind, RefusedError
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_client import read_answer
from nobreak.stores.external.s3_multipart import MIB, MultipartPlan
from nobreak.words import Attributes, ObjectName, Receipt

SMALL = MultipartPlan(threshold=MIB, part_size=5 * MIB, at_once=3)  # S3 wants 5 MiB or more
CONTENT = bytes(range(256)) * 4 * 1024 * 15 + b"the rest"  # three parts and a bit

BEGUN = b"<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"


@pytest.fixture
async def make_store(seaweed):
    stores = []

    def make(endpoint: str = seaweed.endpoint, timeouts: Timeouts = QUICK) -> S3Store:
        pair = {"access_key": seaweed.access_key, "secret_key": seaweed.secret_key}
        region = seaweed.region
        stores.append(S3Store(endpoint, region=region, timeouts=timeouts, plan=SMALL, **pair))
        return stores[-1]

    yield make
    for store in stores:
        await store.aclose()


@pytest.fixture
def store(make_store):
    return make_store(timeouts=Timeouts(connect=2.0, silence=10.0))


async def uploads(store: S3Store, bucket: str) -> int:
    """How many multipart uploads the server keeps open."""
    async with store.client.call("GET", bucket, query=[("uploads", "")]) as response:
        return (await read_answer(response)).count(b"<Upload>")


@pytest.mark.parametrize("make_body", [ArrivedBody, ArrivingBody, UnannouncedBody])
async def test_a_large_body_comes_back_and_is_confirmed_by_receipt_or_by_reading(
    store, bucket, make_body
):
    """I3"""
    name = ObjectName(bucket, "large")
    attributes = Attributes({"content-type": "video/mp4"}, {"a": "ação"})
    receipt = await store.put(name, make_body(CONTENT), attributes)
    assert re.fullmatch(r"[0-9a-f]{32}-4", receipt.etag)
    download = await store.get(name)
    assert b"".join([chunk async for chunk in download.chunks()]) == CONTENT
    await download.aclose()
    assert download.info.attributes == attributes
    assert await store.holds(name, fingerprint_of(CONTENT), receipt)
    assert await store.holds(name, fingerprint_of(CONTENT), Receipt())
    assert not await store.holds(name, fingerprint_of(CONTENT[::-1]), Receipt())
    assert await uploads(store, bucket) == 0


async def test_a_body_in_segments_keeps_its_boundaries_and_so_its_etag(s3_store, bucket):
    """I3: the ETag that the client was given is the one that the server states afterwards."""
    name, body = ObjectName(bucket, "parts"), SegmentedBody(CONTENT[: 5 * MIB + 3], b"x" * 9)
    receipt = await s3_store.put(name, body, NOTHING)
    info = await s3_store.head(name)
    assert receipt.etag == info.etag == body.fingerprint.etag
    assert info.etag.endswith("-2")


async def test_a_large_body_that_came_in_one_piece_is_sent_in_one(s3_store, bucket):
    body = ArrivingBody(bytes(65 * MIB))
    receipt = await s3_store.put(ObjectName(bucket, "whole"), body, NOTHING)
    assert receipt.etag == body.fingerprint.md5


async def test_a_body_that_fails_midway_comes_out_as_it_is_and_its_upload_is_aborted(store, bucket):
    error = BrokenBodyError()
    name = ObjectName(bucket, "large")
    with pytest.raises(BrokenBodyError) as caught:
        await store.put(name, FailingBody(CONTENT, after=8 * MIB, error=error), NOTHING)
    assert caught.value is error
    await eventually(lambda: _none(store, bucket))
    with pytest.raises(NotFoundError):
        await store.head(name)


async def test_a_cancelled_upload_ends_at_once_and_is_aborted(store, bucket):
    body = ArrivingBody(CONTENT, pause=0.02)
    task = asyncio.create_task(store.put(ObjectName(bucket, "large"), body, NOTHING))
    await eventually(lambda: _some(store, bucket))
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 0.2
    await eventually(lambda: _none(store, bucket))


async def _none(store, bucket) -> bool:
    return await uploads(store, bucket) == 0


async def _some(store, bucket) -> bool:
    return await uploads(store, bucket) == 1


async def put_to(make_store, parts, completion=silence) -> tuple[OutageError, list[bytes]]:
    """What a put raises, and the requests seen, where the server treats these two so."""

    async def answer(reader, writer):
        request = server.requests[-1]
        how = answers("204 No Content")
        if request.startswith(b"PUT"):
            how = parts
        elif request.startswith(b"POST"):
            how = answers("200 OK", body=BEGUN) if b"?uploads" in request else completion
        await how(reader, writer)

    async with faulty_server(answer) as server:
        store = make_store(f"http://127.0.0.1:{server.port}")
        with pytest.raises((OutageError, RefusedError)) as caught:
            await store.put(NAME, ArrivedBody(CONTENT), NOTHING)
        await eventually(lambda: server.requests[-1].startswith(b"DELETE"))
    return caught.value, server.requests


async def test_a_server_that_falls_silent_in_a_part_is_a_timeout_without_doubt(make_store):
    """I4, I5: until it is completed an upload has no effect on the object."""
    began = time.monotonic()
    error, _ = await put_to(make_store, silence)
    assert time.monotonic() - began < 2.0
    assert (error.kind, error.in_doubt) == (OutageKind.TIMEOUT, False)


async def test_a_part_that_arrives_as_something_else_is_broken_without_doubt(make_store):
    wrong = answers("200 OK", headers=f'etag: "{"0" * 32}"\r\n', read_body=True)
    error, _ = await put_to(make_store, wrong)
    assert (error.kind, error.in_doubt) == (OutageKind.BROKEN, False)


opaque = answers("200 OK", headers='etag: "opaque"\r\n', read_body=True)


async def test_a_completion_that_fails_leaves_the_write_in_doubt_and_is_fenced_by_the_abort(
    make_store,
):
    """I4"""
    error, requests = await put_to(make_store, opaque, answers("503 Slow Down"))
    assert (error.kind, error.in_doubt) == (OutageKind.STATUS, True)
    assert b"uploadId=u1" in requests[-1]


@pytest.mark.parametrize(
    ("code", "kind"), [("InternalError", OutageError), ("InvalidPart", RefusedError)]
)
async def test_an_error_inside_of_a_200_is_still_an_error(make_store, code, kind):
    body = f'<?xml version="1.0"?>\n   <Error><Code>{code}</Code></Error>'.encode()
    error, _ = await put_to(make_store, opaque, answers("200 OK", body=body))
    assert isinstance(error, kind)


async def test_an_upload_cancelled_while_it_begins_is_aborted_as_well(make_store):
    async def answer(reader, writer):
        await asyncio.sleep(0.2)
        await answers("200 OK", body=BEGUN)(reader, writer)

    async with faulty_server(answer) as server:
        store = make_store(f"http://127.0.0.1:{server.port}")
        task = asyncio.create_task(store.put(NAME, ArrivedBody(CONTENT), NOTHING))
        await eventually(lambda: len(server.requests) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: server.requests[-1].startswith(b"DELETE"), within=2)
        assert b"uploadId=u1" in server.requests[-1]


def test_ten_thousand_parts_are_enough_for_five_tebibytes():
    plan = MultipartPlan()
    for size in (64 * MIB + 1, 10_000 * 16 * MIB, 10_000 * 16 * MIB + 1, 5 * 1024 * 1024 * MIB):
        parts = list(plan.parts(size))
        assert len(parts) <= 10_000
        assert (parts[0].start, parts[-1].stop) == (0, size)
        assert all(one.stop == next_.start for one, next_ in pairwise(parts))
        assert parts[0].stop >= 16 * MIB
        assert [part.number for part in parts] == list(range(1, len(parts) + 1))
