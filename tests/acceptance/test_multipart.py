"""Multipart uploads through an outage: botocore, unmodified, and a real SeaweedFS."""

import asyncio
import hashlib
import os
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any

import pytest
from tests.support.net import eventually
from tests.support.outage import BUCKET, Outage, Shop

from nobreak.stores.external.s3_uploads import S3Uploads

MIB = 1024 * 1024
PHASES = ("before", "during", "after")


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


@dataclass
class Sent:
    """An upload as its client sees it."""

    shop: Shop
    key: str
    pieces: list[bytes] = field(default_factory=lambda: [os.urandom(5 * MIB), os.urandom(70_000)])
    upload_id: str = ""
    parts: list[dict[str, Any]] = field(default_factory=list)
    etag: str = ""

    @property
    def content(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def expected_etag(self) -> str:
        digests = b"".join(hashlib.md5(each).digest() for each in self.pieces)
        return f'"{md5(digests)}-{len(self.pieces)}"'

    async def call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return await self.shop.call(operation, Key=self.key, UploadId=self.upload_id, **arguments)

    async def begin(self, **arguments: Any) -> "Sent":
        answer = await self.shop.call("create_multipart_upload", Key=self.key, **arguments)
        self.upload_id = answer["UploadId"]
        return self

    async def put(self, number: int, **arguments: Any) -> dict[str, Any]:
        content = self.pieces[number - 1]
        answer = await self.call("upload_part", PartNumber=number, Body=content, **arguments)
        assert answer["ETag"] == f'"{md5(content)}"'
        named = {name: answer[name] for name in answer if name.startswith("Checksum")}
        self.parts = [each for each in self.parts if each["PartNumber"] != number]
        self.parts.append({"PartNumber": number, "ETag": answer["ETag"], **named})
        return answer

    async def complete(self, **arguments: Any) -> dict[str, Any]:
        parts = {"Parts": sorted(self.parts, key=lambda each: each["PartNumber"])}
        answer = await self.call("complete_multipart_upload", MultipartUpload=parts, **arguments)
        self.etag = answer["ETag"]
        assert self.etag == self.expected_etag
        return answer

    async def step(self, step: int) -> None:
        acts = [self.begin, lambda: self.put(1), lambda: self.put(2), self.complete]
        await acts[step]()


async def open_there(outage: Outage) -> list[str]:
    """The keys of all uploads that are open on the server itself."""
    answer = await outage.direct.call("list_multipart_uploads")
    return sorted(each["Key"] for each in answer.get("Uploads", []))


async def nothing_is_open(outage: Outage) -> bool:
    return await open_there(outage) == []


async def test_an_upload_survives_an_outage_wherever_it_comes(outage):
    """I1, I2, I3: begun, continued and completed before, during or after, in any combination."""
    plans = list(combinations_with_replacement(PHASES, 4))
    sent = {plan: Sent(outage.front, "/".join(plan)) for plan in plans}

    async def run(phase: str) -> None:
        for plan, upload in sent.items():
            for step, when in enumerate(plan):
                if when == phase:
                    await upload.step(step)
            if plan[3] == phase:
                await checked(outage.front, upload)

    await run("before")
    await outage.begin()
    await run("during")
    await outage.end()
    await run("after")
    await eventually(outage.is_over, within=30)
    for upload in sent.values():
        await checked(outage.direct, upload)
    await eventually(lambda: nothing_is_open(outage), within=30)
    blobs = outage.nobreak.settings.local.data_dir / "blobs"
    assert [path for path in blobs.glob("*/*") if path.is_file()] == []


async def checked(shop: Shop, upload: Sent) -> None:
    """The object is what was uploaded, under the ETag that its client was given."""
    answer = await shop.call("get_object", Key=upload.key, IfMatch=upload.etag)
    content = await asyncio.to_thread(answer["Body"].read)
    assert content == upload.content
    assert answer["ETag"] == upload.etag
    across = await shop.read(upload.key, Range=f"bytes={5 * MIB - 5}-{5 * MIB + 4}")
    assert across == upload.content[5 * MIB - 5 : 5 * MIB + 5]


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
    await eventually(lambda: nothing_is_open(outage), within=30)


async def test_an_upload_that_is_aborted_in_an_outage_leaves_nothing(outage):
    upload = await Sent(outage.front, "k").begin()
    await upload.put(1)
    assert await open_there(outage) == ["k"]
    await outage.begin()
    await upload.put(2)
    await upload.call("abort_multipart_upload")
    refused = await outage.front.code_of(
        "upload_part", Key="k", UploadId=upload.upload_id, PartNumber=1, Body=b"x"
    )
    assert refused[:2] == (404, "NoSuchUpload")
    blobs = outage.nobreak.settings.local.data_dir / "blobs"
    assert [path for path in blobs.glob("*/*") if path.is_file()] == []
    await outage.end()
    await eventually(lambda: nothing_is_open(outage), within=30)
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
