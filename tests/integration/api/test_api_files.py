"""`/files/{key}`: any key, any size, before and during an outage (I1, I2)."""

import asyncio
import base64
import hashlib
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from io import BytesIO
from pathlib import Path

import pytest
from tests.support.api import RunningApi
from tests.support.net import eventually

from nobreak.errors import NotFoundError
from nobreak.stores.external.s3 import S3Store
from nobreak.words import ObjectName

ODD_KEYS = [
    "a//b",
    "/lead",
    "%2F",
    "a%2Fb",
    "with space+plus&amp;?query#hash",
    "ação/ünïcode",
    "emoji-🏥",
    "line\nbreak\n",
    "api/health",
    "back\\slash",
]
KEYS_THAT_SEAWEEDFS_CANT_KEEP = ["x/", "../y", "a/./b/../c", "..", "k" * 1024]


async def outside(s3_store: S3Store, bucket: str, key: str) -> bytes:
    """What the external store really holds."""
    async with aclosing(await s3_store.get(ObjectName(bucket, key), receipt=None)) as download:
        return b"".join([chunk async for chunk in download.chunks()])


async def drained(api: RunningApi) -> None:
    await eventually(lambda: api.nobreak.status()["journal"]["entries"] == 0)


async def assert_kept(api: RunningApi, key: str, mode: str) -> bytes:
    """A new body under this key comes back, also by the address that was answered."""
    body = secrets.token_bytes(30)
    stored = await api.put(key, body)
    assert (stored["key"], stored["size"]) == (key, 30)
    assert stored["external"] is (mode == "external")
    assert (await api.get(key))[2] == body
    if key != "..":  # which no client sends as it is
        async with api.session.get(f"http://{api.address}{stored['url']}") as got:
            assert await got.read() == body
    return body


async def test_keys_are_kept_exactly_in_both_modes(api, s3_store, bucket):
    bodies = {}
    for mode in ("external", "local"):
        await api.choose(mode)
        bodies = {key: await assert_kept(api, key, mode) for key in ODD_KEYS}
    await api.choose("auto")
    await drained(api)
    for key, body in bodies.items():
        assert await outside(s3_store, bucket, key) == body


async def test_keys_that_the_external_store_may_not_keep_are_kept_here(start_api):
    api = await start_api(away=True)
    for key in KEYS_THAT_SEAWEEDFS_CANT_KEEP:
        await assert_kept(api, key, "local")


async def test_keys_that_look_alike_are_different_objects(start_api):
    api = await start_api(away=True)
    keys = ["a/b", "a//b", "a%2Fb", "a/b/", "/a/b", "A/b"]
    for key in keys:
        await api.put(key, key.encode())
    assert [(await api.get(key))[2].decode() for key in keys] == keys


async def test_a_key_that_can_not_be_is_a_400(api):
    for path in ("/files/", "/files/%FF", f"/files/{'k' * 1025}", "/files/a%00"):
        code, error = await api.error("PUT", path, data=b"x")
        assert (code, error["code"]) == (400, "invalid_request")


