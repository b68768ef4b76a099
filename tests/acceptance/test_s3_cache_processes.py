"""Issue 4.5 with several processes on one data directory, and on a disk that gets full (I1, I2)."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from botocore.exceptions import ClientError
from tests.faults.disk_faults import may_mount
from tests.support.net import eventually
from tests.support.outage import BUCKET, Shop
from tests.support.status import status_is

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import SeaweedServer

OLD, NEW = b"old" * 1000, b"new" * 100_000
PART = b"p" * (5 * 1024 * 1024)
QUICK = {
    "HEALTH_CHECK_INTERVAL": "0.5",
    "HEALTH_FAST_INTERVAL": "0.2",
    "HEALTH_CHECK_TIMEOUT": "2",
    "NOBREAK_DIVERT_AFTER": "5",
    "NOBREAK_CACHE_BYTES": "100M",
}


def shop(nobreak: NobreakProcess) -> Shop:
    return Shop(nobreak.s3, nobreak.external, retries={"max_attempts": 0})


async def put(client: Shop, key: str) -> None:
    await client.call("put_object", Key=key, Body=NEW)


async def delete(client: Shop, key: str) -> None:
    await client.call("delete_object", Key=key)


async def delete_many(client: Shop, key: str) -> None:
    await client.call("delete_objects", Delete={"Objects": [{"Key": key}]})


async def copy_over(client: Shop, key: str) -> None:
    await client.call("copy_object", Key=key, CopySource=f"{BUCKET}/source")


async def complete_upload(client: Shop, key: str) -> None:
    of = {"Key": key}
    of["UploadId"] = (await client.call("create_multipart_upload", **of))["UploadId"]
    part = await client.call("upload_part", **of, PartNumber=1, Body=NEW)
    parts = [{"PartNumber": 1, "ETag": part["ETag"]}]
    await client.call("complete_multipart_upload", **of, MultipartUpload={"Parts": parts})


CHANGES = {
    change.__name__: change for change in (put, delete, delete_many, copy_over, complete_upload)
}
DELETED = {"delete", "delete_many"}


async def found(client: Shop, key: str) -> bytes | int:
    """The bytes, or the status of a refusal."""
    try:
        return await client.read(key)
    except ClientError as error:
        status: int = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return status


async def copies(nobreak: NobreakProcess) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{nobreak.base}/api/storage-status") as answer,
    ):
        number: int = (await answer.json())["cache"]["copies"]
    return number


async def has_copies(nobreak: NobreakProcess, count: int) -> bool:
    return await copies(nobreak) == count


@pytest.fixture
async def two(tmp_path: Path, own_seaweed: SeaweedServer) -> AsyncIterator[list[NobreakProcess]]:
    """Two processes that know nothing of each other, on one data directory."""
    settings = {**QUICK, "NOBREAK_DATA_DIR": str(tmp_path / "data")}
    processes = [NobreakProcess(tmp_path / name, own_seaweed, settings) for name in ("a", "b")]
    try:
        for process in processes:
            await process.start()
        await shop(processes[0]).call("create_bucket")
        yield processes
    finally:
        for process in processes:
            await process.kill()


async def test_what_one_process_changes_no_other_one_reads_as_it_was(two, own_seaweed):
    """I2: by any way to change an object; at once, and after a crash of the one that did it."""
    first, second = map(shop, two)
    for key in (*CHANGES, "unchanged"):
        await first.call("put_object", Key=key, Body=OLD)
    await first.call("put_object", Key="source", Body=NEW)
    await eventually(lambda: has_copies(two[1], len(CHANGES) + 2), within=20)
    for key, change in CHANGES.items():
        await change(second, key)
    await two[1].kill()
    await own_seaweed.kill()
    for key in CHANGES:
        assert await found(first, key) != OLD, key
    await eventually(lambda: status_is(two[0], mode="local"), within=20)
    await two[1].start()
    for client in (first, second):
        for key in CHANGES:
            allowed = {404, 503} if key in DELETED else {NEW, 503}
            assert await found(client, key) in allowed, key
        assert await found(client, "unchanged") == OLD
        assert await found(client, "source") == NEW


async def test_what_another_process_wrote_is_read_from_its_copy(two, own_seaweed):
    first, second = map(shop, two)
    await first.call("put_object", Key="k", Body=OLD)
    await eventually(lambda: has_copies(two[1], 1), within=20)
    await put(second, "k")
    await complete_upload(second, "upload")
    await eventually(lambda: has_copies(two[0], 2), within=20)
    await own_seaweed.kill()
    await eventually(lambda: status_is(two[0], mode="local"), within=20)

    async def is_there(client: Shop, key: str) -> bool:
        return await found(client, key) == NEW

    for client in (first, second):
        for key in ("k", "upload"):
            await eventually(lambda c=client, k=key: is_there(c, k), within=10)


@asynccontextmanager
async def small_disk(folder: Path, size: str) -> AsyncIterator[Path]:
    """A file system that gets really full."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "nobreak-cache", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True)


async def fill(client: Shop) -> None:
    for n in range(20):
        await client.call("put_object", Key=f"more {n}", Body=bytes(2_000_000))


@pytest.mark.skipif(not may_mount(), reason="needs the right to mount")
@pytest.mark.parametrize("least", ["0", "4M"])
async def test_on_a_disk_that_the_cache_has_filled_every_write_finds_room(
    tmp_path, own_seaweed, least
):
    """I1, I7: with and without a reserve; then there are only writes, and it says that it is full."""
    async with small_disk(tmp_path / "disk", "48m") as disk:
        settings = {
            **QUICK,
            "NOBREAK_DATA_DIR": str(disk / "data"),
            "NOBREAK_CACHE_BYTES": "1G",
            "NOBREAK_MIN_FREE_BYTES": least,
        }
        nobreak = NobreakProcess(tmp_path / "nobreak", own_seaweed, settings)
        await nobreak.start()
        try:
            client = shop(nobreak)
            await client.call("create_bucket")
            size = 1_500_000
            for n in range(40):
                await client.call("put_object", Key=f"cached {n}", Body=bytes([n]) * size)
            await asyncio.sleep(0.5)
            assert shutil.disk_usage(disk).free < 8_000_000
            before = await copies(nobreak)
            assert before > 15
            await own_seaweed.kill()
            await eventually(lambda: status_is(nobreak, mode="local"), within=20)
            for n in range(14):
                await client.call("put_object", Key=f"large {n}", Body=os.urandom(2_000_000))
                await client.call("put_object", Key=f"small {n}", Body=os.urandom(50_000))
            assert await copies(nobreak) < before - 10
            assert len(await client.read("large 13")) == 2_000_000
            with pytest.raises(ClientError):
                await fill(client)
            assert len(await client.read("large 0")) == 2_000_000
        finally:
            await nobreak.kill()
