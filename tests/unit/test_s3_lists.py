"""Requests for lists, their tokens, and their XML as botocore reads it."""

from datetime import UTC, datetime
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.s3_oracle import parsed

from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.folding import Fold, FoldedPage
from nobreak.faces.s3.list_request import ListRequest, read_list_request
from nobreak.faces.s3.passed_lists import read_passed, rewritten
from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.tokens import Place, read_place, read_token, write_place, write_token
from nobreak.faces.s3.xml_lists import UploadsPage, list_objects, list_uploads
from nobreak.stores.external.s3_xml import ListedUpload, parse, read_list_page
from nobreak.stores.interfaces import Alias
from nobreak.words import ObjectInfo, ObjectName

MODIFIED = datetime(2025, 10, 31, 14, 35, 53, 900_000, tzinfo=UTC)
texts = st.text(st.characters(codec="utf-8"))
OWNER = {"DisplayName": "nobreak", "ID": "nobreak"}


def asked(query):
    return read_list_request(read_request("GET", "/b", query, {}))


def info(key):
    return ObjectInfo(ObjectName("b", key), 5, "abc", MODIFIED)


def page(*keys, prefixes=(), truncated=False, last=""):
    return FoldedPage(tuple(map(info, keys)), prefixes, truncated, last)


def shown(key, **more):
    modified = MODIFIED.replace(microsecond=0)
    entry = {"Key": key, "LastModified": modified, "ETag": '"abc"', "Size": 5}
    return {**entry, "StorageClass": "STANDARD", **more}


def test_version_2_as_botocore_reads_it():
    request = asked("list-type=2&prefix=p&delimiter=%2F&max-keys=2&start-after=o&fetch-owner=true")
    answer = list_objects(request, page("p&<\r\n", prefixes=("p/",), truncated=True, last="p/"))
    assert parsed("ListObjectsV2", answer) == {
        "Name": "b",
        "Prefix": "p",
        "Delimiter": "/",
        "MaxKeys": 2,
        "IsTruncated": True,
        "KeyCount": 2,
        "StartAfter": "o",
        "NextContinuationToken": write_place(Place("p/")),
        "Contents": [shown("p&<\r\n", Owner=OWNER)],
        "CommonPrefixes": [{"Prefix": "p/"}],
    }


def test_version_2_goes_on_by_its_token():
    request = asked(f"list-type=2&continuation-token={write_place(Place('k'))}&start-after=a")
    assert request.fold.after == "k"
    answer = parsed("ListObjectsV2", list_objects(request, page("l")))
    assert answer["ContinuationToken"] == write_place(Place("k"))
    assert answer["Contents"] == [shown("l")]
    assert "NextContinuationToken" not in answer


def test_version_1_as_botocore_reads_it():
    request = asked("delimiter=/&marker=m")
    answer = list_objects(request, page("n", prefixes=("o/",), truncated=True, last="o/"))
    assert parsed("ListObjects", answer) == {
        "Name": "b",
        "Prefix": "",
        "Delimiter": "/",
        "MaxKeys": 1000,
        "IsTruncated": True,
        "Marker": "m",
        "NextMarker": "o/",
        "Contents": [shown("n", Owner=OWNER)],
        "CommonPrefixes": [{"Prefix": "o/"}],
    }
    answer = list_objects(asked(""), page("n", truncated=True, last="n"))
    assert "NextMarker" not in parsed("ListObjects", answer)


@given(texts, texts)
def test_encoded_keys_come_back_whatever_is_in_them(key, prefix):
    request = ListRequest("b", 2, Fold(prefix=prefix, delimiter="/"), encode=True)
    answer = list_objects(request, page(key, prefixes=(prefix,)))
    ET.fromstring(answer)
    assert [each.key for each in read_list_page(answer).objects] == [key]


@given(texts)
def test_plain_keys_come_back_or_are_refused_but_the_xml_is_always_valid(key):
    request = ListRequest("b", 1, Fold())
    if any(each in "\ufffe\uffff" or (each < " " and each not in "\t\n\r") for each in key):
        with pytest.raises(S3Error, match="encoding-type"):
            list_objects(request, page(key))
    else:
        answer = list_objects(request, page(key))
        assert [each.key for each in read_list_page(answer).objects] == [key]


@pytest.mark.parametrize(
    ("query", "max_keys"),
    [("", 1000), ("max-keys=", 1000), ("max-keys=0", 0), ("max-keys=9999", 1000)],
)
def test_a_page_has_at_most_a_thousand_keys(query, max_keys):
    assert asked(query).fold.max_keys == max_keys


