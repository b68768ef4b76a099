"""The S3 driver against a real SeaweedFS, and against servers that fail on purpose."""

import asyncio

import pytest
from tests.contract.external_store import (
    NAME,
    NOTHING,
    QUICK,
    TEXT,
    ExternalStoreContract,
    ExternalStoreOutageContract,
    keys_after,
)
from tests.support.bodies import ArrivedBody, ArrivingBody, fingerprint_of
from tests.support.faults import answers, faulty_server

from nobreak.errors import OutageError, OutageKind, RefusedError
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_capabilities import ODD_KEYS, probe_capabilities
from nobreak.words import ObjectName, RangeRequest, Receipt

OPAQUE = 'etag: "opaque"\r\n'


@pytest.fixture
async def store_at():
    """Makes a driver for a port of 127.0.0.1."""
    stores = []

    def make(port: int, timeouts: Timeouts) -> S3Store:
        pair = {"access_key": "a", "secret_key": "s", "region": "us-east-1"}
        stores.append(S3Store(f"http://127.0.0.1:{port}", timeouts=timeouts, **pair))
        return stores[-1]

    yield make
    for store in stores:
        await store.aclose()


class TestS3Store(ExternalStoreContract):
    @pytest.fixture
    def store(self, s3_store):
        return s3_store


class TestS3StoreOutages(ExternalStoreOutageContract):
    pass


async def test_a_missing_bucket_is_a_refusal_not_a_missing_object(s3_store):
    """I2: nobody may conclude that the object never was."""
    name = ObjectName("no-such-bucket", "k")
    for attempt in (
        s3_store.put(name, ArrivedBody(TEXT), NOTHING),
        s3_store.get(name),
        s3_store.head(name),
        s3_store.delete(name),
        s3_store.list(name.bucket, prefix="", start_after="", limit=1),
        s3_store.holds(name, fingerprint_of(TEXT), Receipt()),
    ):
        with pytest.raises(RefusedError) as caught:
            await attempt
        assert (caught.value.status, caught.value.code) == (404, "NoSuchBucket")


async def test_buckets_are_made_once_and_listed(s3_store, bucket):
    await s3_store.ensure_bucket(bucket)
    await s3_store.ensure_bucket(f"{bucket}-2")
    assert {bucket, f"{bucket}-2"} <= {each.name for each in await s3_store.list_buckets()}
    with pytest.raises(RefusedError) as caught:
        await s3_store.create_bucket(bucket)
    assert caught.value.status == 409


async def test_a_wrong_key_pair_is_refused_with_the_servers_own_code(seaweed, bucket):
    """I8"""
    pair = {"access_key": seaweed.access_key, "secret_key": "wrong", "region": "us-east-1"}
    store = S3Store(seaweed.endpoint, timeouts=QUICK, **pair)
    with pytest.raises(RefusedError) as caught:
        await store.put(ObjectName(bucket, "k"), ArrivedBody(TEXT), NOTHING)
    assert (caught.value.status, caught.value.code) == (403, "SignatureDoesNotMatch")
    await store.aclose()


async def test_a_body_that_is_not_what_its_md5_says_is_refused_and_not_stored(s3_store, bucket):
    """I3"""
    body = ArrivedBody(TEXT)
    body.fingerprint = fingerprint_of(b"another one")
    name = ObjectName(bucket, "k")
    with pytest.raises(RefusedError) as caught:
        await s3_store.put(name, body, NOTHING)
    assert caught.value.code == "BadDigest"
    assert await keys_after(s3_store, bucket) == []


@pytest.mark.parametrize("make_body", [ArrivedBody, ArrivingBody])
async def test_another_md5_in_the_answer_is_broken_and_in_doubt(store_at, make_body):
    """I3"""
    etag = f'etag: "{"0" * 32}"\r\n'
    async with faulty_server(answers("200 OK", headers=etag, read_body=True)) as server:
        with pytest.raises(OutageError) as caught:
            await store_at(server.port, QUICK).put(NAME, make_body(TEXT), NOTHING)
        assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, True)


@pytest.mark.parametrize(
    "headers",
    [
        f'etag: "{"0" * 32}"\r\nx-amz-server-side-encryption: aws:kms\r\n',
        f'etag: "{"0" * 32}"\r\nx-amz-server-side-encryption-customer-algorithm: AES256\r\n',
        'etag: "own-form"\r\n',
    ],
)
async def test_an_etag_that_is_no_md5_is_not_taken_for_one(store_at, headers):
    async with faulty_server(answers("200 OK", headers=headers, read_body=True)) as server:
        await store_at(server.port, QUICK).put(NAME, ArrivedBody(TEXT), NOTHING)


