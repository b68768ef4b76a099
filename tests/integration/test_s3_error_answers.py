"""Issue 3, item 7: each error has S3's code and status, its XML can be read, an SDK knows it by
name, and the connection goes on where it can."""

import asyncio
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError
from tests.support.s3_front import Front, read_reply, request_bytes, running_front

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUCKET = "errors"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outside(seaweed, tmp_path_factory):
    """A front before SeaweedFS, with one object."""
    settings = {
        "EXTERNAL_STORAGE_URL": f"s3+{seaweed.endpoint}",
        "EXTERNAL_STORAGE_ACCESS_KEY": seaweed.access_key,
        "EXTERNAL_STORAGE_SECRET_KEY": seaweed.secret_key,
    }
    async with running_front(tmp_path_factory.mktemp("outside"), settings) as front:
        client = front.client()
        await asyncio.to_thread(client.create_bucket, Bucket=BUCKET)
        await asyncio.to_thread(client.put_object, Bucket=BUCKET, Key="k", Body=b"0123456789")
        yield front


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory):
    """A front in local mode, with one object and one that was deleted."""
    async with running_front(tmp_path_factory.mktemp("here")) as front:
        client = front.client()
        await asyncio.to_thread(client.put_object, Bucket=BUCKET, Key="k", Body=b"0123456789")
        await asyncio.to_thread(client.delete_object, Bucket=BUCKET, Key="none")
        yield front


@pytest.fixture(params=["outside", "here"])
def front(request):
    return request.getfixturevalue(request.param)


K, NONE = {"Bucket": BUCKET, "Key": "k"}, {"Bucket": BUCKET, "Key": "none"}
LATER = "Fri, 01 Jan 2100 00:00:00 GMT"

CASES = {
    "no such key": ("get_object", NONE, 404, "NoSuchKey"),
    "no such key, HEAD": ("head_object", NONE, 404, "404"),
    "no such range": ("get_object", {**K, "Range": "bytes=100-"}, 416, "InvalidRange"),
    "no such range, HEAD": ("head_object", {**K, "Range": "bytes=100-"}, 416, "416"),
    "a condition fails": ("get_object", {**K, "IfMatch": '"x"'}, 412, "PreconditionFailed"),
    "a condition fails, HEAD": ("head_object", {**K, "IfMatch": '"x"'}, 412, "412"),
    "not modified": ("get_object", {**K, "IfModifiedSince": LATER}, 304, "304"),
    "not modified, HEAD": ("head_object", {**K, "IfModifiedSince": LATER}, 304, "304"),
    "a key that is too long": (
        "put_object",
        {"Bucket": BUCKET, "Key": "k" * 1025, "Body": b""},
        400,
        "KeyTooLongError",
    ),
    "a checksum that is none": ("put_object", {**K, "ContentMD5": "x"}, 400, "InvalidDigest"),
    "another checksum": (
        "put_object",
        {**K, "Body": b"x", "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="},
        400,
        "BadDigest",
    ),
    "too much metadata": (
        "put_object",
        {**K, "Body": b"x", "Metadata": {"a": "b" * 3000}},
        400,
        "MetadataTooLarge",
    ),
}


def failure(front: Front, operation: str, arguments: dict) -> ClientError:
    with pytest.raises(ClientError) as caught:
        getattr(front.client(), operation)(**arguments)
    return caught.value


@pytest.mark.parametrize("name", CASES)
async def test_an_sdk_sees_the_code_and_the_status(name, front):
    operation, arguments, status, code = CASES[name]
    if name == "no such range, HEAD" and front.nobreak.settings.use_external:
        pytest.skip("SeaweedFS answers 200")
    error = await asyncio.to_thread(failure, front, operation, arguments)
    meta = error.response["ResponseMetadata"]
    assert (meta["HTTPStatusCode"], error.response["Error"]["Code"]) == (status, code)
    assert meta["RequestId"] == meta["HTTPHeaders"]["x-amz-request-id"]
    assert meta["HostId"] == meta["HTTPHeaders"]["x-amz-id-2"]
    if code == "NoSuchKey":
        assert type(error).__name__ == "NoSuchKey"
    if status == 416:
        assert meta["HTTPHeaders"]["content-range"] == "bytes */10"


async def test_a_bucket_that_is_not_there_is_known_by_its_name(outside):
    error = await asyncio.to_thread(failure, outside, "list_objects_v2", {"Bucket": "not-there"})
    assert type(error).__name__ == "NoSuchBucket"
    error = await asyncio.to_thread(failure, outside, "head_bucket", {"Bucket": "not-there"})
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404


