"""engine.lesson: what a passed-on read teaches, and what it must not (I2)."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from nobreak.engine.lesson import Lesson
from nobreak.words import Attributes, ObjectInfo, ObjectName, Receipt

NAME = ObjectName("b", "k")
KNOWN = (ObjectInfo(NAME, 10, "e", datetime(2026, 1, 2, tzinfo=UTC)), Receipt(etag="e"))
HEADERS = {"ETag": '"e"', "Content-Length": "10", "Content-Type": "text/plain"}
PART = {**HEADERS, "Content-Length": "2", "Content-Range": "bytes 0-1/10"}
CHECKSUM = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-storage-class": "GLACIER"}


class Recorder:
    """An index that notes what it is told."""

    def __init__(self, followed=True):
        self.followed = followed
        self.learnt = []
        self.distrusted = []
        self.outdated = []

    def follows(self, _bucket):
        return self.followed

    def learn_soon(self, seen, info):
        assert seen is KNOWN[0]
        self.learnt.append(info.attributes)

    def distrust_soon(self, name):
        self.distrusted.append(name)

    async def outdate(self, seen):
        self.outdated.append(seen)


class Followed:
    """A cache that notes what it is asked to take in."""

    moment = 7

    def __init__(self, *, relied_on):
        self.relied_on = relied_on
        self.followed = []

    def follow(self, version, md5):
        self.followed.append((version, md5))


def take(
    status,
    headers,
    *,
    method="GET",
    query=(),
    known=KNOWN,
    index=None,
    doubts=(),
    newest=None,
    cache=None,
):
    index = index or Recorder()
    context = SimpleNamespace(
        index=index,
        catalog=SimpleNamespace(get=lambda _: known),
        journal=SimpleNamespace(newest=lambda _: newest),
        doubts=doubts,
        cache=cache or Followed(relied_on=False),
        external=SimpleNamespace(
            traits=SimpleNamespace(keeps_attributes=True, etags_of_bytes=True)
        ),
    )
    asyncio.run(Lesson(context, NAME, method, query).take(status, headers))
    return index


def test_an_answer_teaches_all_that_a_head_says():
    (learnt,) = take(200, {**HEADERS, **CHECKSUM}).learnt
    assert learnt == Attributes({"content-type": "text/plain"}, {}, CHECKSUM)


def test_a_part_teaches_all_but_its_checksum():
    (learnt,) = take(206, {**PART, **CHECKSUM}).learnt
    assert learnt.s3 == {"x-amz-storage-class": "GLACIER"}


@pytest.mark.parametrize(
    "unsaid", ["x-amz-tagging-count", "X-Amz-Server-Side-Encryption-Customer-Algorithm"]
)
def test_what_leaves_something_unsaid_does_not_teach(unsaid):
    index = take(200, {**HEADERS, unsaid: "1"})
    assert (index.learnt, index.distrusted) == ([], [])


@pytest.mark.parametrize("name", ["versionId", "partNumber", "response-content-type"])
def test_a_read_of_something_else_does_not_teach(name):
    index = take(200, {**HEADERS, "ETag": '"other"'}, query=[(name, "1")])
    assert (index.learnt, index.distrusted) == ([], [])


@pytest.mark.parametrize("status", [304, 403, 412, 416, 500])
def test_no_object_no_lesson(status):
    index = take(status, {})
    assert (index.learnt, index.distrusted) == ([], [])


@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {**HEADERS, "ETag": '"other"'}), (200, {**HEADERS, "Content-Length": "9"}), (404, {})],
)
def test_another_version_than_the_row_says_makes_it_unsure(status, headers):
    assert take(status, headers).distrusted == [NAME]
    for explained in ({"doubts": {NAME}}, {"newest": "an entry"}):
        assert take(status, headers, **explained).distrusted == []


def test_an_object_that_has_no_row_makes_its_key_unsure_and_none_does_not():
    assert take(200, HEADERS, known=None).distrusted == [NAME]
    assert take(404, {}, known=None).distrusted == []


def test_where_nobody_indexed_nothing_is_looked_up_or_told():
    index = take(404, {}, index=Recorder(followed=False))
    assert (index.learnt, index.distrusted) == ([], [])


WHOLE = (replace(KNOWN[0], whole=True), KNOWN[1])


@pytest.mark.parametrize("followed", [True, False])
@pytest.mark.parametrize(
    ("status", "headers"),
    [(200, {**HEADERS, "ETag": '"other"'}), (206, {**PART, "ETag": '"other"'}), (404, {})],
)
@pytest.mark.parametrize("explained", [{}, {"doubts": {NAME}}, {"newest": "an entry"}])
def test_whoever_is_shown_another_version_never_gets_a_copy_of_the_old_one(
    followed, status, headers, explained
):
    """I2: also while a write of ours is under way, which may come to nothing."""
    for relied_on in (True, False):
        index = Recorder(followed)
        cache = Followed(relied_on=relied_on)
        take(status, headers, known=WHOLE, index=index, cache=cache, **explained)
        assert index.outdated == ([WHOLE[0]] if relied_on else [])
        assert cache.followed == []


def test_the_same_version_outdates_nothing_and_is_taken_along():
    cache = Followed(relied_on=True)
    index = take(200, HEADERS, known=WHOLE, index=Recorder(followed=False), cache=cache)
    assert index.outdated == []
    (((name, mark, size, since), md5),) = cache.followed
    assert (name, mark, size, since, md5) == (NAME, "e", 10, 7, None)


@pytest.mark.parametrize(
    ("status", "headers", "method"),
    [
        (200, HEADERS, "HEAD"),
        (206, PART, "GET"),
        (200, {**HEADERS, "X-Amz-Server-Side-Encryption-Customer-Algorithm": "AES256"}, "GET"),
    ],
)
def test_what_is_not_all_of_it_or_a_secret_is_not_taken_along(status, headers, method):
    """What was encrypted with the customer's own key never comes to this disk."""
    cache = Followed(relied_on=True)
    take(status, headers, method=method, known=WHOLE, cache=cache)
    assert cache.followed == []


def test_an_answer_without_a_size_teaches_nothing():
    index = take(200, {"ETag": '"other"'})
    assert (index.learnt, index.distrusted) == ([], [])
