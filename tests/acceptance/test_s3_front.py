"""The S3 front: botocore, unmodified, before, during and after an outage of a real SeaweedFS."""

import asyncio
import os
import urllib.request

import botocore.session
from tests.support.net import eventually
from tests.support.outage import BUCKET, Shop

KEYS = ["plain.txt", "with space+%.txt", "ção/😀", "x" * 200]
LARGE = 3_000_000


async def work(shop: Shop, act: str) -> dict[str, bytes]:
    """What an application does; returns what must be there in the end."""
    written = {}
    for key in KEYS:
        name, content = f"{act}/{key}", os.urandom(1000)
        await shop.call(
            "put_object", Key=name, Body=content, ContentType="image/png", Metadata={"a": "b"}
        )
        answer = await shop.call("head_object", Key=name)
        assert (answer["ContentType"], answer["Metadata"]) == ("image/png", {"a": "b"})
        assert await shop.read(name) == content
        assert await shop.read(name, Range="bytes=10-19") == content[10:20]
        written[name] = content
    large = os.urandom(LARGE)
    await shop.call("put_object", Key=f"{act}/large", Body=large)
    assert await shop.read(f"{act}/large") == large
    written[f"{act}/large"] = large
    source = {"Bucket": BUCKET, "Key": f"{act}/large"}
    await shop.call("copy_object", Key=f"{act}/copy", CopySource=source)
    written[f"{act}/copy"] = large
    await shop.call("delete_object", Key=f"{act}/{KEYS[0]}")
    await shop.call("delete_objects", Delete={"Objects": [{"Key": f"{act}/{KEYS[1]}"}]})
    for key in KEYS[:2]:
        del written[f"{act}/{key}"]
        assert (await shop.code_of("get_object", Key=f"{act}/{key}"))[:2] == (404, "NoSuchKey")
    url = shop.presigned("get_object", f"{act}/{KEYS[2]}")
    answer = await asyncio.to_thread(urllib.request.urlopen, url)
    assert answer.read() == written[f"{act}/{KEYS[2]}"]
    return written


async def test_an_application_that_changed_one_url_never_notices_an_outage(outage):
    """I1, I2: the same work before, during and after, and all of it on the server at the end."""
    written = await work(outage.front, "before")
    await outage.begin()
    written |= await work(outage.front, "during")
    await outage.end()
    written |= await work(outage.front, "after")
    assert sorted(await outage.direct.keys()) == sorted(written)
    assert await outage.front.keys() == sorted(written, key=str.encode)
    for key, content in written.items():
        assert await outage.direct.read(key) == content
    kept = await outage.direct.call("head_object", Key=f"during/{KEYS[2]}")
    assert (kept["ContentType"], kept["Metadata"]) == ("image/png", {"a": "b"})


async def test_lists_go_on_in_an_outage_once_they_were_read(outage):
    """I2: also what was copied, deleted and written past the store and the journal."""
    front = outage.front
    for key in ("a/1", "a-1", "b", "gone"):
        await front.call("put_object", Key=key, Body=b"x")
    await outage.direct.call("put_object", Key="by others", Body=b"x")
    await outage.nobreak.indexing.scan(BUCKET)
    source = {"Bucket": BUCKET, "Key": "b"}
    await front.call("copy_object", Key="copy", CopySource=source)
    await front.call("delete_object", Key="gone")
    await outage.begin()
    await front.call("put_object", Key="during", Body=b"x")
    await front.call("delete_object", Key="b")
    found = await front.keys()
    assert found == ["a-1", "a/1", "by others", "copy", "during"]
    folded = await front.call("list_objects", Delimiter="/", MaxKeys=2)
    assert [each["Key"] for each in folded["Contents"]] == ["a-1"]
    assert [each["Prefix"] for each in folded["CommonPrefixes"]] == ["a/"]
    assert folded["IsTruncated"]
    await outage.end()
    assert sorted(await outage.direct.keys()) == found


async def test_buckets_are_made_listed_and_deleted_in_an_outage(outage):
    """I2, I4: and the drain makes them before their objects, and deletes them after."""
    front = outage.front
    await front.call("create_bucket", Bucket="doomed")
    await front.call("put_object", Bucket="doomed", Key="k", Body=b"x")
    await outage.nobreak.indexing.scan("doomed")
    await eventually(outage.nobreak._opened._opened.buckets.are_all)
    await outage.begin()
    await front.call("create_bucket", Bucket="made", ObjectLockEnabledForBucket=False)
    for n in range(20):
        await front.call("put_object", Bucket="made", Key=f"k{n}", Body=b"x")
    for asked in ({}, {"ACL": "public-read"}):  # rclone makes the bucket before each upload
        again = await front.code_of("create_bucket", Bucket=BUCKET, **asked)
        assert again[:2] == (409, "BucketAlreadyOwnedByYou")
    assert (await front.code_of("delete_bucket", Bucket="made"))[:2] == (409, "BucketNotEmpty")
    assert (await front.code_of("delete_bucket", Bucket="doomed"))[:2] == (409, "BucketNotEmpty")
    assert (await front.code_of("delete_bucket"))[:2] == (503, "SlowDown"), (
        "who knows what is in it"
    )
    await front.call("delete_object", Bucket="doomed", Key="k")
    await front.call("delete_bucket", Bucket="doomed")
    assert (await front.code_of("get_object", Bucket="made", Key="not"))[1] == "NoSuchKey"
    page = await front.call("list_objects_v2", Bucket="made", MaxKeys=15)
    assert page["KeyCount"] == 15
    await front.call("create_bucket", Bucket="short-lived")
    await front.call("delete_bucket", Bucket="short-lived")
    listed = await asyncio.to_thread(front._client.list_buckets)
    assert [each["Name"] for each in listed["Buckets"]] == ["made", "nobreak", BUCKET]
    await front.call("head_bucket", Bucket="made")
    await front.call("head_bucket")
    for bucket in ("doomed", "never-there"):
        assert (await front.code_of("head_bucket", Bucket=bucket))[0] == 404
        refused = await front.code_of("put_object", Bucket=bucket, Key="k", Body=b"x")
        assert refused[:2] == (404, "NoSuchBucket")
    await outage.end()
    listed = await asyncio.to_thread(outage.direct._client.list_buckets)
    assert [each["Name"] for each in listed["Buckets"]] == ["made", "nobreak", BUCKET]
    found = await outage.direct.call("list_objects_v2", Bucket="made")
    assert found["KeyCount"] == 20


