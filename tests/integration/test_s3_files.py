"""Issue 3, item 5: keys from a file, HTTPS by certificate files, buckets as host names."""

import asyncio
import os
import shutil
import signal
import ssl

import pytest
from botocore.exceptions import ClientError
from tests.support.net import eventually
from tests.support.s3_front import TLS, USER, Front, request_bytes, running_front

from nobreak.errors import SettingsError
from nobreak.reporting.events import EventKind as K
from nobreak.stores.external.sigv4 import Credentials

READER = Credentials("reader", "reader-secret", "us-east-1")
WRITER = Credentials("writer", "writer-secret", "us-east-1")
KEYS = """
[[key]]
access_key = "reader"
secret_key = "reader-secret"
read_only = true

[[key]]
access_key = "writer"
secret_key = "writer-secret"
buckets = ["mine*"]
"""


async def said(front: Front, pair: Credentials, operation: str, **arguments) -> str:
    """`ok`, or the code of the refusal."""
    try:
        await asyncio.to_thread(getattr(front.client(pair=pair), operation), **arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "ok"


def kinds(front: Front) -> list[K]:
    return [event.kind for event in front.told]


async def test_each_pair_may_do_what_its_limits_leave_to_it(tmp_path):
    (tmp_path / "keys.toml").write_text(KEYS)
    async with running_front(tmp_path, NOBREAK_S3_KEYS_FILE=str(tmp_path / "keys.toml")) as front:
        put = {"Key": "k", "Body": b"x"}
        source = {"Bucket": "other", "Key": "k"}
        assert await said(front, USER, "put_object", Bucket="other", **put) == "ok"
        assert await said(front, READER, "get_object", Bucket="other", Key="k") == "ok"
        assert await said(front, READER, "put_object", Bucket="other", **put) == "AccessDenied"
        assert await said(front, READER, "put_bucket_acl", Bucket="b-b", ACL="private") == (
            "AccessDenied"
        )
        assert await said(front, WRITER, "put_object", Bucket="mine-1", **put) == "ok"
        assert await said(front, WRITER, "get_object", Bucket="other", Key="k") == "AccessDenied"
        copy = {"Bucket": "mine-1", "Key": "c", "CopySource": source}
        assert await said(front, WRITER, "copy_object", **copy) == "AccessDenied"


async def test_keys_are_read_again_when_the_file_changes_or_on_sighup(tmp_path):
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    async with running_front(tmp_path, NOBREAK_S3_KEYS_FILE=str(path)) as front:
        listing = {"Bucket": "mine-1", "Key": "none"}
        path.write_text(KEYS.replace('"writer-secret"', '"two words"'))
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: K.S3_KEYS_REJECTED in kinds(front))
        reason = str(next(e for e in front.told if e.kind is K.S3_KEYS_REJECTED).fields["reason"])
        assert str(path) in reason
        assert "two words" not in reason
        assert await said(front, WRITER, "head_object", **listing) == "503"  # known, still
        path.write_text(KEYS.replace('"writer"', '"successor"'))
        await eventually(lambda: K.S3_KEYS_RELOADED in kinds(front))
        assert await said(front, WRITER, "get_object", **listing) == "InvalidAccessKeyId"
        successor = Credentials("successor", "writer-secret", "us-east-1")
        assert await said(front, successor, "get_object", **listing) == "SlowDown"
        assert await said(front, USER, "get_object", **listing) == "SlowDown"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"NOBREAK_S3_KEYS_FILE": "none.toml"}, "NOBREAK_S3_KEYS_FILE="),
        ({"NOBREAK_S3_TLS_CERT": str(TLS / "first.crt")}, 'NOBREAK_S3_TLS_KEY="": '),
        ({"NOBREAK_S3_TLS_KEY": str(TLS / "first.key")}, 'NOBREAK_S3_TLS_CERT="": '),
        (
            {"NOBREAK_S3_TLS_CERT": "none", "NOBREAK_S3_TLS_KEY": str(TLS / "first.key")},
            "NOBREAK_S3_TLS_CERT=",
        ),
        (
            {
                "NOBREAK_S3_TLS_CERT": str(TLS / "first.key"),
                "NOBREAK_S3_TLS_KEY": str(TLS / "first.key"),
            },
            "NOBREAK_S3_TLS_CERT=",
        ),
        *(
            (
                {
                    "NOBREAK_S3_TLS_CERT": str(TLS / "first.crt"),
                    "NOBREAK_S3_TLS_KEY": str(TLS / key),
                },
                "NOBREAK_S3_TLS_KEY=",
            )
            for key in ("second.key", "locked.key", "none")
        ),
    ],
)
async def test_bad_files_stop_the_start_with_one_line(settings, line, tmp_path):
    with pytest.raises(SettingsError) as caught:
        async with running_front(tmp_path, **settings):
            pass
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def trusting(*names: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    for name in names:
        context.load_verify_locations(cafile=TLS / name)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def served(front: Front) -> bytes:
    """The certificate that a new connection gets."""
    _reader, writer = await front.connect(trusting("first.crt", "second.crt"))
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate


def der(name: str) -> bytes:
    return ssl.PEM_cert_to_DER_cert((TLS / name).read_text())


async def test_a_renewed_certificate_is_served_and_a_bad_one_is_not(tmp_path):
    def install(cert: str, key: str) -> None:
        shutil.copy(TLS / cert, tmp_path / "cert")
        shutil.copy(TLS / key, tmp_path / "key")

    install("first.crt", "first.key")
    files = {
        "NOBREAK_S3_TLS_CERT": str(tmp_path / "cert"),
        "NOBREAK_S3_TLS_KEY": str(tmp_path / "key"),
    }
    async with running_front(tmp_path, **files) as front:
        assert f"https://{front.address}" in [event.fields.get("address") for event in front.told]
        assert await served(front) == der("first.crt")
        install("second.crt", "first.key")
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: K.S3_CERTIFICATE_REJECTED in kinds(front))
        assert await served(front) == der("first.crt")
        install("second.crt", "second.key")
        await eventually(lambda: K.S3_CERTIFICATE_RELOADED in kinds(front))
        assert await served(front) == der("second.crt")


async def test_plain_http_on_the_https_port_is_closed_and_leaves_it_well(tmp_path):
    files = {
        "NOBREAK_S3_TLS_CERT": str(TLS / "first.crt"),
        "NOBREAK_S3_TLS_KEY": str(TLS / "first.key"),
    }
    async with running_front(tmp_path, **files) as front:
        assert await front.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == []
        client = front.client(
            scheme="https",
            endpoint=f"https://localhost:{front.address.port}",
            verify=str(TLS / "first.crt"),
        )
        await asyncio.to_thread(client.put_object, Bucket="shop", Key="k", Body=b"over TLS")


async def test_a_host_name_below_the_domain_names_a_bucket(tmp_path):
    async with running_front(tmp_path, NOBREAK_S3_DOMAIN="s3.localhost") as front:
        host = {"host": f"shop.s3.localhost:{front.address.port}"}
        headers = front.head("PUT", "/a/b", host)
        data = request_bytes("PUT", "/a/b", {**headers, "content-length": "1"}, b"x")
        assert [reply.status for reply in await front.exchange(data)] == [200]
        assert await said(front, USER, "head_object", Bucket="shop", Key="a/b") == "ok"