async def test_what_only_the_external_store_knows_is_slow_down_with_a_time(here):
    where = {"Bucket": BUCKET, "Key": "unknown"}
    error = await asyncio.to_thread(failure, here, "get_object", where)
    assert error.response["Error"]["Code"] == "SlowDown"
    assert int(error.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) > 0


SIGNED = [
    ("HEAD", "/errors/none", {}, 404, ""),
    ("GET", "/errors/none", {}, 404, "NoSuchKey"),
    ("GET", "/errors/k", {"if-modified-since": LATER}, 304, ""),
    ("GET", "/errors/k", {"if-match": '"x"'}, 412, "PreconditionFailed"),
    ("HEAD", "/errors/k", {"if-match": '"x"'}, 412, ""),
    ("GET", "/errors/k", {"range": "bytes=50-60"}, 416, "InvalidRange"),
    ("PATCH", "/errors/k", {}, 405, "MethodNotAllowed"),
    ("GET", "/errors/" + "k" * 1025, {}, 400, "KeyTooLongError"),
    ("GET", "/..", {}, 400, "InvalidBucketName"),
    ("HEAD", "/errors/k", {}, 200, ""),
    ("GET", "/errors/k", {}, 200, ""),
]


async def test_one_connection_carries_all_of_these_answers(front):
    """No error has a body too many or too few: the next answer would begin in the wrong place."""
    reader, writer = await front.connect()
    for method, path, further, status, code in SIGNED:
        writer.write(request_bytes(method, path, front.head(method, path, further)))
        reply = await read_reply(reader, to_head=method == "HEAD")
        assert reply is not None, (method, path)
        assert (reply.status, reply.code) == (status, code), (method, path)
        assert reply.headers["x-amz-request-id"]
        assert reply.headers["x-amz-id-2"]
        assert reply.headers.get("connection") != "close"
        if reply.body.startswith(b"<?xml"):
            assert ET.fromstring(reply.body).tag == "Error"
            assert reply.headers["content-type"] == "application/xml"
    writer.close()


async def test_a_refusal_before_the_body_was_read_closes_the_connection(front):
    reader, writer = await front.connect()
    size = 10_000_000
    headers = {**front.head("PUT", "/errors/" + "k" * 1025), "content-length": str(size)}
    writer.write(request_bytes("PUT", "/errors/" + "k" * 1025, headers) + b"x" * 1000)
    reply = await read_reply(reader)
    assert reply is not None
    assert (reply.status, reply.code) == (400, "KeyTooLongError")
    assert reply.headers["connection"] == "close"
    writer.close()


async def test_the_resource_in_an_error_cannot_break_out_of_its_xml(front):
    path = "/errors/%3C/Error%3E%3Cx%3E%00%26%1B"
    reader, writer = await front.connect()
    writer.write(request_bytes("GET", path, {"host": "x"}))
    reply = await read_reply(reader)
    writer.close()
    assert reply is not None
    root = ET.fromstring(reply.body)
    assert [child.tag for child in root] == ["Code", "Message", "Resource", "RequestId"]
    assert (
        root.findtext("Resource")
        == "/errors/</Error><x>\N{REPLACEMENT CHARACTER}&\N{REPLACEMENT CHARACTER}"
    )


ASKS = {
    "host": "x",
    "origin": "https://shop.example",
    "access-control-request-method": "PUT",
    "access-control-request-headers": "content-type",
}


async def answer_to(front: Front, method: str, path: str, headers: dict[str, str]):
    reader, writer = await front.connect()
    writer.write(request_bytes(method, path, headers))
    reply = await read_reply(reader)
    writer.close()
    assert reply is not None
    return reply


async def test_a_browser_may_ask_before_it_uses_a_presigned_url(outside):
    """Unsigned, as browsers ask: the external store's CORS rules answer."""
    reply = await answer_to(outside, "OPTIONS", "/errors/k?X-Amz-Signature=1", ASKS)
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"]


async def test_a_browser_that_asks_in_an_outage_is_told_to_come_again(here):
    reply = await answer_to(here, "OPTIONS", "/errors/k", ASKS)
    assert (reply.status, reply.code) == (503, "SlowDown")


async def test_an_upload_by_form_is_not_implemented_rather_than_denied(front):
    headers = {"host": "x", "content-type": "multipart/form-data; boundary=b"}
    reply = await answer_to(front, "POST", "/errors", {**headers, "content-length": "0"})
    assert (reply.status, reply.code) == (501, "NotImplemented")