async def test_a_bucket_that_others_made_is_there_once_it_was_used(outage):
    """I2: also when the list of buckets was read before."""
    await eventually(outage.nobreak._opened._opened.buckets.are_all)
    await outage.direct.call("create_bucket", Bucket="by-others")
    await outage.direct.call("put_object", Bucket="by-others", Key="k", Body=b"x")
    assert await outage.front.read("k", Bucket="by-others") == b"x"
    await outage.begin()
    await outage.front.call("put_object", Bucket="by-others", Key="new", Body=b"y")
    assert (await outage.front.code_of("get_object", Bucket="by-others", Key="k"))[0] == 503
    await outage.end()
    assert await outage.direct.read("new", Bucket="by-others") == b"y"


async def test_what_cannot_be_answered_truthfully_in_an_outage_is_slow_down_at_once(outage):
    """I2, I5."""
    await outage.front.call("put_object", Key="there", Body=b"x")
    await outage.begin()
    for operation, arguments in [
        ("get_object", {"Key": "there"}),
        ("list_objects_v2", {}),
        ("list_objects", {}),
        ("put_object", {"Key": "k", "Body": b"x", "IfNoneMatch": "*"}),
        ("put_object_acl", {"Key": "there", "ACL": "private"}),
    ]:
        began = asyncio.get_running_loop().time()
        status, code, headers = await outage.front.code_of(operation, **arguments)
        assert asyncio.get_running_loop().time() - began < 1.5, operation
        assert (status, code) == (503, "SlowDown"), operation
        assert int(headers["retry-after"]) > 0
        assert headers["x-amz-request-id"]
    await acls_of_what_waits(outage.front)
    await outage.end()
    assert await outage.direct.keys() == ["there"]


async def acls_of_what_waits(front: Shop) -> None:
    """S3's default is told; what the external store makes of anything else, only it can tell."""
    await front.call("put_object", Key="waits", Body=b"x")
    told = await front.call("get_object_acl", Key="waits")
    assert [each["Permission"] for each in told["Grants"]] == ["FULL_CONTROL"]
    assert told["Grants"][0]["Grantee"]["ID"] == told["Owner"]["ID"]
    refused = await front.code_of("put_object_acl", Key="waits", ACL="public-read")
    assert refused[:2] == (501, "NotImplemented")
    await front.call("put_object", Key="waits", Body=b"x", ACL="public-read")
    assert (await front.code_of("get_object_acl", Key="waits"))[:2] == (503, "SlowDown")
    await front.call("delete_object", Key="waits")
    assert (await front.code_of("get_object_acl", Key="waits"))[:2] == (404, "NoSuchKey")


async def test_all_of_s3_that_nobreak_has_no_part_in_passes_through(outage):
    """No feature of the external server is lost."""
    front = outage.front
    await front.call("put_object", Key="k", Body=b"x" * 100, Tagging="a=b")
    assert (await front.call("get_object_tagging", Key="k"))["TagSet"] == [
        {"Key": "a", "Value": "b"}
    ]
    upload = (await front.call("create_multipart_upload", Key="parts"))["UploadId"]
    parts = []
    for number, content in enumerate([b"1" * 5_300_000, b"2" * 1000], 1):
        part = await front.call(
            "upload_part", Key="parts", UploadId=upload, PartNumber=number, Body=content
        )
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    await front.call(
        "complete_multipart_upload",
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": parts},
    )
    assert await outage.direct.read("parts") == b"1" * 5_300_000 + b"2" * 1000
    buckets = await asyncio.to_thread(front._client.list_buckets)
    assert BUCKET in [each["Name"] for each in buckets["Buckets"]]
    refused = await front.code_of("put_object", Key="k", Body=b"y", IfNoneMatch="*")
    assert refused[:2] == (412, "PreconditionFailed")
    assert (await front.code_of("get_object", Key="nothing"))[:2] == (404, "NoSuchKey")
    assert (await front.code_of("head_bucket", Bucket="nothing"))[0] == 404


async def test_strangers_and_damaged_bodies_are_refused_and_leave_no_trace(outage):
    stranger = Shop(f"http://{outage.address}", outage.server)
    stranger._client = botocore.session.get_session().create_client(
        "s3",
        endpoint_url=f"http://{outage.address}",
        aws_access_key_id=outage.server.access_key,
        aws_secret_access_key="wrong",
        region_name="us-east-1",
    )
    refused = await stranger.code_of("put_object", Key="k", Body=b"x")
    assert refused[:2] == (403, "SignatureDoesNotMatch")
    refused = await outage.front.code_of(
        "put_object", Key="k", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA=="
    )
    assert refused[:2] == (400, "BadDigest")
    assert await outage.direct.keys() == []
