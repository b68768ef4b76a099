"""Conditional requests and ranges as S3 answers them (RFC 9110, 13.2.2)."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.errors import RangeNotSatisfiableError
from nobreak.faces.s3.conditions import (
    check_copy_source,
    copy_source_range,
    is_not_modified,
    precondition,
    resolved_range,
    wanted_range,
)
from nobreak.faces.s3.request import S3Error
from nobreak.words import ByteRange, ObjectInfo, ObjectName, RangeRequest, Verdict

MODIFIED = datetime(2025, 10, 31, 14, 35, 53, 900_000, tzinfo=UTC)
INFO = ObjectInfo(ObjectName("b", "k"), 10, "new", MODIFIED)
EMPTY = ObjectInfo(ObjectName("b", "k"), 0, "new", MODIFIED)


def date(seconds):
    return format_datetime(MODIFIED + timedelta(seconds=seconds), usegmt=True)


SAME, EARLIER, LATER = date(0), date(-1), date(1)
READS = [
    ({}, 200),
    ({"if-match": '"new"'}, 200),
    ({"if-match": "new"}, 200),
    ({"if-match": "*"}, 200),
    ({"if-match": '"old", "new"'}, 200),
    ({"if-match": "old, new"}, 200),
    ({"if-match": '"old"'}, 412),
    ({"if-match": 'W/"new"'}, 412),
    ({"if-match": '"given"'}, 200),
    ({"if-none-match": '"given"'}, 304),
    ({"if-none-match": '"new"'}, 304),
    ({"if-none-match": "new"}, 304),
    ({"if-none-match": 'W/"new"'}, 304),
    ({"if-none-match": "*"}, 304),
    ({"if-none-match": '"old"'}, 200),
    ({"if-modified-since": SAME}, 304),
    ({"if-modified-since": LATER}, 304),
    ({"if-modified-since": EARLIER}, 200),
    ({"if-modified-since": "nonsense"}, 200),
    ({"if-unmodified-since": SAME}, 200),
    ({"if-unmodified-since": LATER}, 200),
    ({"if-unmodified-since": EARLIER}, 412),
    ({"if-unmodified-since": "nonsense"}, 200),
    ({"if-match": "new", "if-unmodified-since": EARLIER}, 200),
    ({"if-match": "old", "if-unmodified-since": LATER}, 412),
    ({"if-none-match": "new", "if-modified-since": EARLIER}, 304),
    ({"if-none-match": "old", "if-modified-since": LATER}, 200),
    ({"if-match": "old", "if-none-match": "new"}, 412),
    ({"if-match": "new", "if-none-match": "new"}, 304),
    ({"if-unmodified-since": EARLIER, "if-modified-since": LATER}, 412),
]


@pytest.mark.parametrize(("headers", "status"), READS)
def test_reads_are_answered_by_their_conditions(headers, status):
    if status == 412:
        with pytest.raises(S3Error) as caught:
            is_not_modified(headers, INFO, also=["given"])
        assert caught.value.code == "PreconditionFailed"
        assert caught.value.extra["Condition"].lower() in headers
    else:
        assert is_not_modified(headers, INFO, also=["given"]) is (status == 304)


@pytest.mark.parametrize(("headers", "status"), READS)
def test_a_copy_is_made_only_if_all_of_its_conditions_hold(headers, status):
    named = {"x-amz-copy-source-" + name: value for name, value in headers.items()}
    named["if-match"] = "of-the-target"
    if status == 200:
        check_copy_source(named, INFO, also=["given"])
    else:
        with pytest.raises(S3Error) as caught:
            check_copy_source(named, INFO, also=["given"])
        assert caught.value.code == "PreconditionFailed"


HOLDS, FAILS, NO_OBJECT = Verdict.HOLDS, Verdict.FAILS, Verdict.NO_OBJECT


@pytest.mark.parametrize(
    ("headers", "existing", "absent"),
    [
        ({"if-none-match": "*"}, FAILS, HOLDS),
        ({"if-match": '"new"'}, HOLDS, NO_OBJECT),
        ({"if-match": "new"}, HOLDS, NO_OBJECT),
        ({"if-match": '"old", "new"'}, HOLDS, NO_OBJECT),
        ({"if-match": "given"}, HOLDS, NO_OBJECT),
        ({"if-match": "*"}, HOLDS, NO_OBJECT),
        ({"if-match": '"old"'}, FAILS, NO_OBJECT),
        ({"if-match": '""'}, FAILS, NO_OBJECT),
        ({"if-match": 'W/"new"'}, FAILS, NO_OBJECT),
        ({"if-match": "new", "if-none-match": "*"}, FAILS, NO_OBJECT),
    ],
)
def test_writes_are_made_only_if_their_conditions_hold(headers, existing, absent):
    found = precondition(headers)
    assert found is not None
    assert found.verdict({"new", "given", ""}) is existing
    assert found.verdict(None) is absent


def test_a_write_without_conditions_depends_on_nothing():
    assert precondition({"if-modified-since": SAME}) is None


def test_only_any_object_at_all_can_be_in_the_way_of_a_write():
    with pytest.raises(S3Error) as caught:
        precondition({"if-none-match": '"new"'})
    assert caught.value.code == "NotImplemented"


def test_an_object_without_an_etag_matches_none():
    nameless = ObjectInfo(ObjectName("b", "k"), 1, "", MODIFIED)
    assert not is_not_modified({"if-none-match": '""'}, nameless)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, ByteRange(0, 10)),
        ("bytes=0-0", ByteRange(0, 1)),
        ("bytes=2-", ByteRange(2, 10)),
        ("bytes=-3", ByteRange(7, 10)),
        ("bytes=-30", ByteRange(0, 10)),
        ("bytes=5-99", ByteRange(5, 10)),
        ("bytes=0-1,3-4", ByteRange(0, 10)),
        ("bytes=5-2", ByteRange(0, 10)),
        ("lines=1-2", ByteRange(0, 10)),
        ("bytes=10-", None),
        ("bytes=-0", None),
    ],
)
def test_one_range_is_given_and_all_for_several_or_nonsense(header, part):
    headers = {} if header is None else {"range": header}
    asked = wanted_range(headers, INFO)
    if part is None:
        with pytest.raises(RangeNotSatisfiableError):
            resolved_range(asked, INFO)
    else:
        assert resolved_range(asked, INFO) == part


def test_an_empty_object_has_no_ranges():
    assert resolved_range(None, EMPTY) == ByteRange(0, 0)
    for asked in (RangeRequest(0, None), RangeRequest(None, 5)):
        with pytest.raises(RangeNotSatisfiableError):
            resolved_range(asked, EMPTY)


@pytest.mark.parametrize(("condition", "given"), [('"new"', True), ('"old"', False), (SAME, True)])
def test_a_range_is_given_only_of_the_version_that_it_is_meant_for(condition, given):
    headers = {"range": "bytes=0-0", "if-range": condition}
    assert (wanted_range(headers, INFO) is not None) is given


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, ByteRange(0, 10)),
        ("bytes=0-9", ByteRange(0, 10)),
        ("bytes=3-3", ByteRange(3, 4)),
        ("bytes=0-10", "InvalidRange"),
        ("bytes=5-", "InvalidArgument"),
        ("bytes=-5", "InvalidArgument"),
        ("bytes=5-4", "InvalidArgument"),
        ("bytes=0-1,2-3", "InvalidArgument"),
    ],
)
def test_a_part_is_copied_from_a_whole_range(header, expected):
    headers = {} if header is None else {"x-amz-copy-source-range": header}
    if isinstance(expected, ByteRange):
        assert copy_source_range(headers, INFO) == expected
    else:
        with pytest.raises(S3Error) as caught:
            copy_source_range(headers, INFO)
        assert caught.value.code == expected


@given(st.text(), st.text(), st.text())
def test_any_text_is_a_condition_that_is_understood_or_ignored(tag, time, extent):
    names = ("if-match", "if-none-match"), ("if-modified-since", "if-unmodified-since")
    for etag, since in product(*names):
        headers = {etag: tag, since: time, "range": extent, "if-range": tag}
        for prefix, check in (("", is_not_modified), ("x-amz-copy-source-", check_copy_source)):
            try:
                check({prefix + name: value for name, value in headers.items()}, INFO)
            except S3Error:
                continue
        wanted_range(headers, INFO)
