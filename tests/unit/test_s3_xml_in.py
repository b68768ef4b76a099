"""S3's requests in XML: what is read, and what is refused with a clear error."""

import time

import botocore.session
import pytest
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.tags import checked_tags, read_tags_header, write_tags_header
from nobreak.faces.s3.xml_in import (
    CompletedPart,
    ObjectToDelete,
    read_bucket_configuration,
    read_complete,
    read_delete,
    read_tagging,
)
from nobreak.faces.s3.xml_out import tagging

READERS = (read_delete, read_complete, read_bucket_configuration, read_tagging)
SERIALIZER = create_serializer("rest-xml", include_validation=False)
SERVICE = botocore.session.get_session().get_service_model("s3")

xml_text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc",), exclude_characters="\ufffe\uffff"),
    min_size=1,
)
tag_text = st.text(st.characters(categories=("L", "N", "Zs")), min_size=1, max_size=20)
fragments = st.lists(
    st.sampled_from(
        [
            "<Delete>",
            "</Delete>",
            "<Object>",
            "</Object>",
            "<Key>",
            "</Key>",
            "k",
            "<VersionId>",
            "</VersionId>",
            "<Quiet>",
            "true",
            "</Quiet>",
            "<CompleteMultipartUpload>",
            "</CompleteMultipartUpload>",
            "<Part>",
            "</Part>",
            "<PartNumber>",
            "</PartNumber>",
            "1",
            "2",
            "<ETag>",
            "</ETag>",
            '"e"',
            "<Tagging>",
            "</Tagging>",
            "<TagSet>",
            "</TagSet>",
            "<Tag>",
            "</Tag>",
            "<Value>",
            "</Value>",
            "<CreateBucketConfiguration>",
            "</CreateBucketConfiguration>",
            "<LocationConstraint>",
            "</LocationConstraint>",
            "eu",
            "&amp;",
            "&#0;",
            "&#x1;",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "<!DOCTYPE",
            "<?xml",
            'encoding="utf-7"?>',
        ]
    ),
    max_size=30,
)


def sent(operation, **parameters):
    """The body that botocore sends."""
    request = SERIALIZER.serialize_to_request(parameters, SERVICE.operation_model(operation))
    return request["body"]


def refused(reader, body):
    with pytest.raises(S3Error) as caught:
        reader(body)
    return caught.value.code


@given(st.lists(xml_text, min_size=1, max_size=5), st.booleans())
def test_the_keys_that_botocore_sends_are_read_exactly(keys, quiet):
    objects = [{"Key": key, "VersionId": "v1"} for key in keys] + [{"Key": " a\n\tb "}]
    body = sent("DeleteObjects", Bucket="b", Delete={"Objects": objects, "Quiet": quiet})
    request = read_delete(body)
    assert request.quiet is quiet
    assert request.objects == (
        *(ObjectToDelete(key, "v1") for key in keys),
        ObjectToDelete(" a\n\tb "),
    )


def test_a_carriage_return_is_read_as_it_was_referred_to():
    body = b"<Delete><Object><Key>a&#13;&#xD;b</Key></Object></Delete>"
    assert read_delete(body).objects == (ObjectToDelete("a\r\rb"),)


def test_a_conditional_delete_names_its_etag():
    body = b'<Delete><Object><Key>k</Key><ETag>"e"</ETag></Object></Delete>'
    assert read_delete(body).objects == (ObjectToDelete("k", etag="e"),)


@pytest.mark.parametrize(
    ("count", "accepted"), [(0, False), (1, True), (1000, True), (1001, False)]
)
def test_one_to_a_thousand_objects_are_deleted_at_once(count, accepted):
    body = b"<Delete>" + b"<Object><Key>k</Key></Object>" * count + b"</Delete>"
    if accepted:
        assert len(read_delete(body).objects) == count
    else:
        assert refused(read_delete, body) == "MalformedXML"


def test_the_parts_that_botocore_sends_are_read():
    parts = [
        {"PartNumber": 1, "ETag": '"a"', "ChecksumCRC32": "AAAAAA=="},
        {"PartNumber": 10_000, "ETag": "b"},
    ]
    body = sent(
        "CompleteMultipartUpload",
        Bucket="b",
        Key="k",
        UploadId="u",
        MultipartUpload={"Parts": parts},
    )
    assert read_complete(body) == (
        CompletedPart(1, "a", {"ChecksumCRC32": "AAAAAA=="}),
        CompletedPart(10_000, "b"),
    )


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        (["2", "1"], "InvalidPartOrder"),
        (["1", "1"], "InvalidPartOrder"),
        (["0"], "InvalidArgument"),
        (["10001"], "InvalidArgument"),
        (["-1"], "MalformedXML"),
        (["١"], "MalformedXML"),
        (["9" * 5000], "MalformedXML"),
        ([], "MalformedXML"),
    ],
)
def test_parts_that_make_no_sense_are_refused(numbers, code):
    parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>e</ETag></Part>" for n in numbers)
    body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
    assert refused(read_complete, body) == code


