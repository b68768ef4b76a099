"""What S3 says of single objects, before, during and after one outage of a real SeaweedFS.

botocore, unmodified; each act does the same and expects the same, whoever answers it.
"""

import asyncio
import base64
import zlib
from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from tests.support.net import eventually
from tests.support.outage import BUCKET, Outage, Shop

from nobreak.words import ObjectName, Receipt

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
WRONG = '"00000000000000000000000000000000"'
BODY = b"0123456789"


async def status(shop: Shop, operation: str, **arguments):
    """What a request is answered with: 200, or status and code of a refusal."""
    try:
        await shop.call(operation, **arguments)
    except ClientError as error:
        answer = error.response
        return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]
    return 200


async def conditions(shop: Shop, act: str, etags: dict[str, str]) -> None:
    """Conditional writes; `etags` remembers those that were given, from act to act."""
    key, failed = f"{act}/conditional", (412, "PreconditionFailed")
    rivals = await asyncio.gather(
        *(
            status(shop, "put_object", Key=f"{act}/raced", Body=bytes([n]), IfNoneMatch="*")
            for n in range(8)
        )
    )
    assert sorted(rivals, key=str) == [failed] * 7 + [200], act
    etag = (await shop.call("put_object", Key=key, Body=b"1", IfNoneMatch="*"))["ETag"]
    assert await status(shop, "put_object", Key=key, Body=b"2", IfMatch=WRONG) == failed
    assert await status(shop, "delete_object", Key=key, IfMatch=WRONG) == failed
    assert await status(shop, "put_object", Key=key, Body=b"3", IfNoneMatch="*") == failed
    await shop.call("put_object", Key=key, Body=b"4", IfMatch=etag)
    assert await status(shop, "put_object", Key=key, Body=b"5", IfMatch=etag) == failed
    source = {"Bucket": BUCKET, "Key": key}
    copied = {"Key": f"{act}/copied", "CopySource": source}
    assert await status(shop, "copy_object", **copied, CopySourceIfMatch=WRONG) == failed
    assert await status(shop, "copy_object", **copied, IfNoneMatch="*") == 200
    assert await status(shop, "copy_object", **copied, IfNoneMatch="*") == failed
    for old, given in etags.items():
        replaced = await shop.call("put_object", Key=old, Body=b"again", IfMatch=given)
        etags[old] = replaced["ETag"]
    etags[key] = (await shop.call("head_object", Key=key))["ETag"]
    assert await shop.read(key) == b"4"


async def checksums(shop: Shop, act: str) -> None:
    for algorithm in ALGORITHMS:
        key, field = f"{act}/{algorithm}", f"Checksum{algorithm}"
        put = await shop.call("put_object", Key=key, Body=BODY, ChecksumAlgorithm=algorithm)
        for operation in ("head_object", "get_object"):
            found = await shop.call(operation, Key=key, ChecksumMode="ENABLED")
            assert found[field] == put[field], (act, algorithm)
        part = await shop.call("get_object", Key=key, ChecksumMode="ENABLED", Range="bytes=0-1")
        assert field not in part
    crc = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
    bad = {"Key": f"{act}/bad", "Body": b"other", "ChecksumCRC32": crc}
    assert await status(shop, "put_object", **bad) == (400, "BadDigest")
    assert await shop.keys(f"{act}/bad") == [], "it has left no trace"
    asked = {"ObjectAttributes": ["ETag", "ObjectSize", "StorageClass", "Checksum"]}
    found = await shop.call("get_object_attributes", Key=f"{act}/CRC32", **asked)
    assert (found["ObjectSize"], found["StorageClass"]) == (len(BODY), "STANDARD")
    assert found["ETag"] == (await shop.call("head_object", Key=f"{act}/CRC32"))["ETag"].strip('"')
    await shop.call("delete_object", Key=f"{act}/SHA1")
    gone = await status(shop, "get_object_attributes", Key=f"{act}/SHA1", **asked)
    assert gone == (404, "NoSuchKey")


async def tags(shop: Shop, key: str):
    found = (await shop.call("get_object_tagging", Key=key))["TagSet"]
    return {each["Key"]: each["Value"] for each in found}


async def tagging(shop: Shop, act: str) -> None:
    first, second = f"{act}/tagged", f"{act}/tagged too"
    await shop.call("put_object", Key=first, Body=BODY, Tagging="a=1&b=x%2By")
    assert await tags(shop, first) == {"a": "1", "b": "x+y"}
    assert (await shop.call("head_object", Key=first))["TagCount"] == 2
    source = {"Bucket": BUCKET, "Key": first}
    await shop.call("copy_object", Key=second, CopySource=source)
    assert await tags(shop, second) == {"a": "1", "b": "x+y"}
    own = {"TaggingDirective": "REPLACE", "Tagging": "c=3"}
    await shop.call("copy_object", Key=second, CopySource=source, **own)
    assert await tags(shop, second) == {"c": "3"}
    await shop.call("delete_object_tagging", Key=second)
    assert await tags(shop, second) == {}
    assert "TagCount" not in await shop.call("head_object", Key=second)
    new = {"TagSet": [{"Key": "d", "Value": "4"}]}
    await shop.call("put_object_tagging", Key=first, Tagging=new)
    assert await tags(shop, first) == {"d": "4"}
    assert await shop.read(first) == BODY


