"""Our SigV4 signer against AWS's worked examples and against botocore as the oracle."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from nobreak.stores.external.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Credentials,
    Scope,
    SignedRequest,
    encode_path,
    encode_query,
    presign,
    same_signature,
    sign,
    signature,
)

DOC = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
DOC_TIME = datetime(2013, 5, 24, tzinfo=UTC)
DOC_HOST = {"Host": "examplebucket.s3.amazonaws.com"}

EXAMPLES = {
    "GET object": (
        SignedRequest("GET", "/test.txt", [], DOC_HOST | {"Range": "bytes=0-9"}, EMPTY_SHA256),
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ),
    "PUT object": (
        SignedRequest(
            "PUT",
            encode_path("/test$file.text"),
            [],
            DOC_HOST
            | {
                "Date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            },
            "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        ),
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ),
    "GET bucket lifecycle": (
        SignedRequest("GET", "/", [("lifecycle", "")], DOC_HOST, EMPTY_SHA256),
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
    ),
    "list objects": (
        SignedRequest("GET", "/", [("max-keys", "2"), ("prefix", "J")], DOC_HOST, EMPTY_SHA256),
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    ),
    "seed of a streamed payload": (
        SignedRequest(
            "PUT",
            "/examplebucket/chunkObject.txt",
            [],
            {
                "Host": "s3.amazonaws.com",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
                "Content-Encoding": "aws-chunked",
                "x-amz-decoded-content-length": "66560",
                "Content-Length": "66824",
            },
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        ),
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    ),
}


@pytest.mark.parametrize(("request_", "expected"), EXAMPLES.values(), ids=EXAMPLES)
def test_headers_are_signed_as_in_the_examples_of_the_s3_documentation(request_, expected):
    headers = sign(request_, DOC, now=DOC_TIME)
    assert headers["authorization"].endswith(f", Signature={expected}")


def test_a_url_is_presigned_as_in_the_example_of_the_s3_documentation():
    query = presign(
        SignedRequest("GET", "/test.txt", [], DOC_HOST), DOC, now=DOC_TIME, expires=86400
    )
    assert query.endswith(
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


OWN = Credentials("user", "sécret/+=", "eu-west-3")
NOW = datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)

odd_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
odd_keys = st.one_of(
    st.sampled_from(
        [
            "a//b",
            "../y",
            "./z",
            "x/",
            "/",
            "a+b",
            "100%",
            "%41",
            "a b",
            "ação",
            "😀/👩‍👩‍👧",
            "~*'()!",
            "?#&=",
        ]
    ),
    odd_text,
)
queries = st.lists(st.tuples(odd_text.filter(bool), odd_text), max_size=4)
header_values = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.just("\t"), max_size=20
)
own_headers = st.dictionaries(
    st.sampled_from(
        ["x-amz-meta-a", "X-Amz-Meta-B", "content-type", "Content-MD5", "range", "User-Agent"]
    ),
    header_values,
)
payloads = st.sampled_from([UNSIGNED_PAYLOAD, EMPTY_SHA256, "0" * 64])
requests = st.builds(
    lambda method, key, query, headers, payload: SignedRequest(
        method,
        encode_path(f"/bucket/{key}"),
        query,
        {"Host": "127.0.0.1:8333", **headers},
        payload,
    ),
    st.sampled_from(["GET", "PUT", "DELETE", "POST", "HEAD"]),
    odd_keys,
    queries,
    own_headers,
    payloads,
)


def _oracle(auth_type: type, request: SignedRequest, **kwargs) -> AWSRequest:
    """The same request, signed by botocore at the same moment."""
    asked = AWSRequest(
        request.method,
        f"http://127.0.0.1:8333{request.path}?{encode_query(request.query)}",
        headers={**request.headers, "X-Amz-Content-SHA256": request.payload},
    )
    if auth_type is S3SigV4QueryAuth:
        del asked.headers["X-Amz-Content-SHA256"]
    auth = auth_type(BotoCredentials(OWN.access_key, OWN.secret_key), "s3", OWN.region, **kwargs)
    auth.payload = lambda _: request.payload
    with patch("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None)):
        auth.add_auth(asked)
    return asked


@given(requests)
def test_headers_are_signed_as_botocore_signs_them(request_):
    expected = _oracle(S3SigV4Auth, request_).headers["Authorization"]
    assert sign(request_, OWN, now=NOW)["authorization"] == expected


@given(
    # botocore drops repeated names here, and only here
    requests.filter(lambda r: len(dict(r.query)) == len(r.query)),
    st.integers(1, 604800),
)
def test_urls_are_presigned_as_botocore_presigns_them(request_, expires):
    request_ = replace(request_, payload=UNSIGNED_PAYLOAD)
    expected = urlsplit(_oracle(S3SigV4QueryAuth, request_, expires=expires).url).query
    query = presign(request_, OWN, now=NOW, expires=expires)
    assert _signature_of(query) == _signature_of(expected)
    assert sorted(query.split("&")) == sorted(expected.split("&"))


@given(requests)
def test_what_we_sign_verifies_with_the_same_functions_and_a_changed_request_does_not(request_):
    headers = sign(request_, OWN, now=NOW)
    fields = _fields(headers["authorization"])
    signed = fields["SignedHeaders"].split(";")
    scope = Scope(*fields["Credential"].split("/")[1:4])

    def verifies(path: str) -> bool:
        seen = SignedRequest(request_.method, path, request_.query, headers, request_.payload)
        stamp = headers["x-amz-date"]
        computed = signature(seen, signed, secret_key=OWN.secret_key, stamp=stamp, scope=scope)
        return same_signature(fields["Signature"], computed)

    assert verifies(request_.path)
    assert not verifies(f"{request_.path}x")


def test_a_slash_or_a_dot_segment_in_a_key_is_never_normalised():
    paths = [encode_path(f"/b/{key}") for key in ("a/b", "a//b", "a/./b", "a/../b", "/a/b", "a/b/")]
    assert len(set(paths)) == len(paths)


def test_the_secret_does_not_show_in_the_representation_of_credentials():
    assert "wJalr" not in repr(DOC)


def _signature_of(query: str) -> str:
    return dict(parse_qsl(query))["X-Amz-Signature"]


def _fields(authorization: str) -> Mapping[str, str]:
    return dict(part.split("=", 1) for part in authorization.split(" ", 1)[1].split(", "))
