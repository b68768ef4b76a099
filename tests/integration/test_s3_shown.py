"""Many objects at one look: what the lists of a real SeaweedFS show, and how much is read for it."""

import asyncio
import hashlib

import pytest
from tests.support.bodies import ArrivedBody

from nobreak.stores.external.s3_listing import S3Lister
from nobreak.stores.external.s3_shown import LEAST, PAGES, shown
from nobreak.stores.external.s3_xml import ListedObject, ListPage
from nobreak.words import Attributes, ObjectName


def expected_of(contents: dict[ObjectName, bytes]) -> dict[ObjectName, tuple[int, frozenset[str]]]:
    return {
        name: (len(content), frozenset({hashlib.md5(content).hexdigest()}))
        for name, content in contents.items()
    }


async def put_all(store, contents: dict[ObjectName, bytes]) -> None:
    for name, content in contents.items():
        await store.put(name, ArrivedBody(content), Attributes())


@pytest.fixture
def contents(bucket) -> dict[ObjectName, bytes]:
    """Objects at the root, in a folder, and in folders between its objects."""
    keys = [str(n) for n in range(LEAST)]
    keys += [f"d/{n}" for n in range(30)]
    keys += [f"d/ação {n}%+&" for n in range(3)]
    keys += [f"d/1{n}-below/{m}" for n in range(3) for m in range(LEAST)]
    return {ObjectName(bucket, key): key.encode() for key in keys}


async def test_lists_show_all_that_is_there_folder_by_folder(s3_store, contents):
    await put_all(s3_store, contents)
    assert await s3_store.shown(expected_of(contents)) == set(contents)


async def test_what_is_missing_or_other_than_expected_is_not_shown(s3_store, bucket, contents):
    """I3."""
    odd = {
        "missing": ObjectName(bucket, "d/3"),
        "other bytes": ObjectName(bucket, "d/5"),
        "other size": ObjectName(bucket, "d/7"),
    }
    there = {name: content for name, content in contents.items() if name != odd["missing"]}
    await put_all(s3_store, there | {odd["other bytes"]: b"o/5"})
    expected = expected_of(contents)
    size, etags = expected[odd["other size"]]
    expected[odd["other size"]] = size + 1, etags
    assert await s3_store.shown(expected) == set(contents) - set(odd.values())


async def test_an_object_of_another_bucket_or_folder_is_no_proof(s3_store, bucket, contents):
    """I3: names are compared whole."""
    await put_all(s3_store, contents)
    elsewhere = {ObjectName(bucket, f"e/{n}"): b"0" for n in range(LEAST)}
    assert await s3_store.shown(expected_of(elsewhere)) == set()


class Pages(S3Lister):
    """Lists a folder of so many objects, and counts what is asked for."""

    def __init__(self, count: int) -> None:
        self.asked: list[tuple[str, int]] = []
        self._keys = [f"f/{n:06}" for n in range(count)]

    async def folder(self, bucket, folder, start_after, token, limit) -> ListPage:
        self.asked.append((token or start_after, limit))
        await asyncio.sleep(0)
        after = token or start_after
        keys = [key for key in self._keys if key > after and key.startswith(folder)]
        items = tuple(ListedObject(key, 1, "etag", "") for key in keys[:limit])
        more = len(keys) > limit
        return ListPage(items, more, items[-1].key if more else "")


def wanted(*numbers: int) -> dict[ObjectName, tuple[int, frozenset[str]]]:
    return {ObjectName("b", f"f/{n:06}"): (1, frozenset({"etag"})) for n in numbers}


async def test_a_few_of_a_folder_are_not_worth_a_list():
    lister = Pages(1000)
    assert await shown(lister, wanted(*range(LEAST - 1))) == set()
    assert lister.asked == []


async def test_those_that_lie_together_need_one_small_page_wherever_they_lie():
    lister = Pages(10_000)
    names = wanted(*range(7003, 7103))
    assert await shown(lister, names) == set(names)
    assert lister.asked == [("f/00700", 200)]


async def test_those_that_lie_far_apart_cost_no_more_than_some_pages():
    lister = Pages(10_000)
    names = wanted(*range(0, 10_000, 500))
    found = await shown(lister, names)
    assert len(lister.asked) == PAGES
    assert {name.key for name in found} == {"f/000000"}