async def pieces(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


@pytest.mark.parametrize("mode", ["external", "local"])
async def test_bodies_come_back_whole_with_and_without_a_length(api, mode):
    await api.choose(mode)
    bodies = [os.urandom(size) for size in (0, 1, 300_000, 5_000_000)]
    for body, source in [(body, how(body)) for body in bodies for how in (bytes, pieces)]:
        size = len(body)
        stored = await api.put("body", source)
        assert stored["size"] == size
        code, headers, found = await api.get("body")
        assert (code, found == body, headers["Content-Length"]) == (200, True, str(size))
        assert headers["ETag"] == f'"{stored["etag"]}"'
    async with api.session.head(api.file("body")) as answer:
        assert answer.headers["Content-Length"] == str(size)
        assert answer.headers["Accept-Ranges"] == "bytes"


@pytest.mark.parametrize("mode", ["external", "local"])
async def test_headers_and_metadata_are_kept(api, mode):
    await api.choose(mode)
    content = {
        "Content-Type": "image/png",
        "Cache-Control": "max-age=60",
        "Content-Disposition": 'inline; filename="a.png"',
        "Content-Encoding": "identity",
        "Content-Language": "pt-BR",
        "Expires": "Mon, 23 Nov 2026 16:00:00 GMT",
    }
    metadata = {"x-nobreak-meta-owner": "ana", "x-amz-meta-camera": "ação 🏥"}
    async with api.session.put(
        api.file("kept"), data=b"png", headers={**content, **metadata}
    ) as answer:
        assert answer.status == 201
    for method in ("GET", "HEAD"):
        async with api.session.request(method, api.file("kept")) as answer:
            assert {name: answer.headers[name] for name in content} == content
            assert answer.headers["x-nobreak-meta-owner"] == "ana"
            raw = dict(answer.raw_headers)[b"x-nobreak-meta-camera"]
            assert raw.decode() == "ação 🏥"


@pytest.mark.parametrize("mode", ["external", "local"])
async def test_ranges(api, mode):
    await api.choose(mode)
    body = os.urandom(400_000)
    await api.put("ranged", body)
    for asked, start, stop in [
        ("bytes=0-9", 0, 10),
        ("bytes=399990-", 399_990, 400_000),
        ("bytes=-5", 399_995, 400_000),
        ("bytes=300000-999999999", 300_000, 400_000),
    ]:
        code, headers, found = await api.get("ranged", {"Range": asked})
        assert (code, found) == (206, body[start:stop])
        assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/400000"
    for whole in ("bytes=0-1,5-9", "bytes=9-2", "lines=1-2", "bytes=x"):
        code, _, found = await api.get("ranged", {"Range": whole})
        assert (code, found == body) == (200, True)
    for outside_of_it in ("bytes=400000-", "bytes=-0"):
        code, headers, found = await api.get("ranged", {"Range": outside_of_it})
        assert (code, headers["Content-Range"]) == (416, "bytes */400000")
        assert b"range_not_satisfiable" in found


@pytest.mark.parametrize("mode", ["external", "local"])
async def test_conditions(api, mode):
    await api.choose(mode)
    etag = f'"{(await api.put("there", b"0123456789"))["etag"]}"'
    modified = (await api.get("there"))[1]["Last-Modified"]
    past = "Mon, 01 Jan 2024 00:00:00 GMT"
    for headers, expected in [
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f'"x", W/{etag}'}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": "*"}, 304),
        ({"If-Modified-Since": modified}, 304),
        ({"If-Modified-Since": past}, 200),
        ({"If-Match": etag}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-Unmodified-Since": past}, 412),
        ({"If-Unmodified-Since": modified}, 200),
        ({"If-Range": etag, "Range": "bytes=0-0"}, 206),
        ({"If-Range": '"x"', "Range": "bytes=0-0"}, 200),
        ({"If-Range": past, "Range": "bytes=0-0"}, 200),
    ]:
        code, _, body = await api.get("there", headers)
        assert code == expected, headers
        assert body == {200: b"0123456789", 206: b"0", 304: b""}.get(code, body)
        if "Range" not in headers:
            async with api.session.head(api.file("there"), headers=headers) as answer:
                assert answer.status == expected, headers


async def test_a_change_on_condition_is_refused_and_not_done(api):
    """I2: to ignore the condition would be a lie."""
    await api.put("there", b"old")
    for method in ("PUT", "DELETE"):
        code, error = await api.error(
            method, "/files/there", data=b"new", headers={"If-None-Match": "*"}
        )
        assert (code, error["code"]) == (501, "not_implemented")
    assert (await api.get("there"))[2] == b"old"


def md5_header(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content).digest()).decode()


@pytest.mark.parametrize("mode", ["external", "local"])
async def test_a_wrong_md5_leaves_no_trace(api, s3_store, bucket, mode):
    await api.choose(mode)
    for body in (b"small", os.urandom(2_000_000)):
        headers = {"Content-MD5": md5_header(body + b"other")}
        code, error = await api.error("PUT", "/files/wrong", data=BytesIO(body), headers=headers)
        assert (code, error["code"]) == (400, "body_mismatch")
    code, error = await api.error(
        "PUT", "/files/wrong", data=b"x", headers={"Content-MD5": "nonsense"}
    )
    assert code == 400
    await api.choose("auto")
    assert (await api.get("wrong"))[0] == 404
    assert api.nobreak.status()["journal"]["entries"] == 0
    with pytest.raises(NotFoundError):
        await s3_store.head(ObjectName(bucket, "wrong"), receipt=None)


async def test_the_right_md5_is_accepted(api):
    await api.put("right", b"body", Content_MD5=md5_header(b"body"))


@pytest.mark.parametrize("mode", ["external", "local"])
@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
async def test_a_client_that_hangs_up_in_the_middle_leaves_no_trace(api, tmp_path, mode, framing):
    await api.choose(mode)
    body = os.urandom(600_000)
    sent = b"%x\r\n%b\r\n" % (len(body), body) if "chunked" in framing else body
    reader, writer = await asyncio.open_connection(api.address.host, api.address.port)
    writer.write(f"PUT /files/half HTTP/1.1\r\nHost: {api.address}\r\n{framing}\r\n\r\n".encode())
    writer.write(sent)
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    assert await reader.read() == b""
    await eventually(lambda: not list((tmp_path / "data" / "spool").iterdir()))
    assert api.nobreak.status()["journal"]["entries"] == 0
    await api.choose("auto")
    assert (await api.get("half"))[0] == 404


