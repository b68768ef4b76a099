"""Headers of requests and answers, and what is kept of an object."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.s3_oracle import parsed

from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.object_headers import (
    attributes_of,
    copied_attributes,
    overrides,
    response_headers,
    version_headers,
)
from nobreak.faces.s3.request import S3Error
from nobreak.words import Attributes, ByteRange, ObjectInfo, ObjectName

MODIFIED = datetime(2025, 10, 31, 14, 35, 53, tzinfo=UTC)


def put(headers, query=""):
    return read_request("PUT", "/b/k", query, headers)


def info(attributes=None, size=10, etag="e"):
    return ObjectInfo(ObjectName("b", "k"), size, etag, MODIFIED, attributes or Attributes())


def code_of(call, *arguments):
    with pytest.raises(S3Error) as caught:
        call(*arguments)
    return caught.value.code


def test_content_headers_and_metadata_are_kept_and_nothing_else():
    headers = {
        "content-type": "text/plain",
        "expires": "0",
        "x-amz-meta-a": "1",
        "x-amz-acl": "private",
        "authorization": "secret",
    }
    assert attributes_of(put(headers)) == Attributes(
        {"content-type": "text/plain", "expires": "0"}, {"a": "1"}
    )


def test_metadata_of_a_presigned_url_is_kept():
    assert attributes_of(put({}, "x-amz-meta-A=b%20c&X-Amz-Signature=s")).metadata == {"a": "b c"}


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("aws-chunked", None),
        ("aws-chunked,gzip", "gzip"),
        ("gzip, AWS-Chunked", "gzip"),
        ("br", "br"),
    ],
)
def test_the_coding_of_the_transport_is_not_kept(sent, kept):
    found = attributes_of(put({"content-encoding": sent})).headers.get("content-encoding")
    assert found == kept


def test_bytes_that_are_not_utf_8_are_latin_1():
    latin = b"a\xe7\xe3o".decode("utf-8", "surrogateescape")
    assert attributes_of(put({"x-amz-meta-a": latin})).metadata == {"a": "ação"}
    assert attributes_of(put({"x-amz-meta-a": "ação"})).metadata == {"a": "ação"}


def test_metadata_has_two_kilobytes_of_room():
    fits = {"x-amz-meta-a": "é" * 1023, "x-amz-meta-b": ""}
    assert attributes_of(put(fits)).metadata["b"] == ""
    assert code_of(attributes_of, put({**fits, "x-amz-meta-b": "1"})) == "MetadataTooLarge"


def test_metadata_without_a_name_is_refused():
    assert code_of(attributes_of, put({"x-amz-meta-": "1"})) == "InvalidArgument"


def test_a_copy_keeps_its_sources_attributes_unless_it_is_told_to_replace_them():
    source = Attributes({"content-type": "a/b"}, {"a": "1"})
    headers = {"x-amz-meta-b": "2"}
    assert copied_attributes(put(headers), source) == source
    replacing = {**headers, "x-amz-metadata-directive": "REPLACE"}
    assert copied_attributes(put(replacing), source) == Attributes({}, {"b": "2"})
    wrong = put({"x-amz-metadata-directive": "MERGE"})
    assert code_of(copied_attributes, wrong, source) == "InvalidArgument"


def test_an_object_as_botocore_sees_it():
    attributes = Attributes({"content-type": "text/plain", "cache-control": "no-store"}, {"a": "1"})
    answer = parsed("HeadObject", b"", headers=response_headers(info(attributes)))
    assert answer == {
        "AcceptRanges": "bytes",
        "ContentLength": 10,
        "ContentType": "text/plain",
        "CacheControl": "no-store",
        "ETag": '"e"',
        "LastModified": MODIFIED,
        "Metadata": {"a": "1"},
    }


def test_a_part_of_an_object_says_which():
    headers = response_headers(info(), ByteRange(2, 5))
    assert headers["content-length"] == "3"
    assert headers["content-range"] == "bytes 2-4/10"
    assert headers["content-type"] == "binary/octet-stream"
    assert "content-range" not in response_headers(info())


def test_an_unchanged_object_is_named_and_not_described():
    assert version_headers(info()) == {
        "etag": '"e"',
        "last-modified": "Fri, 31 Oct 2025 14:35:53 GMT",
    }
    brazil = replace(info(), modified=MODIFIED.astimezone(timezone(timedelta(hours=-3))))
    assert version_headers(brazil) == version_headers(info())
    assert "etag" not in version_headers(info(etag=""))


@given(st.dictionaries(st.from_regex("[a-z0-9-]{1,8}", fullmatch=True), st.text(max_size=40)))
def test_metadata_comes_back_as_it_was_given(metadata):
    try:
        headers = response_headers(info(Attributes(metadata=metadata)))
    except UnicodeEncodeError:
        return  # surrogates: attributes_of lets none in
    assert attributes_of(put(headers)).metadata == metadata


def test_arguments_replace_headers_of_the_answer():
    query = "response-content-type=a%2Fb&response-expires=0&response-etag=x&versionId=1"
    assert overrides(put({}, query)) == {"content-type": "a/b", "expires": "0"}


@pytest.mark.parametrize("value", ["a%0D%0Ax-evil:1", "%00"])
def test_no_argument_ends_a_header(value):
    assert code_of(overrides, put({}, f"response-content-type={value}")) == "InvalidArgument"
