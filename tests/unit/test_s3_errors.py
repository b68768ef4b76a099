"""Answers that say no: code, status and text of each, as botocore reads them."""

import ast
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.s3_oracle import parsed

import nobreak.errors
from nobreak.errors import (
    BodyMismatchError,
    CorruptBodyError,
    ExternalError,
    InvalidRequestError,
    LocalStoreError,
    NobreakError,
    NotFoundError,
    OutageError,
    OutageKind,
    OutOfSpaceError,
    OvertakenError,
    PreconditionFailedError,
    RangeNotSatisfiableError,
    RefusedError,
    SettingsError,
    UnavailableError,
    UndecidedError,
    UnsupportedError,
)
from nobreak.faces.s3.error_codes import CODES
from nobreak.faces.s3.errors import error_headers, error_xml, status_of, translated
from nobreak.faces.s3.request import S3Error
from nobreak.stores.local.disk import Disk
from nobreak.stores.local.spool import Spool
from nobreak.words import ObjectName

NAME = ObjectName("b", "k")
FACE = Path(nobreak.errors.__file__).parent / "faces" / "s3"

TRANSLATIONS = [
    (NotFoundError(NAME), "NoSuchKey", 404),
    (RangeNotSatisfiableError(NAME, 7), "InvalidRange", 416),
    (PreconditionFailedError(NAME), "PreconditionFailed", 412),
    (OvertakenError(NAME), "ConditionalRequestConflict", 409),
    (UndecidedError(NAME), "SlowDown", 503),
    (InvalidRequestError("why"), "InvalidArgument", 400),
    (BodyMismatchError("the body's MD5 is x"), "BadDigest", 400),
    (BodyMismatchError("the body has 3 bytes"), "IncompleteBody", 400),
    (UnavailableError("away"), "SlowDown", 503),
    (OutageError(OutageKind.TIMEOUT, "late", in_doubt=True), "SlowDown", 503),
    (OutOfSpaceError("/var/data is full"), "InsufficientStorage", 507),
    (LocalStoreError("/var/data: EIO"), "ServiceUnavailable", 503),
    (CorruptBodyError("/var/data/x"), "InternalError", 500),
    (UnsupportedError("no lists"), "NotImplemented", 501),
    (RefusedError(403, "AccessDenied", "no"), "AccessDenied", 403),
    (RefusedError(413, "TooBig", "no"), "TooBig", 413),
    (RefusedError(418, "", ""), "HTTP418", 418),
    (RefusedError(501, "NotImplemented", "no"), "NotImplemented", 501),
    (RefusedError(301, "PermanentRedirect", "elsewhere"), "InternalError", 500),
    (S3Error("NoSuchUpload"), "NoSuchUpload", 404),
    (ExternalError("?"), "InternalError", 500),
    (SettingsError("SECRET"), "InternalError", 500),
    (NobreakError("?"), "InternalError", 500),
    (ValueError("a bug"), "InternalError", 500),
]


@pytest.mark.parametrize(("error", "code", "status"), TRANSLATIONS)
def test_each_error_has_its_code_and_status(error, code, status):
    answer = translated(error)
    assert (answer.code, status_of(answer)) == (code, status)


def test_every_error_of_nobreak_has_been_thought_of():
    known = {
        each
        for each in vars(nobreak.errors).values()
        if isinstance(each, type) and issubclass(each, NobreakError)
    }
    assert known <= {type(error) for error, *_ in TRANSLATIONS}


def test_nothing_of_this_machine_is_told_to_clients():
    for error, *_ in TRANSLATIONS:
        body = error_xml(translated(error), "/b/k", "id")
        assert b"/var/data" not in body
        assert b"SECRET" not in body


def test_what_can_not_be_answered_now_says_when_to_come_again():
    for error, _code, status in TRANSLATIONS:
        told = "retry-after" in error_headers(translated(error))
        assert told == (status == 503)


def test_an_sdk_that_waits_as_long_as_it_is_told_waits_a_second():
    """I5: minio-py and Node's SDK do, before each of their repetitions."""
    assert error_headers(translated(UnavailableError("away"))) == {"retry-after": "1"}


def test_a_range_outside_of_the_object_tells_its_size():
    error = translated(RangeNotSatisfiableError(NAME, 7))
    assert error_headers(error) == {"content-range": "bytes */7"}
    assert b"<ActualObjectSize>7</ActualObjectSize>" in error_xml(error, "/b/k", "id")


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_read_by_botocore(code):
    error = S3Error(code, extra={"Key": "k"})
    answer = parsed("GetObject", error_xml(error, "/b/k", "r1"), status=status_of(error))
    message = CODES[code][1]
    expected = {"Code": code, "Message": message, "Key": "k", "Resource": "/b/k"}
    assert expected.items() <= answer["Error"].items()
    assert message.endswith(".")
    assert 400 <= status_of(error) < 600


def test_a_message_of_its_own_goes_first():
    answer = parsed("GetObject", error_xml(S3Error("NoSuchKey", "gone"), "/", "r"), status=404)
    assert answer["Error"]["Message"] == "gone"


@given(st.text(), st.text(), st.text())
def test_an_error_is_valid_xml_whatever_is_in_it(message, resource, value):
    error = S3Error("InvalidArgument", message, extra={"Key": value})
    ET.fromstring(error_xml(error, resource, "id"))


def test_every_code_that_this_face_raises_is_in_the_table():
    for path in FACE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "S3Error":
                code = node.args[0] if node.args else None
                if isinstance(code, ast.Constant):
                    assert code.value in CODES, f"{path.name}: {code.value}"


async def test_the_real_spool_tells_a_wrong_digest_from_a_wrong_length(tmp_path):
    for size, md5, code in ((1, "0" * 32, "BadDigest"), (2, None, "IncompleteBody")):
        disk = Disk(tmp_path, min_free_bytes=0, max_bytes=0)
        spool = Spool(disk, tmp_path, size, lambda _spool, _size: None)
        await spool.write(b"x")
        with pytest.raises(BodyMismatchError) as caught:
            await spool.finish(md5)
        await spool.aclose()
        assert translated(caught.value).code == code