async def reads(shop: Shop, act: str) -> None:
    """Conditional reads and ranges, as SeaweedFS and AWS answer them."""
    key = f"{act}/read"
    etag = (await shop.call("put_object", Key=key, Body=BODY))["ETag"]
    modified = (await shop.call("head_object", Key=key))["LastModified"]
    before, after = modified - timedelta(hours=1), modified + timedelta(seconds=1)
    failed, same = (412, "PreconditionFailed"), (304, "304")
    for arguments, expected in [
        ({"IfMatch": etag}, 200),
        ({"IfMatch": WRONG}, failed),
        ({"IfNoneMatch": etag}, same),
        ({"IfNoneMatch": WRONG}, 200),
        ({"IfModifiedSince": before}, 200),
        ({"IfModifiedSince": after}, same),
        ({"IfUnmodifiedSince": before}, failed),
        ({"IfUnmodifiedSince": after}, 200),
        ({"Range": "bytes=10-"}, (416, "InvalidRange")),
        ({"Range": "bytes=-0"}, (416, "InvalidRange")),
        ({"PartNumber": 2}, (416, "InvalidPartNumber")),
    ]:
        assert await status(shop, "get_object", Key=key, **arguments) == expected, arguments
    for arguments, content, extent in [
        ({"Range": "bytes=2-4"}, b"234", "bytes 2-4/10"),
        ({"Range": "bytes=8-"}, b"89", "bytes 8-9/10"),
        ({"Range": "bytes=-3"}, b"789", "bytes 7-9/10"),
        ({"Range": "bytes=-30"}, BODY, "bytes 0-9/10"),
        ({"Range": "bytes=5-99"}, b"56789", "bytes 5-9/10"),
        ({"PartNumber": 1}, BODY, "bytes 0-9/10"),
        ({"Range": "bytes=0-1,3-4"}, BODY, None),
        ({"VersionId": "null"}, BODY, None),
    ]:
        found = await shop.call("get_object", Key=key, **arguments)
        assert found.get("ContentRange") == extent, arguments
        assert await asyncio.to_thread(found["Body"].read) == content
        assert found["ETag"] == etag


async def copies(shop: Shop, act: str) -> None:
    key = f"{act}/itself"
    await shop.call("put_object", Key=key, Body=BODY, Metadata={"a": "1"}, ContentType="a/b")
    itself = {"Key": key, "CopySource": {"Bucket": BUCKET, "Key": key}}
    assert await status(shop, "copy_object", **itself) == (400, "InvalidRequest")
    replaced = {"MetadataDirective": "REPLACE", "Metadata": {"b": "2"}, "ContentType": "c/d"}
    await shop.call("copy_object", **itself, **replaced)
    found = await shop.call("get_object", Key=key)
    assert (found["Metadata"], found["ContentType"]) == ({"b": "2"}, "c/d")
    assert await asyncio.to_thread(found["Body"].read) == BODY
    other = f"{act}/other"
    await shop.call("copy_object", Key=other, CopySource=itself["CopySource"])
    assert (await shop.call("head_object", Key=other))["Metadata"] == {"b": "2"}


async def all_of_it(shop: Shop, act: str, etags: dict[str, str]) -> None:
    await conditions(shop, act, etags)
    await checksums(shop, act)
    await tagging(shop, act)
    await reads(shop, act)
    await copies(shop, act)


async def kept_in_the_end(outage: Outage, act: str) -> None:
    """On the server itself, as if it had never been away."""
    direct = outage.direct
    for algorithm in set(ALGORITHMS) - {"SHA1"}:
        found = await direct.call("head_object", Key=f"{act}/{algorithm}", ChecksumMode="ENABLED")
        ours = await outage.front.call(
            "head_object", Key=f"{act}/{algorithm}", ChecksumMode="ENABLED"
        )
        assert found[f"Checksum{algorithm}"] == ours[f"Checksum{algorithm}"]
    assert await tags(direct, f"{act}/tagged") == {"d": "4"}
    assert await tags(direct, f"{act}/tagged too") == {}
    assert (await direct.call("head_object", Key=f"{act}/itself"))["Metadata"] == {"b": "2"}
    assert (await direct.read(f"{act}/copied")) == b"4"
    assert len(await direct.read(f"{act}/raced")) == 1


async def warm(outage: Outage) -> None:
    """SeaweedFS needs its time for the first object of a bucket."""
    await outage.front.call("put_object", Key="warm", Body=b"warm")
    await outage.front.call("delete_object", Key="warm")
    await eventually(outage.is_over, within=10)


