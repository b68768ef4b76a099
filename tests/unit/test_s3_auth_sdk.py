"""Issue 3, item 5: what botocore signs is accepted; the same with anything changed is not."""

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from unittest.mock import patch
from urllib.parse import quote, urlsplit

import botocore.session
import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import assume, given
from hypothesis import strategies as st

from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.auth import authenticate
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.faces.s3.request import S3Error, S3Request

KEYS = KeyRing([KeyPair("other", "other-secret"), KeyPair("user", "sécret/+=")])
OWN = Credentials("user", "sécret/+=")
NOW = datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)
HOST = "127.0.0.1:9000"

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
ODD = ["a//b", "../y", "x/", "a+b", "100%", "%41", "a b", "ação", "😀", "~*'()!@:,;=", "?#&"]
object_keys = st.one_of(st.sampled_from(ODD), text.filter(bool))
METHODS = st.sampled_from(["GET", "PUT", "DELETE", "POST", "HEAD"])
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
own_headers = st.dictionaries(
    st.sampled_from(["x-amz-meta-a", "X-Amz-Meta-B", "content-type", "Content-MD5", "Range"]),
    values,
)
NAMES_V4 = text.filter(lambda name: name and not name.lower().startswith("x-amz-"))
NAMES_V2 = st.sampled_from(
    ["acl", "uploads", "versionId", "partNumber", "response-content-type", "prefix", "tagging"]
)


def sent(method: str, url: str, headers) -> S3Request:
    """The request as the server reads it off the wire."""
    parts = urlsplit(url)
    lower = {"host": HOST} | {name.lower(): str(value) for name, value in headers.items()}
    return read_request(method, parts.path, parts.query, lower)


def query_text(pairs) -> str:
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


def signed_by_botocore(auth, method, key, query, headers, *, frozen=NOW) -> S3Request:
    asked = AWSRequest(
        method,
        f"http://{HOST}/bucket/{quote(key, safe='/~')}?{query_text(query)}".rstrip("?"),
        headers=headers,
    )
    clock = patch("botocore.auth.get_current_datetime", lambda: frozen.replace(tzinfo=None))
    with clock, patch("botocore.auth.time.time", frozen.timestamp):
        auth.add_auth(asked)
    left = dict(asked.headers)
    if isinstance(auth, HmacV1QueryAuth):
        del left["Date"]  # stands for Expires while signing, and is never sent
    return sent(method, asked.url, left)


def accepted(request: S3Request, now: datetime = NOW) -> str:
    return authenticate(request, KEYS, now).access_key


def refusal(request: S3Request, now: datetime = NOW) -> str:
    with pytest.raises(S3Error) as caught:
        authenticate(request, KEYS, now)
    return caught.value.code


def changed(request: S3Request, **what) -> S3Request:
    head = {
        "method": request.method,
        "raw_path": request.raw_path,
        "raw_query": request.raw_query,
        "headers": request.headers,
    }
    return read_request(**(head | what))


v4_queries = st.lists(st.tuples(NAMES_V4, text), max_size=4)
v4_unique = st.lists(st.tuples(NAMES_V4, text), max_size=4, unique_by=lambda pair: pair[0])


@given(METHODS, object_keys, v4_queries, own_headers, st.binary(max_size=8))
def test_a_header_signed_by_botocore_is_accepted(method, key, query, headers, body):
    auth = S3SigV4Auth(OWN, "s3", "eu-west-3")
    with patch.object(auth, "payload", lambda _: f"{int.from_bytes(body):064x}"):
        request = signed_by_botocore(auth, method, key, query, headers)
    assert accepted(request) == "user"
    assert authenticate(request, KEYS, NOW).payload == f"{int.from_bytes(body):064x}"
    assert refusal(changed(request, raw_path=request.raw_path + "x")) == "SignatureDoesNotMatch"
    assert refusal(changed(request, raw_query=f"{request.raw_query}&a")) == "SignatureDoesNotMatch"
    assert refusal(changed(request, method="PATCH")) == "SignatureDoesNotMatch"
    more = {**request.headers, "x-amz-acl": "public-read"}
    assert refusal(changed(request, headers=more)) == "AccessDenied"
    for name in headers:
        forged = {**request.headers, name.lower(): "forged"}
        assert refusal(changed(request, headers=forged)) == "SignatureDoesNotMatch"


# botocore drops repeated names here, and only here
@given(METHODS, object_keys, v4_unique, own_headers, st.integers(1, 604800))
def test_a_url_presigned_by_botocore_is_accepted_until_it_expires(
    method, key, query, headers, expires
):
    auth = S3SigV4QueryAuth(OWN, "s3", "us-east-1", expires=expires)
    request = signed_by_botocore(auth, method, key, query, headers)
    assert accepted(request) == "user"
    assert accepted(request, NOW + timedelta(seconds=expires)) == "user"
    assert refusal(request, NOW + timedelta(seconds=expires + 1)) == "AccessDenied"
    assert accepted(request, NOW - timedelta(minutes=15)) == "user"
    assert refusal(request, NOW - timedelta(minutes=15, seconds=1)) == "AccessDenied"
    assert refusal(changed(request, raw_path=request.raw_path + "x")) == "SignatureDoesNotMatch"
    assert refusal(changed(request, raw_query=f"{request.raw_query}&a")) == "SignatureDoesNotMatch"
    more = {**request.headers, "x-amz-acl": "public-read"}
    assert refusal(changed(request, headers=more)) == "AccessDenied"


