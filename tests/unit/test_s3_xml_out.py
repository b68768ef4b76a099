"""S3's answers in XML, as botocore reads them."""

from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.s3_oracle import parsed

from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.xml_out import (
    Bucket,
    Deletion,
    Part,
    bucket_location,
    completed,
    copy_result,
    delete_result,
    initiated,
    list_buckets,
    list_parts,
    tagging,
    timestamp,
)
from nobreak.stores.external.s3_xml import read_buckets
from nobreak.words import ObjectName

MODIFIED = datetime(2025, 10, 31, 14, 35, 53, tzinfo=UTC)
OWNER = {"DisplayName": "nobreak", "ID": "nobreak"}
NAME = ObjectName("b", "k&<\r\n ü")
CRC = {"ChecksumCRC32": "AAAAAA=="}


def test_times_are_told_in_utc():
    assert timestamp(MODIFIED.astimezone(timezone(timedelta(hours=-3)))) == (
        "2025-10-31T14:35:53.000Z"
    )


def test_buckets():
    answer = list_buckets([Bucket("a", MODIFIED), Bucket("b", MODIFIED)], prefix="x", token="t")
    assert parsed("ListBuckets", answer) == {
        "Owner": OWNER,
        "Buckets": [
            {"Name": "a", "CreationDate": MODIFIED},
            {"Name": "b", "CreationDate": MODIFIED},
        ],
        "Prefix": "x",
        "ContinuationToken": "t",
    }
    assert [each.name for each in read_buckets(answer)] == ["a", "b"]
    assert parsed("ListBuckets", list_buckets([])) == {"Owner": OWNER, "Buckets": []}


@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1"])
def test_the_location_of_a_bucket(region):
    root = ET.fromstring(bucket_location(region))
    assert root.tag.endswith("}LocationConstraint")
    assert root.text == (None if region == "us-east-1" else region)


def test_copies():
    expected = {"ETag": '"e"', "LastModified": MODIFIED, **CRC}
    assert parsed("CopyObject", copy_result("e", MODIFIED, CRC)) == {"CopyObjectResult": expected}
    answer = copy_result("e", MODIFIED, CRC, part=True)
    assert parsed("UploadPartCopy", answer) == {"CopyPartResult": expected}


def test_what_became_of_deletions():
    deletions = [
        Deletion(NAME.key),
        Deletion("v", version="1"),
        Deletion("kept", error=S3Error("AccessDenied")),
        Deletion("failed", error=S3Error("InternalError", "disk\x00")),
    ]
    answer = parsed("DeleteObjects", delete_result(deletions, quiet=False))
    assert answer["Deleted"] == [{"Key": NAME.key}, {"Key": "v", "VersionId": "1"}]
    assert answer["Errors"] == [
        {"Key": "kept", "Code": "AccessDenied", "Message": "Access denied."},
        {"Key": "failed", "Code": "InternalError", "Message": "disk\ufffd"},
    ]
    quiet = parsed("DeleteObjects", delete_result(deletions, quiet=True))
    assert quiet == {"Errors": answer["Errors"]}


def test_tags():
    assert parsed("GetObjectTagging", tagging({"a": "1", "b": ""})) == {
        "TagSet": [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}]
    }


def test_multipart_uploads():
    assert parsed("CreateMultipartUpload", initiated(NAME, "u")) == {
        "Bucket": "b",
        "Key": NAME.key,
        "UploadId": "u",
    }
    answer = completed(NAME, "e-2", "http://h/b/k", CRC)
    assert parsed("CompleteMultipartUpload", answer) == {
        "Location": "http://h/b/k",
        "Bucket": "b",
        "Key": NAME.key,
        "ETag": '"e-2"',
        **CRC,
    }


def test_parts():
    parts = [Part(3, 5, "e", MODIFIED, CRC), Part(4, 6, "f", MODIFIED)]
    answer = list_parts(NAME, "u", parts, marker=2, max_parts=2, truncated=True)
    assert parsed("ListParts", answer) == {
        "Bucket": "b",
        "Key": NAME.key,
        "UploadId": "u",
        "Initiator": OWNER,
        "Owner": OWNER,
        "StorageClass": "STANDARD",
        "PartNumberMarker": 2,
        "NextPartNumberMarker": 4,
        "MaxParts": 2,
        "IsTruncated": True,
        "Parts": [
            {"PartNumber": 3, "Size": 5, "ETag": '"e"', "LastModified": MODIFIED, **CRC},
            {"PartNumber": 4, "Size": 6, "ETag": '"f"', "LastModified": MODIFIED},
        ],
    }


@given(st.text(st.characters(codec="utf-8")))
def test_an_upload_can_be_made_of_any_key_even_if_xml_can_not_hold_it(key):
    name = ObjectName("b", key)
    for answer in (
        initiated(name, "u"),
        completed(name, "e", "http://h/" + key),
        list_parts(name, "u", [], marker=0, max_parts=1, truncated=False),
    ):
        ET.fromstring(answer)