async def test_objects_are_what_s3_says_before_during_and_after_an_outage(outage):
    """I1, I2: conditions, checksums, tags, attributes, ranges and copies."""
    etags: dict[str, str] = {}
    front = outage.front
    await warm(outage)
    await all_of_it(front, "before", etags)
    await outage.nobreak.indexing.scan(BUCKET)
    await outage.begin()
    await all_of_it(front, "during", etags)
    for operation, arguments in [
        ("get_object_tagging", {"Key": "before/tagged"}),
        ("copy_object", {"Key": "c", "CopySource": {"Bucket": BUCKET, "Key": "before/read"}}),
        ("get_object", {"Key": "before/read"}),
    ]:
        assert await status(front, operation, **arguments) == (503, "SlowDown"), operation
    asked = {"Key": "before/read", "ObjectAttributes": ["ObjectSize"]}
    assert (await front.call("get_object_attributes", **asked))["ObjectSize"] == len(BODY)
    absent = {"Key": "nobody", "Body": b"", "IfMatch": WRONG}
    assert await status(front, "put_object", **absent) == (404, "NoSuchKey")
    assert await status(front, "delete_object", Key="nobody", IfMatch=WRONG) == 200
    await outage.end()
    await all_of_it(front, "after", etags)
    for act in ("before", "during", "after"):
        await kept_in_the_end(outage, act)


async def test_many_are_deleted_at_once_each_by_itself(outage):
    keys = [f"k{number:03}" for number in range(150)]
    front = outage.front
    await warm(outage)
    etag = (await front.call("put_object", Key=keys[0], Body=b"x"))["ETag"]
    await asyncio.gather(*(front.call("put_object", Key=key, Body=b"x") for key in keys[1:]))
    wanted = [{"Key": key, "ETag": etag if number else WRONG} for number, key in enumerate(keys)]
    found = await front.call("delete_objects", Delete={"Objects": [*wanted, {"Key": "none"}]})
    assert [each["Key"] for each in found["Deleted"]] == [*keys[1:], "none"]
    assert [(e["Key"], e["Code"]) for e in found["Errors"]] == [(keys[0], "PreconditionFailed")]
    assert await outage.direct.keys() == keys[:1]
    await outage.begin()
    found = await front.call("delete_objects", Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(found["Deleted"]) == len(keys)
    await outage.end()
    assert await outage.direct.keys() == []


@pytest.mark.parametrize("outage", [{"NOBREAK_DIVERT_AFTER": "1"}], indirect=True, ids=["quick"])
async def test_a_put_whose_server_freezes_is_finished_here_whatever_it_asks_for(outage):
    """I5: conditions that we know to hold, tags, storage class and encryption; within a second."""
    front, key = outage.front, "frozen"
    await warm(outage)
    etag = (await front.call("put_object", Key=key, Body=b"first"))["ETag"]
    outage.server.freeze()
    began = asyncio.get_running_loop().time()
    further = {"Tagging": "a=b", "StorageClass": "STANDARD_IA", "ServerSideEncryption": "AES256"}
    put = await front.call("put_object", Key=key, Body=b"second", IfMatch=etag, **further)
    assert put["ServerSideEncryption"] == "AES256"
    with pytest.raises(ClientError) as caught:
        await front.call("put_object", Key="unknown", Body=b"x", IfNoneMatch="*")
    assert caught.value.response["Error"]["Code"] == "SlowDown"
    assert asyncio.get_running_loop().time() - began < 3.0
    outage.server.thaw()
    await eventually(outage.is_over, within=60)
    found = await outage.direct.call("head_object", Key=key)
    assert (found["StorageClass"], found["TagCount"]) == ("STANDARD_IA", 1)
    assert await outage.direct.read(key) == b"second"


async def test_an_etag_that_was_given_keeps_working_where_the_server_has_another(outage):
    """As with keys of KMS, or after a drain in parts: the catalog knows both."""
    front, key = outage.front, "renamed"
    await warm(outage)
    await outage.direct.call("put_object", Key=key, Body=BODY)
    theirs = (await outage.direct.call("head_object", Key=key))["ETag"].strip('"')
    info = replace(await outage.nobreak.store.head(ObjectName(BUCKET, key)), etag="given")
    await outage.nobreak._opened._opened.catalog.put(info, Receipt(etag=theirs))
    given, source = '"given"', {"Bucket": BUCKET, "Key": key}
    for operation in ("get_object", "head_object"):
        assert (await front.call(operation, Key=key, IfMatch=given))["ETag"] == given
        assert (await status(front, operation, Key=key, IfNoneMatch=given))[0] == 304
        assert (await status(front, operation, Key=key, IfMatch=WRONG))[0] == 412
    listed = (await front.call("list_objects_v2"))["Contents"]
    assert [each["ETag"] for each in listed] == [given]
    copied = {"Key": "copied", "CopySource": source}
    assert await status(front, "copy_object", **copied, CopySourceIfMatch=given) == 200
    assert await status(front, "copy_object", **copied, CopySourceIfNoneMatch=given) == (
        412,
        "PreconditionFailed",
    )
    new = {"Key": key, "Body": b"newer"}
    assert await status(front, "put_object", **new, IfMatch=given) == 200
    assert await outage.direct.read(key) == b"newer"
    assert await status(front, "delete_object", Key=key, IfMatch=given) == (
        412,
        "PreconditionFailed",
    )