async def test_without_an_md5_the_bytes_are_read_back(store_at):
    """I3: size alone confirms nothing."""

    async def answer(_reader, writer):
        get = server.requests[-1].startswith(b"GET")
        head = (
            f"HTTP/1.1 200 OK\r\ncontent-length: {len(TEXT)}\r\n{OPAQUE}connection: close\r\n\r\n"
        )
        writer.write(head.encode() + (TEXT if get else b""))
        await writer.drain()

    async with faulty_server(answer) as server:
        store = store_at(server.port, QUICK)
        assert await store.holds(NAME, fingerprint_of(TEXT), Receipt())
        assert not await store.holds(NAME, fingerprint_of(TEXT[::-1]), Receipt())


async def test_a_server_that_ignores_ranges_costs_time_not_truth(store_at):
    async with faulty_server(answers("200 OK", headers=OPAQUE, body=TEXT)) as server:
        download = await store_at(server.port, QUICK).get(NAME, range_=RangeRequest(2, 4))
        assert (download.start, download.length, download.info.size) == (2, 3, 10)
        assert b"".join([chunk async for chunk in download.chunks()]) == b"234"
        await download.aclose()


@pytest.mark.parametrize(
    "body", [b"<html>not S3", b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"", b"<A><B></A>"]
)
async def test_a_listing_that_is_no_listing_is_broken(store_at, body):
    async with faulty_server(answers("200 OK", body=body)) as server:
        with pytest.raises(OutageError) as caught:
            await store_at(server.port, QUICK).list("b", prefix="", start_after="", limit=9)
        assert caught.value.kind is OutageKind.BROKEN


def page(keys: list[str], token: str = "") -> bytes:
    items = "".join(
        f"<Contents><Key>{key}</Key><Size>1</Size>"
        "<LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents>"
        for key in keys
    )
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    truncated = str(bool(token)).lower()
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{truncated}</IsTruncated>{more}{items}</ListBucketResult>"
    ).encode()


async def test_a_server_seen_to_list_out_of_order_is_read_to_the_end(store_at):
    """I2"""
    pages = {b"token=next": page(["a.b", "b"]), b"": page(["a/1", "a/2", "a-b"], token="next")}

    async def answer(reader, writer):
        body = next(body for mark, body in pages.items() if mark in server.requests[-1])
        await answers("200 OK", body=body)(reader, writer)

    async with faulty_server(answer) as server:
        store = store_at(server.port, QUICK)
        assert await keys_after(store, "bucket", limit=2) == ["a-b", "a.b", "a/1", "a/2", "b"]


async def test_a_redirect_is_a_refusal_and_is_not_followed(store_at):
    headers = "location: http://127.0.0.1:1/elsewhere\r\n"
    async with faulty_server(answers("307 Temporary Redirect", headers=headers)) as server:
        with pytest.raises(RefusedError) as caught:
            await store_at(server.port, QUICK).put(NAME, ArrivedBody(TEXT), NOTHING)
        assert caught.value.status == 307
        assert len(server.requests) == 1


async def test_a_put_is_never_sent_twice_and_a_read_is_only_on_a_closed_connection(store_at):
    """I4: a hidden retry of a PUT would be an old request that nobody knows of."""

    async def hang_up(_reader, _writer):
        await asyncio.sleep(0)

    async with faulty_server(hang_up) as server:
        store = store_at(server.port, QUICK)
        with pytest.raises(OutageError):
            await store.put(NAME, ArrivedBody(TEXT), NOTHING)
        with pytest.raises(OutageError):
            await store.delete(NAME)
        assert [request.split()[0] for request in server.requests] == [b"PUT", b"DELETE"]
        with pytest.raises(OutageError):
            await store.get(NAME)
        assert len(server.requests) == 4


async def test_the_capabilities_of_seaweedfs_are_found_and_no_canary_is_left(s3_store, bucket):
    """Conditional writes fence late writes there (I4); odd keys are folded into each other."""
    found = await probe_capabilities(s3_store, bucket, prefix=".canary")
    assert found.creates_only_if_absent
    assert found.replaces_only_if_same
    assert found.checks_content_md5
    assert not found.lists_in_key_order
    assert not found.keeps_longest_key
    assert set(found.keeps_keys) == set(ODD_KEYS)
    lost = {key for key, kept in found.keeps_keys.items() if not kept}
    assert lost == {"a//b", "x/", "d/../y", "d/./z", "back\\slash"}
    assert await keys_after(s3_store, bucket) == []


async def test_a_body_that_the_server_would_lose_is_refused_not_acknowledged(s3_store, bucket):
    """I1: SeaweedFS answers 200 to `PUT x/` and drops the bytes."""
    with pytest.raises(RefusedError, match="ends in '/'"):
        await s3_store.put(ObjectName(bucket, "x/"), ArrivedBody(b"bytes"), NOTHING)
    await s3_store.put(ObjectName(bucket, "y/"), ArrivedBody(b""), NOTHING)
