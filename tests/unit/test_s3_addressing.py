"""Bucket and key of a request, decoded exactly."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.faces.s3.addressing import (
    CopySource,
    bucket_of_host,
    read_copy_source,
    read_query,
    read_request,
)
from nobreak.faces.s3.request import S3Error
from nobreak.words import ObjectName

keys = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=250)
pairs = st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5)


def refused(call, *arguments, **named):
    with pytest.raises(S3Error) as caught:
        call(*arguments, **named)
    return caught.value.code


@given(keys)
def test_any_key_comes_back_exactly_whether_or_not_its_slashes_are_encoded(key):
    for safe in ("/", "", "/~!*'()"):
        request = read_request("GET", "/bucket/" + quote(key, safe=safe), "", {})
        assert (request.bucket, request.key) == ("bucket", key)
        hosted = read_request(
            "GET", "/" + quote(key, safe=safe), "", {"host": "bucket.s3.test"}, domain="s3.test"
        )
        assert (hosted.bucket, hosted.key) == ("bucket", key)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/b/a//b", "a//b"),
        ("/b/x/", "x/"),
        ("/b/../y", "../y"),
        ("/b//", "/"),
        ("/b/a+b", "a+b"),
        ("/b/a%20b", "a b"),
        ("/b/100%2525", "100%25"),
        ("/b/%F0%9F%8F%A5", "🏥"),
        ("/b/\udcc3\udca9", "é"),
        ("/b/é", "é"),
        ("/b/a\\b", "a\\b"),
    ],
)
def test_odd_keys_stay_what_they_are(path, key):
    assert read_request("PUT", path, "", {}).key == key


@pytest.mark.parametrize(
    ("path", "bucket", "key"),
    [("/", None, None), ("/b", "b", None), ("/b/", "b", None), ("/b/k", "b", "k")],
)
def test_a_path_names_nothing_a_bucket_or_an_object(path, bucket, key):
    request = read_request("GET", path, "", {"host": "127.0.0.1:9000"}, domain="s3.test")
    assert (request.bucket, request.key) == (bucket, key)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "InvalidURI"),
        ("http://b/k", "InvalidURI"),
        ("/b/%", "InvalidURI"),
        ("/b/%zz", "InvalidURI"),
        ("/b/%ff", "InvalidURI"),
        ("/b/\udcff", "InvalidURI"),
        ("/b/%ed%a0%80", "InvalidURI"),
        ("/b/a%00b", "InvalidArgument"),
        ("/b/" + "a" * 1025, "KeyTooLongError"),
        ("/b/" + "%C3%A9" * 513, "KeyTooLongError"),
        ("//k", "InvalidBucketName"),
        ("/../k", "InvalidBucketName"),
        ("/b%2Fk/x", "InvalidBucketName"),
        ("/b%00/x", "InvalidBucketName"),
    ],
)
def test_names_that_can_not_be_are_refused(path, code):
    assert refused(read_request, "GET", path, "", {}) == code


def test_a_key_of_1024_bytes_is_the_longest():
    assert read_request("GET", "/b/" + "%C3%A9" * 512, "", {}).key == "é" * 512


@pytest.mark.parametrize(
    ("host", "domain", "bucket"),
    [
        ("b.s3.test", "s3.test", "b"),
        ("B.S3.Test:9000", "s3.test:9000", "b"),
        ("a.b.s3.test.", "s3.test", "a.b"),
        ("s3.test", "s3.test", None),
        ("others3.test", "s3.test", None),
        ("127.0.0.1:9000", "s3.test", None),
        ("[::1]:9000", "s3.test", None),
        ("b.s3.test", None, None),
        ("b.s3.test", "", None),
        ("", "s3.test", None),
    ],
)
def test_a_host_below_the_domain_names_a_bucket(host, domain, bucket):
    assert bucket_of_host(host, domain) == bucket


def test_a_host_with_an_empty_bucket_is_refused():
    code = refused(read_request, "GET", "/", "", {"host": ".s3.test"}, domain="s3.test")
    assert code == "InvalidBucketName"


@given(pairs)
def test_pairs_of_a_query_come_back_in_their_order(given_pairs):
    raw = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in given_pairs)
    assert list(read_query(raw)) == given_pairs


def test_a_query_is_read_as_clients_write_it():
    assert read_query("acl&a=b=c&&d=+%2B&a=") == (
        ("acl", ""),
        ("a", "b=c"),
        ("d", " +"),
        ("a", ""),
    )
    assert refused(read_query, "a=%f") == "InvalidURI"


@given(keys)
def test_a_copy_source_is_decoded_once(key):
    for source in ("b/" + quote(key), "/b/" + quote(key), quote("/b/" + key, safe="")):
        assert read_copy_source(source) == CopySource(ObjectName("b", key))
        assert read_copy_source(source + "?versionId=v%2F1").version == "v/1"


@pytest.mark.parametrize("source", ["", "/", "b", "b/", "/b/", "b?versionId=1"])
def test_a_copy_source_without_bucket_and_key_is_refused(source):
    assert refused(read_copy_source, source) == "InvalidArgument"


@given(st.text(), st.text(), st.text())
def test_any_text_is_understood_or_refused(path, query, source):
    for call in (
        lambda: read_request("GET", "/" + path, query, {"host": source}, domain="s3.test"),
        lambda: read_copy_source(source),
    ):
        try:
            call()
        except S3Error:
            continue