@given(
    METHODS,
    object_keys,
    st.lists(st.tuples(NAMES_V2, text), max_size=4, unique_by=lambda pair: pair[0]),
    own_headers,
    st.integers(1, 10**8),
)
def test_a_url_presigned_with_sigv2_by_botocore_is_accepted_until_it_expires(
    method, key, query, headers, expires
):
    request = signed_by_botocore(HmacV1QueryAuth(OWN, expires), method, key, query, headers)
    assert accepted(request) == "user"
    assert accepted(request, NOW + timedelta(seconds=expires)) == "user"
    assert refusal(request, NOW + timedelta(seconds=expires + 1)) == "AccessDenied"
    assert refusal(changed(request, raw_path=request.raw_path + "x")) == "SignatureDoesNotMatch"
    for sub_resource in ("torrent", "%74orrent", "torrent="):
        forged = f"{request.raw_query}&{sub_resource}"
        assert refusal(changed(request, raw_query=forged)) == "SignatureDoesNotMatch"
    unknown = changed(request, raw_query=f"{request.raw_query}&retention")
    assert refusal(unknown) == "AccessDenied"
    more = {**request.headers, "x-amz-acl": "public-read"}
    assert refusal(changed(request, headers=more)) == "SignatureDoesNotMatch"


@given(object_keys, st.dictionaries(st.just("x-amz-meta-a"), values, min_size=1))
def test_headers_that_sigv2_moved_into_the_url_are_covered_even_when_not_sent(key, headers):
    request = signed_by_botocore(HmacV1QueryAuth(OWN), "PUT", key, [], headers)
    bare = changed(request, headers={"host": HOST})
    assert accepted(bare) == "user"
    # once signed, said twice: a reader of the one and a reader of the other must not differ
    twice = changed(request, raw_query=f"{request.raw_query}&X-Amz-Meta-A=forged")
    assert refusal(twice) == "AccessDenied"


@given(object_keys)
def test_paths_that_a_client_signed_canonically_and_sent_unescaped_are_accepted(key):
    """C++ and hand-made clients leave `+`, `@`, `:` or `,` as they are on the wire."""
    auth = S3SigV4Auth(OWN, "s3", "us-east-1")
    request = signed_by_botocore(auth, "GET", key, [], {})
    wire = "/bucket/" + quote(key, safe="/~!$&'()*+,;=:@")
    assert accepted(changed(request, raw_path=wire)) == "user"
    lower = quote(key, safe="/~").replace("%", "%25").encode()
    assume(lower.decode() != quote(key, safe="/~"))
    assert refusal(changed(request, raw_path=f"/bucket/{lower.decode()}")) == (
        "SignatureDoesNotMatch"
    )


@cache
def client(signature_version: str | None, style: str):
    session = botocore.session.Session()
    session.set_credentials("user", "sécret/+=")
    config = Config(signature_version=signature_version, s3={"addressing_style": style})
    url = "http://store.test" if style == "virtual" else f"http://{HOST}"
    return session.create_client("s3", "us-east-1", endpoint_url=url, config=config)


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("version", [None, "s3", "s3v4"])
@pytest.mark.parametrize("operation", ["get_object", "put_object", "list_objects", "upload_part"])
@pytest.mark.parametrize("key", ["a b+c", "bucket/x", "a//b", "ação/😀"])
def test_boto3s_own_presigned_urls_are_accepted_in_both_styles(style, version, operation, key):
    arguments = {
        "get_object": {"Key": key, "ResponseContentDisposition": 'attachment; filename="a+b c"'},
        "put_object": {"Key": key, "Metadata": {"a": "b c"}},
        "upload_part": {"Key": key, "PartNumber": 3, "UploadId": "a+b/c="},
        "list_objects": {"Prefix": key},
    }[operation]
    method = "PUT" if operation in {"put_object", "upload_part"} else "GET"
    url = client(version, style).generate_presigned_url(
        operation, {"Bucket": "bucket", **arguments}
    )
    parts = urlsplit(url)
    headers = {"host": parts.netloc}
    if operation == "put_object":
        headers["x-amz-meta-a"] = "b c"
    domain = "store.test" if style == "virtual" else None
    request = read_request(method, parts.path, parts.query, headers, domain=domain)
    now = datetime.fromtimestamp(time.time(), UTC)
    assert accepted(request, now) == "user"
    assert ("AWSAccessKeyId" in parts.query) == (version != "s3v4")


def test_a_sigv2_url_for_a_deep_key_is_no_good_for_the_key_below_its_first_folder():
    """`/bucket/x` in bucket `bucket`, against `/x` in the bucket that the host names."""
    parts = urlsplit(
        client("s3", "path").generate_presigned_url(
            "get_object", {"Bucket": "bucket", "Key": "bucket/x"}
        )
    )
    now = datetime.fromtimestamp(time.time(), UTC)
    right = read_request("GET", parts.path, parts.query, {"host": HOST})
    assert accepted(right, now) == "user"
    wrong = read_request("GET", "/bucket/x", parts.query, {"host": HOST})
    assert refusal(wrong, now) == "SignatureDoesNotMatch"