def test_the_region_that_a_bucket_is_created_in():
    configuration = {"LocationConstraint": "eu-west-1"}
    body = sent("CreateBucket", Bucket="b", CreateBucketConfiguration=configuration)
    assert read_bucket_configuration(body) == "eu-west-1"
    assert read_bucket_configuration(b"") is None
    assert read_bucket_configuration(b"<CreateBucketConfiguration/>") is None


@given(st.dictionaries(tag_text, tag_text, max_size=10))
def test_tags_come_back_from_xml_and_from_a_header(tags):
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    assert (
        read_tagging(sent("PutObjectTagging", Bucket="b", Key="k", Tagging={"TagSet": pairs}))
        == tags
    )
    assert read_tagging(tagging(tags)) == tags
    assert read_tags_header(write_tags_header(tags)) == tags


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("a", "1"), ("a", "2")], "InvalidTag"),
        ([("", "1")], "InvalidTag"),
        ([("k" * 129, "")], "InvalidTag"),
        ([("k", "v" * 257)], "InvalidTag"),
        ([("k", "a\0")], "InvalidTag"),
        ([("<k>", "")], "InvalidTag"),
        ([(str(n), "") for n in range(11)], "BadRequest"),
    ],
)
def test_tags_that_can_not_be_are_refused(pairs, code):
    with pytest.raises(S3Error) as caught:
        checked_tags(pairs)
    assert caught.value.code == code


@pytest.mark.parametrize("header", ["a=%", "a=%ff"])
def test_a_header_of_tags_that_can_not_be_decoded_is_refused(header):
    assert refused(read_tags_header, header) == "InvalidArgument"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no xml",
        b"<Delete>",
        b"<Other/>",
        b'<!DOCTYPE Delete [<!ENTITY x "y">]><Delete><Object><Key>&x;</Key></Object></Delete>',
        b'<!DOCTYPE Delete SYSTEM "file:///etc/passwd"><Delete/>',
        b"<Delete>" * 50 + b"</Delete>" * 50,
        b"<Delete><Object><Key></Key></Object></Delete>",
        b"<Delete><Object/></Delete>",
        b"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        b"<Delete><Quiet>maybe</Quiet><Object><Key>a</Key></Object></Delete>",
        b"<Delete><Object><Key>&#1;</Key></Object></Delete>",
        b"<Delete><Object><Key>\xff</Key></Object></Delete>",
        b'<?xml version="1.0" encoding="utf-7"?><Delete/>',
        b'<?xml version="1.0" encoding="nonsense"?><Delete/>',
        b'<?xml version="1.0" encoding="idna"?><Delete/>',
        b"<Delete>" + b" " * 9_000_000 + b"</Delete>",
        b"<Delete>" + b"<a/>" * 100_000 + b"</Delete>",
    ],
)
def test_broken_and_hostile_documents_are_malformed(body):
    """Issue 3, item 6."""
    assert refused(read_delete, body) == "MalformedXML"


def test_small_requests_have_small_limits():
    large = b"<Tagging>" + b" " * 70_000 + b"</Tagging>"
    assert refused(read_tagging, large) == "MalformedXML"
    assert refused(read_tagging, b"<Tagging/>") == "MalformedXML"


@pytest.mark.parametrize("filler", [b"x<a/>", b"x<!---->", b"x<?a?>", b"&#97;", b"<a>x</a>"])
def test_no_document_takes_long(filler):
    started = time.process_time()
    for size in (8_000_000, 900_000):
        body = b"<CompleteMultipartUpload>" + filler * (size // len(filler))
        refused(read_complete, body + b"</CompleteMultipartUpload>")
    assert time.process_time() - started < 3


@given(st.binary())
def test_any_bytes_raise_nothing_but_s3_errors(body):
    for reader in READERS:
        try:
            reader(body)
        except S3Error:
            continue


@given(fragments)
def test_anything_like_xml_raises_nothing_but_s3_errors(parts):
    for body in ("".join(parts), "<Delete>" + "".join(parts) + "</Delete>"):
        for reader in READERS:
            try:
                reader(body.encode())
            except S3Error:
                continue
