"""Multipart uploads through an outage: botocore, unmodified, and a real SeaweedFS."""

import asyncio
import os
from typing import Any

import pytest
from tests.support.multipart import (
    MIB,
    PHASES,
    Orderings,
    Sent,
    checked,
    md5,
    nothing_is_open,
    open_there,
    part_files,
)
from tests.support.net import eventually
from tests.support.outage import BUCKET

from nobreak.stores.external.s3_uploads import S3Uploads


async def test_an_upload_survives_an_outage_wherever_it_comes(outage):
    """I1, I2, I3: begun, continued and completed before, during or after, in any combination."""
    orderings = Orderings(outage.front)
    await orderings.play("before")
    await outage.begin()
    await orderings.play("during")
    await outage.end()
    await orderings.play("after")
    await eventually(outage.is_over, within=30)
    for upload in orderings.uploads:
        await checked(outage.direct, upload)
    await eventually(lambda: nothing_is_open(outage.direct), within=30)
    assert part_files(outage.nobreak.settings.local.data_dir) == []


async def test_attributes_and_checksums_come_with_the_object(outage):
    for phase in PHASES[:2]:
        if phase == "during":
            await outage.begin()
        upload = await Sent(outage.front, phase).begin(
            ContentType="video/mp4", Metadata={"a": "b"}, ChecksumAlgorithm="CRC32"
        )
        await upload.put(1, ChecksumAlgorithm="CRC32")
        await upload.put(2, ChecksumAlgorithm="CRC32")
        listed = await upload.call("list_parts")
        assert [each["ChecksumCRC32"] for each in listed["Parts"]] == [
            each["ChecksumCRC32"] for each in upload.parts
        ]
        answer = await upload.complete()
        assert answer["ChecksumCRC32"].endswith("-2")
        assert answer["ChecksumType"] == "COMPOSITE"
    await outage.end()
    for phase in PHASES[:2]:
        answer = await outage.direct.call("head_object", Key=phase)
        assert (answer["ContentType"], answer["Metadata"]) == ("video/mp4", {"a": "b"})


async def test_what_s3_refuses_is_refused_in_an_outage_too(outage):
    await outage.begin()
    upload = await Sent(outage.front, "k").begin()
    small = await Sent(outage.front, "small", pieces=[b"a", b"b"]).begin()
    for number in (1, 2):
        await upload.put(number)
        await small.put(number)
    code_of, front = outage.front.code_of, outage.front

    async def completion(sent: Sent, parts: list[dict[str, Any]], **more: Any) -> tuple[int, str]:
        refused = await code_of(
            "complete_multipart_upload",
            Key=sent.key,
            UploadId=sent.upload_id,
            MultipartUpload={"Parts": parts},
            **more,
        )
        return refused[:2]

    wrong = [{**upload.parts[0], "ETag": f'"{"0" * 32}"'}]
    assert await completion(upload, wrong) == (400, "InvalidPart")
    assert await completion(upload, [{**upload.parts[0], "PartNumber": 3}]) == (400, "InvalidPart")
    assert await completion(upload, upload.parts[::-1]) == (400, "InvalidPartOrder")
    assert await completion(small, small.parts) == (400, "EntityTooSmall")
    other = Sent(front, "other", upload_id=upload.upload_id)
    assert await completion(other, upload.parts) == (404, "NoSuchUpload")
    refused = await code_of(
        "upload_part", Key="k", UploadId=upload.upload_id, PartNumber=3, Body=b"x",
        ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==",
    )  # fmt: skip
    assert refused[:2] == (400, "BadDigest")
    assert [each["Size"] for each in (await upload.call("list_parts"))["Parts"]] == [
        5 * MIB, 70_000,
    ]  # fmt: skip
    await small.call("abort_multipart_upload")
    assert await completion(small, small.parts) == (404, "NoSuchUpload")
    await upload.complete()
    await upload.complete()  # as an SDK does that did not hear the answer
    assert await completion(upload, upload.parts[:1]) == (404, "NoSuchUpload")
    refused = await code_of("list_parts", Key="k", UploadId=upload.upload_id)
    assert refused[:2] == (404, "NoSuchUpload")
    refused = await code_of("list_parts", Key="k", UploadId="never-given")
    assert refused[:2] == (503, "SlowDown")
    await outage.end()
    await checked(outage.direct, upload)
    assert await outage.direct.keys() == ["k"]


async def test_the_last_acknowledged_part_of_a_number_counts(outage):
    """I4: whatever the external store has of that number."""
    for key in ("healthy", "outage"):
        upload = await Sent(outage.front, key).begin()
        await upload.put(1)
        await upload.put(2)
        if key == "outage":
            await outage.begin()
        upload.pieces[1] = os.urandom(60_000)
        await upload.put(2)
        await upload.complete()
        await checked(outage.front, upload)
        if key == "outage":
            await outage.end()
        await eventually(outage.is_over, within=30)
        await checked(outage.direct, upload)
    await eventually(lambda: nothing_is_open(outage.direct), within=30)