@pytest.mark.parametrize(
    "query",
    [
        "max-keys=-1",
        "max-keys=x",
        "max-keys=1.5",
        "max-keys=2147483648",
        "max-keys=%D9%A1",
        "encoding-type=base64",
        "list-type=2&continuation-token=",
        "list-type=2&continuation-token=nb1.AAAA",
        "list-type=2&continuation-token=from-elsewhere",
    ],
)
def test_arguments_that_make_no_sense_are_refused(query):
    with pytest.raises(S3Error) as caught:
        asked(query)
    assert caught.value.code == "InvalidArgument"


@given(texts)
def test_tokens_come_back(last):
    assert read_token(write_token(last)) == last


@given(texts, st.integers(min_value=0), st.characters())
def test_a_token_that_was_changed_is_none_of_ours(last, at, character):
    token = write_token(last)
    at %= len(token)
    changed = token[:at] + character + token[at + 1 :]
    assert read_token(changed) in {None, last}


@given(st.text())
def test_any_text_is_a_token_or_none(text):
    assert read_token(text) is None
    read_token("nb1." + text)


def test_uploads_as_botocore_reads_them():
    page = UploadsPage(
        bucket="b",
        uploads=[ListedUpload("k<", "u1", MODIFIED)],
        common_prefixes=["p/"],
        prefix="p",
        delimiter="/",
        key_marker="a",
        upload_id_marker="u0",
        max_uploads=2,
    )
    upload = {"Key": "k<", "UploadId": "u1", "Initiated": MODIFIED.replace(microsecond=0)}
    assert parsed("ListMultipartUploads", list_uploads(page)) == {
        "Bucket": "b",
        "KeyMarker": "a",
        "UploadIdMarker": "u0",
        "Prefix": "p",
        "Delimiter": "/",
        "MaxUploads": 2,
        "IsTruncated": False,
        "Uploads": [{**upload, "StorageClass": "STANDARD", "Owner": OWNER, "Initiator": OWNER}],
        "CommonPrefixes": [{"Prefix": "p/"}],
    }


@given(texts)
def test_keys_of_uploads_come_back_when_they_are_encoded(key):
    root = parse(list_uploads(UploadsPage("b", [ListedUpload(key, "u", MODIFIED)], encode=True)))
    assert root.text_of("EncodingType") == "url"
    assert [unquote(each.text_of("Key")) for each in root.all("Upload")] == [key]


def test_the_marks_of_a_page_of_uploads():
    page = UploadsPage("b", [], truncated=True, next_key_marker="z", next_upload_id_marker="u9")
    assert parsed("ListMultipartUploads", list_uploads(page)) == {
        "Bucket": "b",
        "KeyMarker": "",
        "UploadIdMarker": "",
        "NextKeyMarker": "z",
        "NextUploadIdMarker": "u9",
        "Prefix": "",
        "MaxUploads": 1000,
        "IsTruncated": True,
    }


def passed_page(*, etag="theirs", extra=b""):
    content = list_objects(
        asked("list-type=2"), page("a&b", "c", truncated=True, last="c")
    ).replace(b"abc", etag.encode())
    return read_passed(content + extra, "")


def test_a_page_that_passes_shows_the_etags_that_we_gave_out():
    aliases = {"c": Alias("ours", "theirs"), "a&b": Alias("ours", "overwritten since")}
    content = rewritten(passed_page(), asked("list-type=2"), aliases.get)
    found = parsed("ListObjectsV2", content)["Contents"]
    assert [each["ETag"] for each in found] == ['"theirs"', '"ours"']


def test_a_page_that_passes_is_continued_by_a_token_of_ours():
    request = asked("list-type=2")
    theirs = passed_page().page.token
    answer = parsed("ListObjectsV2", rewritten(passed_page(), request, lambda _: None))
    place = read_place(answer["NextContinuationToken"])
    assert place == Place("c", theirs)
    assert asked(f"list-type=2&continuation-token={write_place(place)}").fold.after == "c"


def test_what_is_no_list_is_not_passed_on():
    assert read_passed(b"<html/>", "") is None
    assert read_passed(b"nothing", "") is None


def test_a_truncated_page_that_cant_be_continued_is_not_passed_on():
    content = passed_page().content.replace(b"NextContinuationToken", b"Other")
    assert rewritten(read_passed(content, ""), asked("list-type=2"), lambda _: None) is None


@given(texts, st.text(), st.booleans())
def test_places_come_back(last, theirs, by_path):
    place = Place(last, theirs, by_path)
    assert read_place(write_place(place)) == place
    assert read_place(write_token(last)) is None or last.startswith("[")
