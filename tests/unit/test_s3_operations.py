"""What a request asks for: the whole table, and what must never be mistaken for it."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.config import Config

from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.operations import RULES, BodyKind, Level, Operation, classify

SUBRESOURCES = re.findall(
    r"\S+",
    """abac accelerate analytics append cors encryption intelligent-tiering inventory
    legal-hold lifecycle logging metadataConfiguration metadataTable metrics notification
    object-lock ownershipControls policy policyStatus publicAccessBlock renameObject
    replication requestPayment restore retention select session torrent versioning website
    somethingNew""",
)
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "get")
PATHS = {Level.SERVICE: "/", Level.BUCKET: "/b", Level.OBJECT: "/b/k"}
V4 = (
    "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Date=d&X-Amz-Expires=60"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=s&X-Amz-Security-Token=t"
)
V2 = "AWSAccessKeyId=a&Signature=s&Expires=1&content-type=a&content-md5=b"
COPY = {"x-amz-copy-source": "/b/source"}

EXPECTED = [
    ("GET", "/", "", "ListBuckets"),
    ("GET", "/", "max-buckets=1&prefix=a", "ListBuckets"),
    ("PUT", "/", "", "Other"),
    ("HEAD", "/b", "", "HeadBucket"),
    ("PUT", "/b/", "", "CreateBucket"),
    ("DELETE", "/b", "", "DeleteBucket"),
    ("GET", "/b", "location", "GetBucketLocation"),
    ("GET", "/b", "", "ListObjects"),
    ("GET", "/b", "prefix=a&delimiter=/&marker=m&max-keys=1&encoding-type=url", "ListObjects"),
    ("GET", "/b", "list-type=2&continuation-token=t&fetch-owner=true", "ListObjectsV2"),
    ("GET", "/b", "list-type=3", "Other"),
    ("GET", "/b", "continuation-token=t", "Other"),
    ("GET", "/b", "uploads&prefix=a", "ListMultipartUploads"),
    ("GET", "/b", "versions", "ListObjectVersions"),
    ("GET", "/b", "tagging", "Other"),
    ("PUT", "/b", "tagging", "Other"),
    ("POST", "/b", "delete", "DeleteObjects"),
    ("POST", "/b", "delete=", "DeleteObjects"),
    ("POST", "/b", "", "PostObject"),
    ("POST", "/b", "uploads", "Other"),
    ("PUT", "/b/k", "", "PutObject"),
    ("PUT", "/b/k", "x-id=PutObject", "PutObject"),
    ("GET", "/b/k", "acl", "GetObjectAcl"),
    ("PUT", "/b/k", "acl", "PutObjectAcl"),
    ("PUT", "/b/k", "acl&versionId=v", "PutObjectAcl"),
    ("PUT", "/b", "acl", "Other"),
    ("DELETE", "/b/k", "acl", "Other"),
    ("PUT", "/b/k", "versionId=v", "Other"),
    ("PUT", "/b/k", "partNumber=1", "Other"),
    ("PUT", "/b/k", "uploadId=u", "Other"),
    ("PUT", "/b/k", "delete", "Other"),
    ("PUT", "/b/k", "uploads", "Other"),
    ("GET", "/b/k", "", "GetObject"),
    ("GET", "/b/k", "versionId=v&partNumber=1&response-content-type=a", "GetObject"),
    ("GET", "/b/k", "response-x=a", "Other"),
    ("HEAD", "/b/k", "partNumber=1", "HeadObject"),
    ("HEAD", "/b/k", "uploadId=1", "Other"),
    ("DELETE", "/b/k", "versionId=v", "DeleteObject"),
    ("DELETE", "/b/k", "uploadId=u&x-id=AbortMultipartUpload", "AbortMultipartUpload"),
    ("DELETE", "/b/k", "tagging", "DeleteObjectTagging"),
    ("GET", "/b/k", "tagging&versionId=v", "GetObjectTagging"),
    ("PUT", "/b/k", "tagging", "PutObjectTagging"),
    ("GET", "/b/k", "attributes", "GetObjectAttributes"),
    ("GET", "/b/k", "uploadId=u&max-parts=2", "ListParts"),
    ("POST", "/b/k", "uploads", "CreateMultipartUpload"),
    ("POST", "/b/k", "uploadId=u", "CompleteMultipartUpload"),
    ("POST", "/b/k", "", "Other"),
    ("PUT", "/b/k", "partNumber=1&uploadId=u", "UploadPart"),
    ("PUT", "/b/k", "uploadId=u&uploadId=v&partNumber=1", "Other"),
    ("PUT", "/b/k", "tagging&acl", "Other"),
    ("OPTIONS", "/b/k", "", "Other"),
]


def operation(method, path, query="", headers=None):
    return classify(read_request(method, path, query, headers or {}))


@pytest.mark.parametrize(("method", "path", "query", "expected"), EXPECTED)
def test_each_request_is_its_operation(method, path, query, expected):
    assert operation(method, path, query).value == expected


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("subresource", SUBRESOURCES)
def test_a_subresource_that_we_do_not_answer_is_never_another_operation(level, subresource):
    """Of `PUT ?torrent`, nothing is written to the object (issue 3, item 2)."""
    for method in METHODS:
        for query in (subresource, f"{subresource}=", f"{subresource}=1&x-id=PutObject"):
            for headers in ({}, COPY):
                found = operation(method, PATHS[level], query, headers)
                assert found is Operation.OTHER, (method, query)


def test_a_copy_with_an_acl_in_its_query_is_no_copy():
    assert operation("PUT", "/b/k", "acl", COPY) is Operation.OTHER


def test_the_envelope_of_a_request_changes_no_operation():
    for method, path, query, expected in EXPECTED:
        for envelope in (V4, V2, f"x-id={expected}"):
            if "x-id" in query and "x-id" in envelope:
                continue
            joined = "&".join(filter(None, (query, envelope)))
            assert operation(method, path, joined).value == expected


def test_every_operation_is_reached_and_the_table_has_no_two_rules_for_a_request():
    reached = {name for *_, name in EXPECTED} | {"CopyObject", "UploadPartCopy"}
    assert reached == {each.value for each in Operation}
    assert set(RULES) == set(Operation) - {Operation.OTHER}
    for rule in RULES.values():
        query = "&".join(
            [*rule.needs - dict(rule.fixed).keys()] + [f"{k}={v}" for k, v in rule.fixed]
        )
        headers = COPY if rule.copies else {}
        assert operation(rule.method, PATHS[rule.level], query, headers) is rule.operation
        others = [
            each
            for each in RULES.values()
            if (each.method, each.level, each.copies) == (rule.method, rule.level, rule.copies)
            and each is not rule
        ]
        for other in others:
            assert not (rule.needs <= other.needs <= rule.needs | rule.allows), (rule, other)


def test_every_combination_of_known_arguments_is_one_operation_or_other():
    arguments = sorted({name for rule in RULES.values() for name in rule.needs | rule.allows})
    for level, path in PATHS.items():
        for method in METHODS:
            for first in arguments:
                for second in arguments:
                    found = operation(method, path, f"{first}=2&{second}=2")
                    if found is Operation.OTHER:
                        continue
                    rule = RULES[found]
                    assert (rule.method, rule.level) == (method, level)
                    assert rule.needs <= {first, second} <= rule.needs | rule.allows


def test_a_copy_source_makes_a_put_a_copy_and_nothing_else():
    assert operation("PUT", "/b/k", "", COPY) is Operation.COPY_OBJECT
    part = "partNumber=1&uploadId=u"
    assert operation("PUT", "/b/k", part, COPY) is Operation.UPLOAD_PART_COPY
    assert operation("GET", "/b/k", "", COPY) is Operation.GET_OBJECT
    assert operation("PUT", "/b", "", COPY) is Operation.OTHER
    assert operation("PUT", "/b/k", "tagging", COPY) is Operation.OTHER
    hoisted = "x-amz-copy-source=b%2Fk&" + V4
    assert operation("PUT", "/b/k", hoisted) is Operation.COPY_OBJECT


def test_an_append_is_no_write_of_the_whole_object():
    headers = {"x-amz-write-offset-bytes": "5"}
    assert operation("PUT", "/b/k", "", headers) is Operation.OTHER


def test_headers_in_a_presigned_query_count_as_headers():
    query = "x-amz-meta-A=1&X-Amz-Acl=private&" + V4
    request = read_request("PUT", "/b/k", query, {"x-amz-acl": "public-read"})
    assert effective_headers(request) == {"x-amz-acl": "public-read", "x-amz-meta-a": "1"}


def test_what_no_presigned_url_says_changes_nothing():
    request = read_request("PUT", "/b/k", "x-amz-copy-source=b%2Fk&x-id=PutObject", {})
    assert classify(request) is Operation.PUT_OBJECT
    assert effective_headers(request) == {}


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_what_boto3_presigns_is_what_it_was_meant_for(version):
    credentials = {"aws_access_key_id": "a", "aws_secret_access_key": "s"}
    config = Config(signature_version=version, s3={"addressing_style": "path"})
    client = botocore.session.get_session().create_client(
        "s3", "us-east-1", endpoint_url="http://127.0.0.1:1", config=config, **credentials
    )
    for method, parameters, expected in (
        ("put_object", {"ContentType": "a/b", "Metadata": {"m": "1"}}, Operation.PUT_OBJECT),
        ("get_object", {"ResponseContentType": "a/b"}, Operation.GET_OBJECT),
        ("copy_object", {"CopySource": {"Bucket": "b", "Key": "s"}}, Operation.COPY_OBJECT),
        ("upload_part", {"UploadId": "u", "PartNumber": 1}, Operation.UPLOAD_PART),
        ("create_multipart_upload", {}, Operation.CREATE_MULTIPART_UPLOAD),
        ("delete_object", {}, Operation.DELETE_OBJECT),
    ):
        named = {"Bucket": "b", "Key": "k", **parameters}
        verb = client.meta.service_model.operation_model(
            client.meta.method_to_api_mapping[method]
        ).http["method"]
        url = urlsplit(client.generate_presigned_url(method, named))
        request = read_request(verb, url.path, url.query, {"host": url.netloc})
        moved = {"x-amz-copy-source": "b/s"} if method == "copy_object" else {}
        assert classify(replace(request, headers={**moved, **request.headers})) is expected
    client.close()


def test_what_operations_do_is_what_their_methods_promise():
    for rule in RULES.values():
        assert rule.writes is (rule.method in {"PUT", "POST", "DELETE"})
        if rule.body is not BodyKind.NONE:
            assert rule.method in {"PUT", "POST"}
    with_bytes = {op for op, rule in RULES.items() if rule.body is BodyKind.OBJECT}
    assert with_bytes == {Operation.PUT_OBJECT, Operation.UPLOAD_PART}