async def test_an_upload_that_is_aborted_in_an_outage_leaves_nothing(outage):
    upload = await Sent(outage.front, "k").begin()
    await upload.put(1)
    assert await open_there(outage.direct) == ["k"]
    await outage.begin()
    await upload.put(2)
    await upload.call("abort_multipart_upload")
    refused = await outage.front.code_of(
        "upload_part", Key="k", UploadId=upload.upload_id, PartNumber=1, Body=b"x"
    )
    assert refused[:2] == (404, "NoSuchUpload")
    assert part_files(outage.nobreak.settings.local.data_dir) == []
    await outage.end()
    await eventually(lambda: nothing_is_open(outage.direct), within=30)
    assert await outage.direct.keys() == []


async def test_parts_are_copied_from_objects_wherever_those_are(outage):
    source = os.urandom(6 * MIB)
    await outage.front.call("put_object", Key="there", Body=source)
    for phase in PHASES[:2]:
        if phase == "during":
            await outage.begin()
            await outage.front.call("put_object", Key="here", Body=source)
        name = "there" if phase == "before" else "here"
        upload = await Sent(outage.front, phase, pieces=[source[: 5 * MIB], source]).begin()
        for number, range_ in ((1, {"CopySourceRange": f"bytes=0-{5 * MIB - 1}"}), (2, {})):
            answer = await upload.call(
                "upload_part_copy",
                PartNumber=number,
                CopySource={"Bucket": BUCKET, "Key": name},
                **range_,
            )
            etag = answer["CopyPartResult"]["ETag"]
            assert etag == f'"{md5(upload.pieces[number - 1])}"'
            upload.parts.append({"PartNumber": number, "ETag": etag})
        await upload.complete()
        await checked(outage.front, upload)
        if phase == "during":
            refused = await outage.front.code_of(
                "upload_part_copy", Key="k", UploadId=(await Sent(outage.front, "k").begin()).upload_id,
                PartNumber=1, CopySource={"Bucket": BUCKET, "Key": "there"},
            )  # fmt: skip
            assert refused[:2] == (503, "SlowDown")
    await outage.end()


async def test_uploads_are_listed_with_those_that_were_begun_without_us(outage):
    """I2: and never twice, though ours have a twin on the server."""
    foreign = await Sent(outage.direct, "b/foreign").begin()
    ours = [await Sent(outage.front, key).begin() for key in ("b/ours", "a", "c/1", "c/2")]

    async def listed(**arguments: Any) -> tuple[list[tuple[str, str]], list[str]]:
        answer = await outage.front.call("list_multipart_uploads", **arguments)
        found = [(each["Key"], each["UploadId"]) for each in answer.get("Uploads", [])]
        return found, [each["Prefix"] for each in answer.get("CommonPrefixes", [])]

    everything = sorted((each.key, each.upload_id) for each in (foreign, *ours))
    assert await listed() == (everything, [])
    assert await listed(Delimiter="/") == ([("a", ours[1].upload_id)], ["b/", "c/"])
    assert (await listed(Prefix="b/"))[0] == everything[1:3]
    pages, markers = [], {}
    while True:
        page = await outage.front.call("list_multipart_uploads", MaxUploads=2, **markers)
        pages += [(each["Key"], each["UploadId"]) for each in page["Uploads"]]
        if not page["IsTruncated"]:
            break
        markers = {
            "KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"],
        }  # fmt: skip
    assert pages == everything
    through = Sent(outage.front, foreign.key, upload_id=foreign.upload_id)
    await through.put(1)
    assert [each["PartNumber"] for each in (await through.call("list_parts"))["Parts"]] == [1]
    await through.call("abort_multipart_upload")
    await outage.begin()
    assert (await outage.front.code_of("list_multipart_uploads"))[:2] == (503, "SlowDown")
    await outage.end()


async def test_a_twin_that_the_server_lost_costs_nothing_but_a_second_transfer(outage):
    """Somebody aborted it, or the server's own rules did."""
    upload = await Sent(outage.front, "k").begin()
    await upload.put(1)
    there = (await outage.direct.call("list_multipart_uploads"))["Uploads"][0]["UploadId"]
    await outage.direct.call("abort_multipart_upload", Key="k", UploadId=there)
    await upload.put(2)
    await upload.complete()
    await checked(outage.front, upload)
    await eventually(outage.is_over, within=30)
    await checked(outage.direct, upload)


@pytest.mark.parametrize("outage", [{"NOBREAK_DIVERT_AFTER": "0.7"}], indirect=True)
async def test_a_completion_in_doubt_is_finished_here(outage, monkeypatch):
    """I4, I5: S3 may take minutes to answer, or break off in the middle."""
    original = S3Uploads.complete

    async def slowly(self: S3Uploads, *arguments: Any) -> Any:
        became = await original(self, *arguments)
        await asyncio.sleep(2.5)
        return became

    monkeypatch.setattr(S3Uploads, "complete", slowly)
    upload = await Sent(outage.front, "k").begin()
    await upload.put(1)
    await upload.put(2)
    await upload.complete()
    assert outage.nobreak.status()["journal"]["entries"] == 1
    await checked(outage.front, upload)
    await eventually(outage.is_over, within=30)
    await checked(outage.direct, upload)
