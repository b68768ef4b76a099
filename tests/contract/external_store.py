"""What every driver of an external store must do: subclass both classes for each of them.

A subclass gives the fixtures `store` (a driver of a real, running server), `bucket` (one that
is there and empty) and `store_at` (makes a driver for a port of 127.0.0.1, with time-outs).
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.bodies import (
    ArrivedBody,
    ArrivingBody,
    FailingBody,
    SegmentedBody,
    UnannouncedBody,
    fingerprint_of,
)
from tests.support.faults import answers, deafness, faulty_server, reset_after, silence, truncated
from tests.support.net import eventually, free_port

from nobreak.errors import (
    BodyMismatchError,
    NotFoundError,
    OutageError,
    OutageKind,
    RangeNotSatisfiableError,
    RefusedError,
    UnsupportedError,
)
from nobreak.stores.external.base import Body, ExternalStore
from nobreak.stores.external.http import Timeouts
from nobreak.words import Attributes, ObjectName, RangeRequest, Receipt

TEXT = b"0123456789"
LARGE = bytes(range(256)) * 8192  # 2 MiB
NOTHING = Attributes()


async def read(store: ExternalStore, name: ObjectName, receipt: Receipt, range_=None) -> bytes:
    download = await store.get(name, range_=range_, receipt=receipt)
    try:
        return b"".join([chunk async for chunk in download.chunks()])
    finally:
        await download.aclose()


async def keys_after(store: ExternalStore, bucket: str, *, prefix="", limit=1000) -> list[str]:
    """All keys, page by page."""
    keys: list[str] = []
    while True:
        after = keys[-1] if keys else ""
        page = await store.list(bucket, prefix=prefix, start_after=after, limit=limit)
        keys += [item.name.key for item in page.objects]
        assert len(page.objects) <= limit
        if not page.truncated:
            return keys


FIRST = b"first" * 1024 * 1100
"""S3 takes no part but the last below 5 MiB."""


class BrokenBodyError(Exception):
    pass


class ExternalStoreContract:
    odd_keys: tuple[str, ...] = (
        "a b", "a+b", "100%", "%41", "A", "ação", "😀/👩‍👧", "q?x=1&y", "h#x", "~*'()!;:@=,$",
        "com/ponto.", "trail ", "acac\u0327a\u0303o", "k" * 200,
    )  # fmt: skip
    """Keys that the server keeps apart and gives back."""
    listed_odd_keys: tuple[str, ...] | None = None
    """Those of them that its listings show right; None: all."""

    @pytest.mark.parametrize("make_body", [ArrivedBody, ArrivingBody, UnannouncedBody])
    @pytest.mark.parametrize("content", [b"", b"x", TEXT, LARGE], ids=len)
    async def test_what_was_put_comes_back(
        self, store, bucket, make_body: Callable[[bytes], Body], content
    ):
        name = ObjectName(bucket, "folder/file.bin")
        receipt = await store.put(name, make_body(content), NOTHING)
        assert await read(store, name, receipt) == content
        info = await store.head(name, receipt=receipt)
        assert (info.name, info.size) == (name, len(content))
        assert abs(info.modified - datetime.now(UTC)) < timedelta(minutes=1)

    async def test_a_body_in_segments_comes_back_as_one_and_is_confirmed(self, store, bucket):
        """I3: by their boundaries, since nobody has the MD5 of the whole."""
        name, body = ObjectName(bucket, "parts"), SegmentedBody(FIRST, TEXT)
        receipt = await store.put(name, body, NOTHING)
        assert await read(store, name, receipt) == FIRST + TEXT
        assert await store.holds(name, body.fingerprint, receipt)
        by_bytes = Receipt(receipt.remote)
        other, same = SegmentedBody(FIRST, TEXT[::-1]), SegmentedBody(FIRST + TEXT[:1], TEXT[1:])
        assert not await store.holds(name, other.fingerprint, by_bytes)
        assert await store.holds(name, same.fingerprint, by_bytes)

    async def test_a_second_put_replaces_the_first(self, store, bucket):
        name = ObjectName(bucket, "k")
        await store.put(name, ArrivedBody(LARGE), NOTHING)
        receipt = await store.put(name, ArrivedBody(TEXT), NOTHING)
        assert await read(store, name, receipt) == TEXT

    async def test_a_download_says_what_it_is_and_may_be_closed_early_and_twice(
        self, store, bucket
    ):
        name = ObjectName(bucket, "k")
        receipt = await store.put(name, ArrivedBody(LARGE), NOTHING)
        download = await store.get(name, receipt=receipt)
        assert (download.start, download.length, download.info.size) == (
            0, len(LARGE), len(LARGE),
        )  # fmt: skip
        await download.aclose()
        await download.aclose()
        assert await read(store, name, receipt) == LARGE

    @pytest.mark.parametrize(
        ("range_", "start", "expected"),
        [
            (RangeRequest(0, 0), 0, b"0"),
            (RangeRequest(2, 4), 2, b"234"),
            (RangeRequest(7, None), 7, b"789"),
            (RangeRequest(8, 500), 8, b"89"),
            (RangeRequest(None, 3), 7, b"789"),
            (RangeRequest(None, 500), 0, TEXT),
        ],
    )
    async def test_ranges_give_the_bytes_that_were_asked_for(
        self, store, bucket, range_, start, expected
    ):
        name = ObjectName(bucket, "k")
        receipt = await store.put(name, ArrivedBody(TEXT), NOTHING)
        download = await store.get(name, range_=range_, receipt=receipt)
        assert (download.start, download.length) == (start, len(expected))
        assert download.info.size == len(TEXT)
        await download.aclose()
        assert await read(store, name, receipt, range_) == expected

    async def test_a_range_outside_of_the_object_is_not_satisfiable(self, store, bucket):
        name = ObjectName(bucket, "k")
        receipt = await store.put(name, ArrivedBody(TEXT), NOTHING)
        with pytest.raises(RangeNotSatisfiableError) as caught:
            await store.get(name, range_=RangeRequest(10, None), receipt=receipt)
        assert caught.value.size == len(TEXT)

    async def test_attributes_come_back(self, store, bucket):
        if not store.traits.keeps_attributes:
            pytest.skip("the catalog answers for them")
        given = Attributes(
            headers={
                "cache-control": "no-cache",
                "content-disposition": 'attachment; filename="ação.txt"',
                "content-encoding": "gzip",
                "content-language": "pt-BR",
                "content-type": "text/x-odd; charset=utf-8",
                "expires": "Thu, 01 Dec 2033 16:00:00 GMT",
            },
            metadata={
                "plain": "a value",
                "accents": "ação 😀",
                "looks-encoded": "=?UTF-8?B?YQ==?=",
                "spaces": "  two  inside  ",
                "inner": "two  inside",
                "lines": "a\r\nx-amz-evil: 1",
            },
        )
        name = ObjectName(bucket, "k")
        receipt = await store.put(name, ArrivedBody(TEXT), given)
        assert (await store.head(name, receipt=receipt)).attributes == given
        download = await store.get(name, receipt=receipt)
        await download.aclose()
        assert download.info.attributes == given
        assert await read(store, name, receipt) == TEXT

    async def test_what_is_missing_is_not_found(self, store, bucket):
        """I2"""
        name = ObjectName(bucket, "missing")
        gone = Receipt(remote="missing.bin" if store.traits.chooses_names else "")
        with pytest.raises(NotFoundError):
            await store.get(name, receipt=gone)
        with pytest.raises(NotFoundError):
            await store.head(name, receipt=gone)
        assert not await store.holds(name, fingerprint_of(b"x"), gone)

    async def test_a_deleted_object_is_gone_and_deleting_again_succeeds(self, store, bucket):
        name = ObjectName(bucket, "dir/k")
        receipt = await store.put(name, ArrivedBody(TEXT), NOTHING)
        await store.delete(name, receipt=receipt)
        await store.delete(name, receipt=receipt)
        with pytest.raises(NotFoundError):
            await store.head(name, receipt=receipt)

    async def test_odd_keys_are_kept_apart(self, store, bucket):
        names = [ObjectName(bucket, key) for key in self.odd_keys]
        receipts = {
            name: await store.put(name, ArrivedBody(name.key.encode()), NOTHING) for name in names
        }
        for name in names:
            assert await read(store, name, receipts[name]) == name.key.encode()
        if store.traits.lists:
            listed = self.odd_keys if self.listed_odd_keys is None else self.listed_odd_keys
            assert await keys_after(store, bucket) == sorted(listed, key=str.encode)

    async def test_lists_are_in_order_complete_and_paged(self, store, bucket):
        """I2: a page in another order would hide keys from whoever merges it."""
        if not store.traits.lists:
            with pytest.raises(UnsupportedError):
                await store.list(bucket, prefix="", start_after="", limit=10)
            return
        keys = ["a/1", "a/2", "a-b", "a.b", "a0", "a/c/d", "a/c-d", "b", "ab", "c/x", "é", "a b"]
        for key in keys:
            await store.put(ObjectName(bucket, key), ArrivedBody(TEXT), NOTHING)
        expected = sorted(keys, key=str.encode)
        for limit in (1, 3, 1000):
            assert await keys_after(store, bucket, limit=limit) == expected
        in_a = [key for key in expected if key.startswith("a/")]
        assert await keys_after(store, bucket, prefix="a/", limit=2) == in_a
        page = await store.list(bucket, prefix="", start_after="a/1", limit=1)
        assert page.truncated
        (info,) = page.objects
        assert (info.name, info.size) == (ObjectName(bucket, "a/2"), len(TEXT))

    async def test_holds_is_true_of_these_bytes_only(self, store, bucket):
        """I3"""
        name = ObjectName(bucket, "k")
        receipt = await store.put(name, ArrivingBody(LARGE), NOTHING)
        assert await store.holds(name, fingerprint_of(LARGE), receipt)
        assert not await store.holds(name, fingerprint_of(LARGE[:-1] + b"x"), receipt)
        assert not await store.holds(name, fingerprint_of(LARGE[:-1]), receipt)

    @pytest.mark.parametrize("error", [BrokenBodyError(), OSError(5, "EIO"), TimeoutError()])
    async def test_a_body_that_fails_midway_comes_out_as_it_is_and_leaves_nothing(
        self, store, bucket, error
    ):
        name = ObjectName(bucket, "k")
        body = FailingBody(LARGE, after=len(LARGE) // 2, error=error)
        with pytest.raises(type(error)) as caught:
            await store.put(name, body, NOTHING)
        assert caught.value is error
        await asyncio.sleep(0.2)  # were it to appear, it would need a moment
        if not store.traits.chooses_names:
            with pytest.raises(NotFoundError):
                await store.head(name, receipt=Receipt())

    async def test_a_body_that_fails_midway_leaves_the_older_version_alone(self, store, bucket):
        name = ObjectName(bucket, "k")
        receipt = await store.put(name, ArrivedBody(TEXT), NOTHING)
        body = FailingBody(LARGE, after=len(LARGE) // 2, error=BrokenBodyError())
        with pytest.raises(BrokenBodyError):
            await store.put(name, body, NOTHING)
        assert await read(store, name, receipt) == TEXT

    @pytest.mark.parametrize("announced", [len(LARGE) - 5, len(LARGE) + 5])
    async def test_a_body_not_as_long_as_announced_is_refused_and_leaves_nothing(
        self, store, bucket, announced
    ):
        name = ObjectName(bucket, "k")
        body = ArrivedBody(LARGE)
        body.size = announced
        with pytest.raises(BodyMismatchError):
            await store.put(name, body, NOTHING)
        if not store.traits.chooses_names:
            with pytest.raises(NotFoundError):
                await store.head(name, receipt=Receipt())

    async def test_many_operations_at_once_do_not_disturb_each_other(self, store, bucket):
        async def one(number: int) -> None:
            name = ObjectName(bucket, f"many/{number}")
            content = str(number).encode() * 1000
            receipt = await store.put(name, ArrivedBody(content), NOTHING)
            assert await read(store, name, receipt) == content

        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(one(number))


NAME = ObjectName("bucket", "k")
QUICK = Timeouts(connect=0.5, silence=0.5)


class ExternalStoreOutageContract:
    """How faults come out (I5, I8). The servers here fail on purpose."""

    remote = Receipt(remote="k")

    async def put(self, store: ExternalStore, content: bytes = LARGE) -> None:
        await store.put(NAME, ArrivedBody(content), NOTHING)

    async def test_a_refused_port_is_a_connection_failure_and_leaves_no_doubt(self, store_at):
        store = store_at(free_port(), QUICK)
        with pytest.raises(OutageError) as caught:
            await self.put(store)
        assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.CONNECTION, False)

    @pytest.mark.parametrize("how", [silence, deafness], ids=["silent", "deaf"])
    @pytest.mark.parametrize("content", [TEXT, LARGE * 8], ids=["small", "large"])
    async def test_a_server_that_never_answers_is_a_timeout_in_time(self, store_at, how, content):
        """I5"""
        async with faulty_server(how) as server:
            store = store_at(server.port, QUICK)
            began = time.monotonic()
            with pytest.raises(OutageError) as caught:
                await self.put(store, content)
            assert time.monotonic() - began < 2.0
            assert caught.value.kind is OutageKind.TIMEOUT
            assert caught.value.in_doubt
            with pytest.raises(OutageError) as caught:
                await store.get(NAME, receipt=self.remote)
            assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.TIMEOUT, False)

    async def test_a_body_that_arrives_slowly_is_nobodys_silence(self, store_at):
        async with faulty_server(answers("200 OK", read_body=True)) as server:
            store = store_at(server.port, Timeouts(connect=0.5, silence=0.4))
            body = ArrivingBody(bytes(64 * 1024), pause=0.8)
            with pytest.raises(asyncio.TimeoutError):
                async with asyncio.timeout(0.7):
                    await store.put(NAME, body, NOTHING)

    async def test_a_reset_in_the_middle_of_the_body_is_broken_and_in_doubt(self, store_at):
        async with faulty_server(reset_after(100_000)) as server:
            with pytest.raises(OutageError) as caught:
                await self.put(store_at(server.port, QUICK), LARGE * 8)
            assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, True)

    @pytest.mark.parametrize("read_body", [False, True])
    async def test_a_503_is_an_outage(self, store_at, read_body):
        """I8"""
        async with faulty_server(answers("503 Slow Down", read_body=read_body)) as server:
            with pytest.raises(OutageError) as caught:
                await self.put(store_at(server.port, QUICK))
            assert (caught.value.kind, caught.value.status) == (OutageKind.STATUS, 503)

    @pytest.mark.parametrize("read_body", [False, True])
    @pytest.mark.parametrize("status", ["403 Forbidden", "413 Too Large", "501 Not Implemented"])
    async def test_other_refusals_are_no_outage(self, store_at, status, read_body):
        """I8"""
        async with faulty_server(answers(status, read_body=read_body)) as server:
            with pytest.raises(RefusedError) as caught:
                await self.put(store_at(server.port, QUICK))
            assert caught.value.status == int(status[:3])

    async def test_an_answer_that_ends_early_is_never_taken_for_the_whole(self, store_at):
        """I2"""
        async with faulty_server(truncated(b"half", announced=10)) as server:
            store = store_at(server.port, QUICK)
            download = await store.get(NAME, receipt=self.remote)
            with pytest.raises(OutageError) as caught:
                async for _ in download.chunks():
                    pass
            assert caught.value.kind is OutageKind.BROKEN
            await download.aclose()

    async def test_a_cancelled_put_closes_its_connection_at_once(self, store_at):
        """I4: an attempt that was given up must not go on sending."""
        async with faulty_server(silence) as server:
            task = asyncio.create_task(
                self.put(store_at(server.port, Timeouts(connect=5.0, silence=60.0)))
            )
            await eventually(lambda: server.open_connections == 1)
            await asyncio.sleep(0.1)
            task.cancel()
            began = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - began < 0.2
            await eventually(lambda: server.open_connections == 0, within=1.0)
