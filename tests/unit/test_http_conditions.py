"""Ranges as headers ask for them (RFC 9110, 14.1.2)."""

import pytest

from nobreak.faces.http_conditions import range_of
from nobreak.words import RangeRequest


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", RangeRequest(0, 9)),
        ("bytes=5-", RangeRequest(5, None)),
        ("bytes=-7", RangeRequest(None, 7)),
        ("bytes= 1-2 ", RangeRequest(1, 2)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=2-1", None),
        ("bytes=0-1,3-4", None),
        ("items=0-1", None),
        ("bytes=١-٢", None),
        (f"bytes=0-{'9' * 5000}", None),
    ],
)
def test_one_range_is_understood_and_all_else_means_the_whole(header, expected):
    assert range_of(header) == expected
