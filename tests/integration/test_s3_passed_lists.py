"""Lists that pass through while the journal can add nothing to them, and go on in any mode (I2)."""

import asyncio
import secrets
from functools import partial

import pytest
from botocore.exceptions import ClientError
from tests.support.s3_front import running_front
from tests.support.s3_lister import KEYS, server_in_byte_order

from nobreak.words import Override

IN_ORDER_OF_PATHS = ["a/1", "a/2", "a-1", "b", "c"]


def settings_of(endpoint, access="key", secret="secret"):
    return {
        "EXTERNAL_STORAGE_URL": f"s3+{endpoint}",
        "EXTERNAL_STORAGE_ACCESS_KEY": access,
        "EXTERNAL_STORAGE_SECRET_KEY": secret,
    }


def _with_argument(argument, request, **_):
    request.url += f"&{argument}"


class Pages:
    """A listing of the bucket, page by page."""

    def __init__(self, client, bucket, size=2, **arguments):
        self._client, self._token = client, None
        self._arguments = {"Bucket": bucket, "MaxKeys": size, **arguments}
        self.keys = []
        self.last = {}

    async def next(self):
        more = {"ContinuationToken": self._token} if self._token else {}
        call = self._client.list_objects_v2
        self.last = await asyncio.to_thread(call, **self._arguments, **more)
        if self._token:
            assert self.last["ContinuationToken"] == self._token
        self._token = self.last.get("NextContinuationToken")
        self.keys += [each["Key"] for each in self.last.get("Contents", [])]
        return self.last["IsTruncated"]

    async def rest(self):
        while await self.next():
            pass
        return self.keys


async def test_a_list_passes_through_and_goes_on_in_an_outage_and_after_it(tmp_path):
    asked = []
    async with (
        server_in_byte_order(asked) as endpoint,
        running_front(tmp_path, settings_of(endpoint)) as front,
    ):
        client, choose = front.client(), front.nobreak.choose
        await front.nobreak.indexing.scan("b")
        through, across = Pages(client, "b"), Pages(client, "b")
        assert await through.rest() == KEYS
        assert through.last["Contents"][0]["StorageClass"] == "GLACIER", "as the server gave it"
        assert asked[-1].query["continuation-token"] == "theirs:b"
        assert await across.next()
        await choose(Override.LOCAL, "test")
        await asyncio.to_thread(client.put_object, Bucket="b", Key="aa", Body=b"x")
        assert await across.next()
        assert across.keys == ["a-1", "a/1", "a/2", "aa"]
        begun_here = Pages(client, "b")
        assert await begun_here.next()
        asked.clear()
        await choose(Override.EXTERNAL, "test")
        assert await begun_here.rest() == sorted([*KEYS, "aa"])
        assert await across.rest() == ["a-1", "a/1", "a/2", "aa", "b", "c"]
        marked = await asyncio.to_thread(client.list_objects, Bucket="b", Marker="a/2")
        assert {"b", "c"} <= {each["Key"] for each in marked["Contents"]}


async def test_what_the_journal_holds_is_in_the_list_at_once(tmp_path):
    asked = []
    async with (
        server_in_byte_order(asked) as endpoint,
        running_front(tmp_path, settings_of(endpoint), NOBREAK_WRITE_POLICY="back") as front,
    ):
        client = front.client()  # what this server says to a PUT confirms nothing
        await asyncio.to_thread(client.put_object, Bucket="b", Key="a/1", Body=b"pending")
        await asyncio.to_thread(client.delete_object, Bucket="b", Key="a/2")
        pages = Pages(client, "b", 1000)
        assert await pages.rest() == ["a-1", "a/1", "b", "c"]
        assert [each["Size"] for each in pages.last["Contents"]] == [1, 7, 1, 1]
        for method in (client.list_object_versions, client.list_objects_v2):
            calls = {"Bucket": "b"}
            if method == client.list_objects_v2:  # an argument that nobody here knows
                add = partial(_with_argument, "metadata=true")
                client.meta.events.register("before-sign.s3.ListObjectsV2", add)
            with pytest.raises(ClientError, match="SlowDown"):
                await asyncio.to_thread(method, **calls)
            await asyncio.to_thread(method, **calls, Prefix="c")
        client.meta.events.unregister("before-sign.s3.ListObjectsV2", add)
        await asyncio.to_thread(client.get_bucket_versioning, Bucket="b")
        elsewhere = Pages(client, "b", 1000, Prefix="c")
        await elsewhere.rest()
        assert elsewhere.last["Contents"][0]["StorageClass"] == "GLACIER"


async def test_a_server_with_an_order_of_its_own_goes_on_in_it_or_waits(tmp_path, seaweed):
    """I2: from its last key in another order, objects would be missing."""
    bucket = f"order-{secrets.token_hex(4)}"
    external = settings_of(seaweed.endpoint, seaweed.access_key, seaweed.secret_key)
    async with running_front(tmp_path, external) as front:
        client, choose = front.client(), front.nobreak.choose
        await asyncio.to_thread(client.create_bucket, Bucket=bucket)
        for key in KEYS:
            await asyncio.to_thread(client.put_object, Bucket=bucket, Key=key, Body=b"x")
        await front.nobreak.indexing.scan(bucket)
        assert await Pages(client, bucket).rest() == IN_ORDER_OF_PATHS
        first = await asyncio.to_thread(client.list_objects, Bucket=bucket, MaxKeys=2)
        assert [each["Key"] for each in first["Contents"]] == KEYS[:2], "a marker has no order"
        folded = Pages(client, bucket, 1, Delimiter="/")
        await folded.next()
        assert folded.last["CommonPrefixes"] == [{"Prefix": "a/"}]
        across = Pages(client, bucket)
        await across.next()
        await choose(Override.LOCAL, "test")
        with pytest.raises(ClientError, match="SlowDown"):
            await across.next()
        assert await Pages(client, bucket).rest() == KEYS, "one that begins now is whole"
        await choose(Override.EXTERNAL, "test")
        assert await across.rest() == IN_ORDER_OF_PATHS
        assert await folded.rest() == ["a-1", "b", "c"]
