"""engine.lesson: what a passed-on read teaches, and what it must not (I2)."""

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

    def follows(self, _bucket):
        return self.followed

    def learn_soon(self, seen, info):
        assert seen is KNOWN[0]
        self.learnt.append(info.attributes)

    def distrust_soon(self, name):
        self.distrusted.append(name)


def take(
    status, headers, *, method="GET", query=(), known=KNOWN, index=None, doubts=(), newest=None
):
    index = index or Recorder()
    context = SimpleNamespace(
        index=index,
        catalog=SimpleNamespace(get=lambda _: known),
        journal=SimpleNamespace(newest=lambda _: newest),
        doubts=doubts,
        cache=SimpleNamespace(relied_on=False, follow=lambda *_: None),
        external=SimpleNamespace(
            traits=SimpleNamespace(keeps_attributes=True, etags_of_bytes=True)
        ),
    )
    Lesson(context, NAME, method, query).take(status, headers)
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


def test_an_answer_without_a_size_teaches_nothing():
    index = take(200, {"ETag": '"other"'})
    assert (index.learnt, index.distrusted) == ([], [])
