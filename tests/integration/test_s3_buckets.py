"""Buckets of the S3 front: who sees which, page by page, in both modes (issue 3, items 2 and 5)."""

import asyncio

import pytest
from botocore.exceptions import ClientError
from tests.support.api import storage_environment
from tests.support.s3_front import running_front

from nobreak.stores.external.sigv4 import Credentials

LOGS = Credentials("logs", "logs-secret", "us-east-1")
KEYS = """
[[key]]
access_key = "logs"
secret_key = "logs-secret"
buckets = ["logs-*"]
"""


async def listed(client, **page):
    answer = await asyncio.to_thread(client.list_buckets, **page)
    return [each["Name"] for each in answer["Buckets"]], answer.get("ContinuationToken")


async def made(client, *names):
    for name in names:
        await asyncio.to_thread(client.create_bucket, Bucket=name)


async def code_of(call, **arguments):
    with pytest.raises(ClientError) as caught:
        await asyncio.to_thread(call, **arguments)
    return caught.value.response["Error"]["Code"]


@pytest.fixture(params=["external", "local"])
async def front(request, tmp_path, seaweed):
    (tmp_path / "keys.toml").write_text(KEYS)
    external = None
    if request.param == "external":
        names = (
            "EXTERNAL_STORAGE_URL",
            "EXTERNAL_STORAGE_ACCESS_KEY",
            "EXTERNAL_STORAGE_SECRET_KEY",
        )
        values = storage_environment(tmp_path, seaweed)
        external = {name: values[name] for name in names}
    keys = str(tmp_path / "keys.toml")
    async with running_front(tmp_path, external, NOBREAK_S3_KEYS_FILE=keys) as running:
        yield running


@pytest.mark.parametrize("front", ["external"], indirect=True)
async def test_a_key_with_limits_sees_only_its_buckets_page_by_page(front):
    client = front.client()
    await made(client, "logs-1", "logs-2", "logs-3", "other")
    limited = front.client(pair=LOGS)
    assert await listed(limited) == (["logs-1", "logs-2", "logs-3"], None)
    first, token = await listed(limited, MaxBuckets=2)
    assert first == ["logs-1", "logs-2"]
    assert await listed(limited, MaxBuckets=2, ContinuationToken=token) == (["logs-3"], None)
    assert await listed(limited, Prefix="logs-2") == (["logs-2"], None)
    assert await code_of(limited.list_buckets, ContinuationToken="nonsense") == "InvalidArgument"
    assert await code_of(limited.create_bucket, Bucket="mine") == "AccessDenied"
    assert {"logs-1", "other"} <= set((await listed(client))[0])
    for bucket in ("logs-1", "logs-2", "logs-3", "other"):
        await asyncio.to_thread(client.delete_bucket, Bucket=bucket)


@pytest.mark.parametrize("front", ["local"], indirect=True)
async def test_what_nobody_can_know_is_slow_down_and_what_was_made_here_is_there(front):
    """I2: the list of buckets was never read."""
    client = front.client()
    assert await code_of(client.list_buckets) == "SlowDown"
    assert await code_of(client.delete_bucket, Bucket="somewhere") == "SlowDown"
    await made(client, "mine")
    answer = await asyncio.to_thread(client.get_bucket_location, Bucket="mine")
    assert answer["LocationConstraint"] is None
    assert await code_of(client.create_bucket, Bucket="mine") == "BucketAlreadyOwnedByYou"
    assert (
        await code_of(client.create_bucket, Bucket="locked", ObjectLockEnabledForBucket=True)
        == "SlowDown"
    )
    assert (
        await code_of(
            client.create_bucket,
            Bucket="far",
            CreateBucketConfiguration={"LocationConstraint": "eu-west-1"},
        )
        == "IllegalLocationConstraintException"
    )
