"""Attributes as S3 headers, there and back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.errors import InvalidRequestError
from nobreak.stores.external.s3_headers import attributes_of, extent_of, headers_of
from nobreak.words import Attributes, ByteRange

names = st.from_regex(r"[a-z0-9_.-]{1,20}", fullmatch=True)
values = st.text(st.characters(codec="utf-8"))


@given(st.dictionaries(names, values))
def test_metadata_of_any_text_comes_back_and_travels_as_plain_ascii(metadata):
    headers = headers_of(Attributes(metadata=metadata))
    assert all(re.fullmatch(r"[\x20-\x7e]*", value) for value in headers.values())
    assert all(value == value.strip() for value in headers.values())
    assert attributes_of(headers) == Attributes(metadata=metadata)


def test_plain_metadata_stays_readable_for_others():
    assert headers_of(Attributes(metadata={"a": "b c"})) == {"x-amz-meta-a": "b c"}


@pytest.mark.parametrize("value", ["=?UTF-8?Q?a=C3=A7=C3=A3o?=", "=?utf-8?b?YcOnw6Nv?="])
def test_what_aws_encoded_is_decoded(value):
    assert attributes_of({"X-Amz-Meta-A": value}).metadata == {"a": "ação"}


@pytest.mark.parametrize("value", ["=?", "=?none?B?YQ==?=", "=?x?="])
def test_what_only_looks_encoded_stays_as_it_is(value):
    assert attributes_of({"x-amz-meta-a": value}).metadata == {"a": value}


@pytest.mark.parametrize(
    "attributes",
    [
        Attributes(headers={"content-type": "a\r\nx-evil: 1"}),
        Attributes(headers={"x-amz-acl": "public-read"}),
        Attributes(metadata={"a b": "1"}),
        Attributes(metadata={"a:b\r\n": "1"}),
        Attributes(metadata={"": "1"}),
    ],
)
def test_what_can_not_be_a_header_is_refused(attributes):
    with pytest.raises(InvalidRequestError):
        headers_of(attributes)


def test_the_extent_of_an_answer_is_told_by_its_headers():
    assert extent_of({"Content-Length": "5"}) == (ByteRange(0, 5), 5)
    assert extent_of({"Content-Range": "bytes 2-4/10"}) == (ByteRange(2, 5), 10)
    for headers in ({}, {"Content-Length": "many"}):
        with pytest.raises(ValueError, match="int"):
            extent_of(headers)
