"""S3's XML: what is read, and what is refused."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.stores.external.s3_xml import (
    CompletedPart,
    ListedUpload,
    XmlError,
    complete_upload,
    parse,
    read_error,
    read_list_page,
    read_uploads,
)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no xml",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>&undefined;</a>",
        b"<a>" * 100 + b"</a>" * 100,
        b"<a>\x01</a>",
    ],
)
def test_hostile_and_broken_documents_are_refused(document):
    with pytest.raises(XmlError):
        parse(document)


@given(st.binary())
def test_any_bytes_are_read_or_refused(document):
    try:
        parse(document)
    except XmlError:
        assert read_error(document) == ("", "")


def test_namespaces_prefixes_and_leading_space_do_not_matter():
    root = parse(b'\n <?xml version="1.0"?><s3:A xmlns:s3="urn:x"><s3:B>1</s3:B></s3:A>')
    assert (root.tag, root.text_of("B"), root.text_of("C", "none")) == ("A", "1", "none")


def test_encoded_keys_are_decoded_only_when_the_server_says_that_it_encoded_them():
    item = "<Contents><Key>a+b%2Bc%0A</Key><Size>1</Size></Contents>"
    encoded = (
        f"<ListBucketResult><EncodingType>url</EncodingType>{item}</ListBucketResult>".encode()
    )
    plain = f"<ListBucketResult>{item}</ListBucketResult>".encode()
    assert read_list_page(encoded).objects[0].key == "a b+c\n"
    assert read_list_page(plain).objects[0].key == "a+b%2Bc%0A"


def test_parts_are_named_by_number_etag_and_checksum():
    parts = [CompletedPart(1, '"a"'), CompletedPart(7, '"b&<"', {"x-amz-checksum-crc32": "AA=="})]
    root = parse(complete_upload(parts))
    named = [(part.text_of("PartNumber"), part.text_of("ETag")) for part in root.all("Part")]
    assert named == [("1", '"a"'), ("7", '"b&<"')]
    assert [part.text_of("ChecksumCRC32") for part in root.all("Part")] == ["", "AA=="]


def test_uploads_under_way_are_read_with_what_continues_them():
    item = "<Upload><Key>a+b%0A</Key><UploadId>u1</UploadId><Initiated>2024-01-02T03:04:05Z</Initiated></Upload>"
    more = "<IsTruncated>true</IsTruncated><NextKeyMarker>a%20b</NextKeyMarker>"
    page = read_uploads(
        "<ListMultipartUploadsResult><EncodingType>url</EncodingType>"
        f"{item}{more}<NextUploadIdMarker>u1</NextUploadIdMarker>"
        "</ListMultipartUploadsResult>".encode()
    )
    assert page.uploads == (ListedUpload("a b\n", "u1", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),)
    assert (page.truncated, page.next_key, page.next_id) == (True, "a b", "u1")
    with pytest.raises(XmlError):
        read_uploads(b"<html/>")
