"""Issue 4.5 on a real SeaweedFS: what a HEAD says in an outage is what it said before (I2)."""

from contextlib import suppress

import aiohttp
import pytest
from botocore.exceptions import ClientError
from tests.support.net import eventually
from tests.support.outage import BUCKET, Outage, Shop

from nobreak.faces.api.serve import api_server

OF_ONE_ANSWER = {"date", "server", "connection", "vary", "x-amz-request-id", "x-amz-id-2"}
OF_SEAWEEDFS = ("seaweed-", "x-amz-tagging-")
"""Headers that S3 does not have; but for the number of tags."""
DIRECT = {
    "plain": {"Body": b"0123456789"},
    "described": {
        "Body": b"<p>",
        "ContentType": "text/html; charset=utf-8",
        "ContentEncoding": "identity",
        "ContentDisposition": 'attachment; filename="a.html"',
        "CacheControl": "max-age=60",
        "Metadata": {"mtime": "1700000000.5", "who": "other"},
    },
    "dir/tagged ü": {"Body": b"x", "Tagging": "a=1&b=2"},
    "checked": {"Body": b"sum", "ChecksumAlgorithm": "SHA256"},
}


def said(answer):
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    return {
        name: value
        for name, value in headers.items()
        if name not in OF_ONE_ANSWER
        and (name == "x-amz-tagging-count" or not name.startswith(OF_SEAWEEDFS))
    }


async def looks(outage, **more):
    return {key: said(await outage.front.call("head_object", Key=key, **more)) for key in DIRECT}


async def left_by_others(outage):
    for key, arguments in DIRECT.items():
        await outage.direct.call("put_object", Key=key, **arguments)
    bare = Shop(outage.server.endpoint, outage.server, request_checksum_calculation="when_required")
    await bare.call("put_object", Key="unchecked", Body=b"x")
    upload = (await outage.direct.call("create_multipart_upload", Key="parts"))["UploadId"]
    of = {"Key": "parts", "UploadId": upload}
    part = await outage.direct.call("upload_part", **of, PartNumber=1, Body=b"p")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    await outage.direct.call("complete_multipart_upload", **of, MultipartUpload=parts)


@pytest.fixture
async def indexed(outage: Outage):
    await left_by_others(outage)
    await outage.nobreak.indexing.scan(BUCKET)
    await outage.nobreak.indexing.learn(BUCKET)
    return outage


async def test_head_says_what_it_said_before(indexed):
    before, checked = await looks(indexed), await looks(indexed, ChecksumMode="ENABLED")
    assert before["described"]["x-amz-meta-who"] == "other"
    assert before["dir/tagged ü"]["x-amz-tagging-count"] == "2"
    await indexed.begin()
    await eventually(lambda: indexed.nobreak.status()["current_mode"] == "local", within=30)
    assert await looks(indexed) == before
    answered = await looks(indexed, ChecksumMode="ENABLED")
    for said in answered.values():
        assert said.pop("x-amz-checksum-type") == "FULL_OBJECT"  # which SeaweedFS leaves out
    assert answered == checked
    assert (await indexed.front.code_of("head_object", Key="nothing"))[0] == 404
    assert (await indexed.front.code_of("get_object", Key="plain"))[0] == 503


async def test_conditions_and_parts_are_answered_as_far_as_the_catalog_knows(indexed):
    front = indexed.front
    etag = (await front.call("head_object", Key="plain"))["ETag"]
    await indexed.begin()
    await eventually(lambda: indexed.nobreak.status()["current_mode"] == "local", within=30)
    same = {"Key": "plain", "IfNoneMatch": etag}
    for operation in ("head_object", "get_object"):
        assert (await front.code_of(operation, **same))[0] == 304
        assert (await front.code_of(operation, Key="plain", IfMatch='"other"'))[0] == 412
    part = await front.call("head_object", Key="plain", Range="bytes=2-4")
    assert (part["ContentLength"], part["ContentRange"]) == (3, "bytes 2-4/10")
    assert (await front.code_of("head_object", Key="plain", Range="bytes=10-"))[0] == 416
    assert (await front.call("head_object", Key="plain", PartNumber=1))["ContentLength"] == 10
    assert (await front.code_of("head_object", Key="parts", PartNumber=1))[0] == 503
    assert (await front.call("head_object", Key="parts"))["ContentLength"] == 1

    async def attributes(key, *names):
        return await front.call("get_object_attributes", Key=key, ObjectAttributes=[*names])

    found = await attributes("parts", "ETag", "ObjectSize")
    assert (found["ObjectSize"], "ObjectParts" in found) == (1, False)
    for key, name in (("parts", "ObjectParts"), ("unchecked", "Checksum")):
        refused = {"Key": key, "ObjectAttributes": [name]}
        assert (await front.code_of("get_object_attributes", **refused))[0] == 503, name
    await front.call("put_object", Key="plain", Body=b"new", IfMatch=etag)
    assert (await front.call("head_object", Key="plain"))["ContentLength"] == 3


async def test_tags_that_pass_by_are_seen_in_an_outage(indexed):
    front, index = indexed.front, indexed.nobreak.indexing
    new = {"TagSet": [{"Key": "c", "Value": "3"}]}
    for key in ("dir/tagged ü", "plain"):
        await front.call("put_object_tagging", Key=key, Tagging=new)
    await front.call("copy_object", Key="described", CopySource=f"{BUCKET}/plain")
    await eventually(lambda: not any(row.partial for row in index.buckets()), within=15)
    before = await looks(indexed)
    assert [before[key].get("x-amz-tagging-count") for key in DIRECT] == ["1", "1", "1", None]
    await indexed.begin()
    await eventually(lambda: indexed.nobreak.status()["current_mode"] == "local", within=30)
    assert await looks(indexed) == before


@pytest.mark.parametrize(
    "outage",
    [{"NOBREAK_API_LISTEN": "127.0.0.1:0"}],
    indirect=True,
)
async def test_the_http_api_says_it_too(indexed):
    nobreak, own = indexed.nobreak, {"Bucket": indexed.nobreak.settings.writes.bucket}
    with suppress(ClientError):  # nobreak may have made it
        await indexed.direct.call("create_bucket", **own)
    await indexed.direct.call("put_object", Key="described", **{**DIRECT["described"], **own})
    await nobreak.indexing.scan(own["Bucket"])
    await nobreak.indexing.learn(own["Bucket"])
    async with api_server(nobreak) as address, aiohttp.ClientSession() as session:

        async def look():
            async with session.head(f"http://{address}/files/described") as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, {n: v for n, v in headers.items() if n not in OF_ONE_ANSWER}

        before = await look()
        assert before[1]["x-nobreak-meta-who"] == "other"
        await indexed.begin()
        await eventually(lambda: nobreak.status()["current_mode"] == "local", within=30)
        assert await look() == before