async def test_a_client_that_leaves_in_the_middle_of_an_answer_frees_it(api):
    await api.choose("local")
    await api.put("long", os.urandom(20_000_000))
    for _ in range(5):
        reader, writer = await asyncio.open_connection(api.address.host, api.address.port)
        writer.write(f"GET /files/long HTTP/1.1\r\nHost: {api.address}\r\n\r\n".encode())
        await reader.read(1000)
        writer.close()

    def open_blobs() -> list[Path]:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return [link for link in links if "blobs" in link.resolve().parts]

    await eventually(lambda: not open_blobs())


async def test_a_deleted_object_is_gone_in_both_modes(api, s3_store, bucket):
    for mode in ("external", "local"):
        await api.choose("external")
        await api.put("going", b"x")
        await api.choose(mode)
        async with api.session.delete(api.file("going")) as answer:
            assert (answer.status, await answer.read()) == (204, b"")
        code, _, body = await api.get("going")
        assert (code, b"not_found" in body) == (404, True)
        async with api.session.delete(api.file("going")) as answer:
            assert answer.status == 204
        await api.choose("auto")
        await drained(api)
        with pytest.raises(NotFoundError):
            await s3_store.head(ObjectName(bucket, "going"), receipt=None)


async def test_what_only_the_external_store_has_is_an_honest_503_at_once(start_api):
    """I2, I5"""
    api = await start_api(away=True, NOBREAK_LANG="en")
    for method in ("GET", "HEAD"):
        began = asyncio.get_running_loop().time()
        async with api.session.request(method, api.file("unknown")) as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        assert asyncio.get_running_loop().time() - began < 1.5
    _, error = await api.error("GET", "/files/unknown")
    assert (error["code"], "away" in error["message"]) == ("unavailable", True)
    await api.put("mine", b"kept here")
    assert (await api.get("mine"))[2] == b"kept here"


async def test_no_room_is_a_507_and_says_nothing_of_our_disk(start_api, tmp_path):
    """I7"""
    api = await start_api(away=True, NOBREAK_MIN_FREE_BYTES="1000T")
    for body in (b"small", os.urandom(1_000_000)):
        code, error = await api.error("PUT", "/files/k", data=body)
        assert (code, error["code"]) == (507, "out_of_space")
        assert str(tmp_path) not in str(error)


async def test_damaged_local_bytes_are_never_served(api, tmp_path):
    """I2, I7"""
    await api.choose("local")
    for size, whole_answer in ((400_000, True), (3_000_000, False)):
        await api.put(f"damaged-{size}", os.urandom(size))
        (blob,) = [
            path
            for path in (tmp_path / "data" / "blobs").glob("*/*")
            if path.stat().st_size == size
        ]
        content = bytearray(blob.read_bytes())
        content[-1] ^= 1
        blob.write_bytes(content)
        if whole_answer:
            code, error = await api.error("GET", f"/files/damaged-{size}")
            assert (code, error["code"]) == (500, "corrupt_body")
        else:
            with pytest.raises(Exception, match=r"payload|Connection"):
                await api.get(f"damaged-{size}")
        headers = {"Range": "bytes=0-9"}
        code, error = await api.error("GET", f"/files/damaged-{size}", headers=headers)
        assert (code, error["code"]) == (500, "corrupt_body"), "nor is any part of it"
    told = [event for event in api.nobreak.events.after() if event.kind == "body_corrupt"]
    assert {event.fields["seq"] for event in told} == {1, 2}, "the operator knows which (I7)"


async def test_stored_content_can_not_act_as_a_page_of_ours(api):
    for content_type, sandboxed, attached in [
        ("image/png", False, False),
        ("video/mp4; codecs=x", False, False),
        ("application/pdf", False, False),
        ("text/plain", True, False),
        ("text/html", True, True),
        ("TEXT/HTML", True, True),
        ("image/svg+xml", True, True),
        ("image/png, text/html", True, True),
        ("image/png;,text/html", True, True),
        ("application/octet-stream", True, True),
    ]:
        await api.put("page", b"<script>alert(1)</script>", Content_Type=content_type)
        _, headers, _ = await api.get("page")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert ("sandbox" in headers.get("Content-Security-Policy", "")) is sandboxed, content_type
        assert (headers.get("Content-Disposition") == "attachment") is attached, content_type


async def test_a_client_may_wait_for_permission_to_send(api):
    """Expect: 100-continue, as curl sends it with large bodies."""
    body = os.urandom(1_500_000)
    async with api.session.put(api.file("expected"), data=BytesIO(body), expect100=True) as answer:
        assert answer.status == 201
    assert (await api.get("expected"))[2] == body
