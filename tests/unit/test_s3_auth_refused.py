"""Issue 3, items 5 and 6: every wrong signature has S3's own code, and nothing else ever comes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.auth import authenticate
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.stores.external.sigv4 import (
    EMPTY_SHA256,
    Credentials,
    Scope,
    SignedRequest,
    amz_date,
    presign,
    sign,
    signature,
)

KEYS = KeyRing([KeyPair("user", "secret")])
OWN = Credentials("user", "secret")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOST = {"host": "store"}


def by_header(now: datetime = NOW, own: Credentials = OWN, payload=EMPTY_SHA256, **headers):
    given_ = HOST | {name.replace("_", "-"): value for name, value in headers.items()}
    return sign(SignedRequest("GET", "/b/k", [], given_, payload), own, now=now)


def by_url(now: datetime = NOW, expires: int = 60, own: Credentials = OWN) -> str:
    return presign(SignedRequest("GET", "/b/k", [], HOST), own, now=now, expires=expires)


def get(headers=HOST, query: str = "") -> S3Request:
    return read_request("GET", "/b/k", query, headers)


def refused(request: S3Request, now: datetime = NOW) -> S3Error:
    with pytest.raises(S3Error) as caught:
        authenticate(request, KEYS, now)
    return caught.value


def test_a_request_without_a_signature_is_denied():
    assert refused(get()).code == "AccessDenied"


def test_a_request_with_two_signatures_is_refused():
    assert refused(get(by_header(), by_url())).code == "InvalidArgument"
    both = by_url() + "&AWSAccessKeyId=user&Expires=1&Signature=x"
    assert refused(get(query=both)).code == "InvalidArgument"


def test_an_unknown_access_key_and_a_wrong_secret_are_told_apart_as_s3_does():
    unknown = refused(get(by_header(own=Credentials("nobody", "secret"))))
    assert (unknown.code, unknown.extra) == ("InvalidAccessKeyId", {"AWSAccessKeyId": "nobody"})
    wrong = Credentials("user", "wrong")
    assert refused(get(by_header(own=wrong))).code == "SignatureDoesNotMatch"
    assert refused(get(query=by_url(own=wrong))).code == "SignatureDoesNotMatch"
    v2 = "AWSAccessKeyId=nobody&Expires=9999999999&Signature=x"
    assert refused(get(query=v2)).code == "InvalidAccessKeyId"
    assert refused(get(query=v2.replace("nobody", "user"))).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("sign_of", [1, -1])
def test_a_clock_may_be_wrong_by_fifteen_minutes_and_no_more(sign_of):
    headers = by_header()
    edge = NOW + sign_of * timedelta(minutes=15)
    assert authenticate(get(headers), KEYS, edge).access_key == "user"
    late = refused(get(headers), edge + sign_of * timedelta(seconds=1))
    assert late.code == "RequestTimeTooSkewed"
    assert late.extra["RequestTime"] == "2026-11-23T12:00:00Z"
    assert late.extra["MaxAllowedSkewMilliseconds"] == "900000"


def test_an_expired_url_says_so_with_its_times():
    error = refused(get(query=by_url()), NOW + timedelta(seconds=61))
    assert (error.code, error.message) == ("AccessDenied", "Request has expired")
    assert error.extra == {
        "X-Amz-Expires": "60",
        "Expires": "2026-11-23T12:01:00Z",
        "ServerTime": "2026-11-23T12:01:01Z",
    }


def test_the_date_header_stands_in_for_x_amz_date():
    date = format_datetime(NOW, usegmt=True)
    headers = HOST | {"date": date, "x-amz-content-sha256": EMPTY_SHA256}
    signed = ("date", "host", "x-amz-content-sha256")
    scope = Scope("20261123", "us-east-1")
    result = signature(
        SignedRequest("GET", "/b/k", [], headers, EMPTY_SHA256),
        signed,
        secret_key="secret",
        stamp=amz_date(NOW),
        scope=scope,
    )
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential=user/{scope},SignedHeaders={';'.join(signed)},"
        f"Signature={result}"
    )
    assert authenticate(get(headers), KEYS, NOW).access_key == "user"


def test_any_region_is_good_and_a_session_token_is_tolerated():
    headers = by_header(own=Credentials("user", "secret", "moon-1"), x_amz_security_token="t")
    assert authenticate(get(headers), KEYS, NOW).access_key == "user"


AUTHORIZATION: dict[str, tuple[Callable[[str], str], str]] = {
    "another mechanism": (lambda a: a.replace("AWS4-HMAC-SHA256", "AWS"), "InvalidRequest"),
    "basic": (lambda _: "Basic dXNlcjpzZWNyZXQ=", "InvalidRequest"),
    "nothing else": (lambda _: "AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
    "no signature": (lambda a: a.partition(", Signature")[0], "AuthorizationHeaderMalformed"),
    "two signatures": (lambda a: a + ", Signature=x", "AuthorizationHeaderMalformed"),
    "short signature": (lambda a: a[:-1], "AuthorizationHeaderMalformed"),
    "capitals": (
        lambda a: a[:-64] + "A" * 64,
        "AuthorizationHeaderMalformed",
    ),
    "another service": (lambda a: a.replace("/s3/", "/ec2/"), "AuthorizationHeaderMalformed"),
    "another day": (lambda a: a.replace("20261123", "20261122"), "AuthorizationHeaderMalformed"),
    "no scope": (lambda a: a.replace("/aws4_request", ""), "AuthorizationHeaderMalformed"),
    "a long region": (
        lambda a: a.replace("us-east-1", "x" * 65),
        "AuthorizationHeaderMalformed",
    ),
    "another region": (lambda a: a.replace("us-east-1", "x"), "SignatureDoesNotMatch"),
    "odd names": (lambda a: a.replace("host;", "host;;"), "AuthorizationHeaderMalformed"),
    "host unsigned": (lambda a: a.replace("host;", ""), "AccessDenied"),
    "date unsigned": (lambda a: a.replace(";x-amz-date", ""), "AccessDenied"),
}


@pytest.mark.parametrize(("change", "code"), AUTHORIZATION.values(), ids=AUTHORIZATION)
def test_a_wrong_authorization_header_is_refused(change, code):
    headers = by_header()
    headers["authorization"] = change(headers["authorization"])
    assert refused(get(headers)).code == code


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("x-amz-date", None, "AccessDenied"),
        ("x-amz-date", "20261123T120000", "AccessDenied"),
        ("x-amz-date", "20261323T120000Z", "AccessDenied"),
        ("x-amz-date", "20261123T120000Z,20261123T120000Z", "AccessDenied"),
        ("x-amz-date", "２０２６1123T120000Z", "AccessDenied"),
        ("x-amz-date", "20261123T120001Z", "SignatureDoesNotMatch"),
        ("x-amz-content-sha256", None, "InvalidRequest"),
        ("x-amz-content-sha256", "x", "InvalidArgument"),
        ("x-amz-content-sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "InvalidArgument"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", "SignatureDoesNotMatch"),
        ("x-amz-content-sha256", EMPTY_SHA256.upper(), "InvalidArgument"),
        ("host", "elsewhere", "SignatureDoesNotMatch"),
        ("host", "\udcff", "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_header_is_refused(name, value, code):
    headers = {**by_header(), name: value}
    if value is None:
        del headers[name]
    assert refused(get(headers)).code == code


ARGUMENTS: dict[str, tuple[Callable[[str], str], str]] = {
    "algorithm": (
        lambda q: q.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
        "AuthorizationQueryParametersError",
    ),
    "no signature": (
        lambda q: q.partition("&X-Amz-Signature")[0],
        "AuthorizationQueryParametersError",
    ),
    "two dates": (
        lambda q: q + "&X-Amz-Date=20261123T120000Z",
        "AuthorizationQueryParametersError",
    ),
    "two signatures": (lambda q: q + "&X-Amz-Signature=x", "AuthorizationQueryParametersError"),
    "an odd date": (
        lambda q: q.replace("X-Amz-Date=2026", "X-Amz-Date=x"),
        "AuthorizationQueryParametersError",
    ),
    "another service": (
        lambda q: q.replace("s3%2F", "ec2%2F"),
        "AuthorizationQueryParametersError",
    ),
    "no expiry": (
        lambda q: q.replace("X-Amz-Expires=60&", ""),
        "AuthorizationQueryParametersError",
    ),
    "negative": (lambda q: q.replace("=60&", "=-60&"), "AuthorizationQueryParametersError"),
    "plus": (lambda q: q.replace("=60&", "=%2B60&"), "AuthorizationQueryParametersError"),
    "words": (lambda q: q.replace("=60&", "=1e3&"), "AuthorizationQueryParametersError"),
    "too long": (lambda q: q.replace("=60&", "=604801&"), "AuthorizationQueryParametersError"),
    "far too long": (
        lambda q: q.replace("=60&", f"={'9' * 5000}&"),
        "AuthorizationQueryParametersError",
    ),
    "longer than signed": (lambda q: q.replace("=60&", "=61&"), "SignatureDoesNotMatch"),
    "host unsigned": (lambda q: q.replace("Headers=host", "Headers=range"), "AccessDenied"),
}


@pytest.mark.parametrize(("change", "code"), ARGUMENTS.values(), ids=ARGUMENTS)
def test_a_wrong_argument_of_a_url_is_refused(change, code):
    changed = change(by_url())
    assert changed != by_url()
    assert refused(get(query=changed)).code == code


@pytest.mark.parametrize(
    "query",
    [
        "AWSAccessKeyId=user",
        "AWSAccessKeyId=user&Signature=x",
        "AWSAccessKeyId=user&Expires=9999999999&Signature=x&Signature=y",
        "AWSAccessKeyId=user&Expires=&Signature=x",
        "AWSAccessKeyId=user&Expires=-1&Signature=x",
        "AWSAccessKeyId=user&Expires=1e9&Signature=x",
        "AWSAccessKeyId=user&Expires=99999999999999999999&Signature=x",
        "AWSAccessKeyId=user&Expires=1&Signature=x",
    ],
)
def test_a_wrong_argument_of_a_sigv2_url_is_refused(query):
    assert refused(get(query=query)).code == "AccessDenied"


def test_a_presigned_url_takes_no_body_of_signed_chunks():
    """There is no signature for them to begin with."""
    headers = HOST | {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
    assert refused(get(headers, by_url())).code == "InvalidArgument"


def test_a_body_that_the_user_of_a_url_vouches_for_is_checked():
    headers = HOST | {"x-amz-content-sha256": EMPTY_SHA256}
    assert authenticate(get(headers, by_url()), KEYS, NOW).payload == EMPTY_SHA256
    assert authenticate(get(query=by_url()), KEYS, NOW).payload == "UNSIGNED-PAYLOAD"


def test_signed_streams_begin_their_chain_at_the_signature_of_the_head():
    headers = by_header(payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    seed = authenticate(get(headers), KEYS, NOW).seed
    assert seed is not None
    assert headers["authorization"].endswith(seed.signature)
    assert "key=" not in repr(seed)
    assert authenticate(get(by_header()), KEYS, NOW).seed is None


pieces = st.sampled_from(
    [
        "AWS4-HMAC-SHA256",
        " ",
        ",",
        ";",
        "/",
        "=",
        "Credential=user/20261123/us-east-1/s3/aws4_request",
        "SignedHeaders=host",
        "SignedHeaders=host;x-amz-date;x-amz-content-sha256",
        f"Signature={'0' * 64}",
        "20261123T120000Z",
        "Mon, 23 Nov 2026 12:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Sat, 01 Jan 0001 00:00:00 +2359",
        "00010101T000000Z",
        "99991231T235959Z",
        "UNSIGNED-PAYLOAD",
        "\udcff",
        "é",
    ]
)
odd = st.lists(st.one_of(pieces, st.text(max_size=5)), max_size=8).map("".join)
NAMES = [
    *("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-Expires"),
    *("X-Amz-SignedHeaders", "X-Amz-Content-Sha256", "AWSAccessKeyId", "Signature", "Expires"),
    *("x-amz-meta-a", "acl", "x"),
]
HEADERS = ["authorization", "x-amz-date", "date", "x-amz-content-sha256", "host", "x-amz-meta-a"]


@given(
    st.dictionaries(st.sampled_from(HEADERS), odd),
    st.lists(st.tuples(st.sampled_from(NAMES), odd), max_size=12),
    st.text(max_size=10),
)
def test_whatever_comes_the_answer_is_an_s3_error(headers, query, raw):
    raw_query = "&".join(f"{name}={value}" for name, value in query)
    request = S3Request("GET", f"/{raw}", raw_query, tuple(query), headers, "b", "k")
    assert refused(request).code
