"""Issue 4.5 on a real SeaweedFS: what was written or read through nobreak is read in an outage (I2)."""

import asyncio

import aiohttp
import pytest
from botocore.exceptions import ClientError
from tests.support.net import eventually
from tests.support.outage import BUCKET, Outage
from tests.support.status import status_is

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import SeaweedServer

SMALL, LARGE = b"small", b"0123456789abcdef" * 65536
PART = b"p" * (5 * 1024 * 1024)
CACHE = pytest.mark.parametrize("outage", [{"NOBREAK_CACHE_BYTES": "100M"}], indirect=True)


def copies(outage):
    return outage.nobreak.status()["cache"]["copies"]


async def away(outage):
    await outage.begin()
    await eventually(lambda: outage.nobreak.status()["current_mode"] == "local", within=30)


async def large_upload(outage, key):
    front = outage.front
    upload = (await front.call("create_multipart_upload", Key=key))["UploadId"]
    of = {"Key": key, "UploadId": upload}
    done = []
    for number, body in ((1, PART), (2, b"end")):
        part = await front.call("upload_part", **of, PartNumber=number, Body=body)
        done.append({"PartNumber": number, "ETag": part["ETag"]})
    await front.call("complete_multipart_upload", **of, MultipartUpload={"Parts": done})


@CACHE
async def test_what_went_through_is_there_in_an_outage(outage: Outage):
    front, direct = outage.front, outage.direct
    described = {"ContentType": "text/html", "Metadata": {"a": "b"}, "Tagging": "t=1"}
    written = await front.call("put_object", Key="small", Body=SMALL, **described)
    await front.call("put_object", Key="large", Body=LARGE)
    await large_upload(outage, "parts")
    await direct.call("put_object", Key="older", Body=LARGE, Metadata={"by": "others"})
    await direct.call("put_object", Key="older, small", Body=SMALL)
    await direct.call("put_object", Key="never read", Body=SMALL)
    await outage.nobreak.indexing.scan(BUCKET)
    assert await front.read("older") == LARGE
    assert await front.read("older, small") == SMALL, "all of it is here along with its head"
    await eventually(lambda: copies(outage) == 5, within=20)
    await away(outage)
    found = await front.call("get_object", Key="small")
    assert await asyncio.to_thread(found["Body"].read) == SMALL
    assert (found["ETag"], found["ContentType"], found["Metadata"], found["TagCount"]) == (
        written["ETag"],
        "text/html",
        {"a": "b"},
        1,
    )
    assert await front.read("large") == LARGE
    assert await front.read("older") == LARGE
    assert await front.read("older, small") == SMALL
    assert await front.read("parts") == PART + b"end"
    assert await front.read("large", Range="bytes=5-14") == LARGE[5:15]
    assert await front.read("parts", Range="bytes=-4") == b"pend"
    assert (await front.code_of("get_object", Key="small", IfNoneMatch=written["ETag"]))[0] == 304
    assert (await front.code_of("get_object", Key="never read"))[0] == 503
    await front.call("copy_object", Key="copied", CopySource=f"{BUCKET}/older")
    assert await front.read("copied") == LARGE
    await outage.end()
    assert await direct.read("copied") == LARGE
    assert (await direct.call("head_object", Key="copied"))["Metadata"] == {"by": "others"}


@CACHE
async def test_the_first_reads_of_an_outage_are_answered_too(outage: Outage):
    await outage.front.call("put_object", Key="k", Body=SMALL)
    await eventually(lambda: copies(outage) == 1, within=20)
    await outage.begin()
    assert await outage.front.read("k") == SMALL
    assert (await outage.front.call("head_object", Key="k"))["ContentLength"] == len(SMALL)


@CACHE
async def test_a_version_that_was_overwritten_is_never_served(outage: Outage):
    front = outage.front
    for body in (SMALL, LARGE, b"newest"):
        await front.call("put_object", Key="k", Body=body)
    await front.call("put_object", Key="deleted", Body=SMALL)
    await front.call("delete_object", Key="deleted")
    await front.call("put_object", Key="copied over", Body=SMALL)
    await front.call("copy_object", Key="copied over", CopySource=f"{BUCKET}/k")
    await away(outage)
    assert await front.read("k") == b"newest"
    for key in ("deleted", "copied over"):
        assert (await front.code_of("get_object", Key=key))[0] == 503


@CACHE
async def test_a_damaged_copy_is_no_copy(outage: Outage, tmp_path):
    await outage.front.call("put_object", Key="k", Body=LARGE)
    await eventually(lambda: copies(outage) == 1, within=20)
    (path,) = (tmp_path / "data" / "cache").glob("*/*")
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"x")
    await away(outage)
    with pytest.raises(ClientError) as caught:
        await outage.front.read("k")
    assert caught.value.response["Error"]["Code"] == "SlowDown"
    assert (copies(outage), path.exists()) == (0, False)


async def test_copies_outlive_the_process_that_made_them(own_seaweed: SeaweedServer, tmp_path):
    """SIGKILL, and a start while the server is away."""
    nobreak = NobreakProcess(
        tmp_path / "nobreak",
        own_seaweed,
        {
            "HEALTH_CHECK_INTERVAL": "0.5",
            "HEALTH_FAST_INTERVAL": "0.2",
            "HEALTH_CHECK_TIMEOUT": "1",
            "NOBREAK_CACHE_BYTES": "50M",
        },
    )
    try:
        await nobreak.start()
        async with aiohttp.ClientSession() as session:
            url = f"{nobreak.base}/files/k"
            async with session.put(url, data=LARGE) as answer:
                assert answer.status == 201
            await eventually(lambda: list((tmp_path / "nobreak" / "data" / "cache").glob("*/*")))
            await asyncio.sleep(0.3)
            await nobreak.kill()
            await own_seaweed.kill()
            await nobreak.start()
            await eventually(lambda: status_is(nobreak, mode="local"), within=20)
            async with session.get(f"{nobreak.base}/files/k") as answer:
                assert (answer.status, await answer.read()) == (200, LARGE)
            async with session.get(
                f"{nobreak.base}/files/k", headers={"Range": "bytes=1-3"}
            ) as part:
                assert (part.status, await part.read()) == (206, LARGE[1:4])
    finally:
        await nobreak.kill()
