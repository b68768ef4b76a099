"""`POST /api/upload`: the seed's form, whose answer's `url` outlives an outage (I1, I2)."""

import asyncio
import os
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.support.api import RunningApi
from tests.support.net import eventually

from nobreak.words import ObjectName


def form(content: object, filename: str = "foto.PNG", content_type: str = "image/png"):
    data = aiohttp.FormData()
    data.add_field("file", content, filename=filename, content_type=content_type)
    return data


async def upload(api: RunningApi, data: object, **options) -> tuple[int, dict]:
    async with api.session.post(api.url("/api/upload"), data=data, **options) as answer:
        return answer.status, await answer.json()


async def test_the_answer_has_the_seeds_keys_and_ours(api):
    code, found = await upload(api, form(b"pixels"))
    assert code == 200
    filename = found["filename"]
    assert found == {
        "success": True,
        "filename": filename,
        "url": f"/files/{filename}",
        "size": 6,
        "kind": "image",
        "external": True,
    }
    assert filename.endswith(".png")
    assert filename != (await upload(api, form(b"pixels")))[1]["filename"]


async def test_the_url_works_before_during_and_after_an_outage(api, s3_store, bucket):
    bodies: dict[str, bytes] = {}

    async def upload_one(*, external: bool) -> None:
        body = os.urandom(700_000)
        code, found = await upload(api, form(body))
        assert (code, found["external"]) == (200, external)
        bodies[found["url"]] = body

    async def check(url: str) -> None:
        async with api.session.get(api.url(url)) as answer:
            assert await answer.read() == bodies[url]
            assert answer.content_type == "image/png"

    await upload_one(external=True)
    await api.choose("local")
    await upload_one(external=False)
    during = list(bodies)[-1]
    await check(during)
    await api.choose("auto")
    await eventually(lambda: api.nobreak.status()["journal"]["entries"] == 0)
    await upload_one(external=True)
    for url in bodies:
        await check(url)
        key = url.removeprefix("/files/")
        info = await s3_store.head(ObjectName(bucket, key), receipt=None)
        assert info.size == 700_000


async def test_kinds_and_names(api):
    for filename, content_type, kind in [
        ("a.mp4", "video/mp4", "video"),
        ("a.ogg", "audio/ogg", "audio"),
        ("a.jpg", "application/octet-stream", "image"),
        ("a.pdf", "application/pdf", "document"),
        ("a.docx", "application/octet-stream", "document"),
        ("a.txt", "text/plain; charset=utf-8", "document"),
        ("a.bin", "application/octet-stream", "other"),
        ("../../etc/pass wd", "nonsense", "other"),
        ("ação.PDF", "application/octet-stream", "document"),
    ]:
        _, found = await upload(api, form(b"x", filename, content_type))
        assert found["kind"] == kind, filename
        assert found["filename"].isascii()
        assert "/" not in found["filename"]


async def test_other_fields_are_passed_over(api):
    data = form(os.urandom(500_000))
    data.add_field("title", "a title")
    code, found = await upload(api, data)
    assert (code, found["size"]) == (200, 500_000)


def without_file():
    data = aiohttp.FormData(default_to_multipart=True)
    data.add_field("title", "no file")
    return data


def two_files():
    data = form(os.urandom(300_000))
    data.add_field("file", b"second", filename="b.png")
    return data


def raw(body: bytes):
    return aiohttp.BytesPayload(body, headers={"Content-Type": "multipart/form-data; boundary=b"})


PART = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (without_file, 422, "file_missing"),
        (two_files, 422, "two_files"),
        (lambda: b"no form", 400, "form_required"),
        (lambda: {"file": "a text field"}, 400, "form_required"),
        (lambda: form(b"", filename=""), 422, "file_missing"),
        (lambda: raw(PART + b"never ended"), 400, "form_cut_short"),
        (lambda: raw(b"no boundary at all"), 400, "form_malformed"),
        (lambda: raw(b""), 422, "file_missing"),
    ],
)
async def test_a_form_that_will_not_do_is_refused_in_the_users_language(
    start_api, data, status, code
):
    api = await start_api(NOBREAK_LANG="en")
    found_status, found = await upload(api, data())
    assert (found_status, found["success"], found["code"]) == (status, False, code)
    assert found["error"].isascii()
    assert set(found) == {"success", "error", "code"}
    assert (await api.nobreak.store.list(api.nobreak.settings.writes.bucket)).objects == ()


async def test_a_client_that_hangs_up_leaves_no_trace(api, tmp_path):
    await api.choose("local")

    async def endless() -> AsyncIterator[bytes]:
        yield PART
        while True:
            yield os.urandom(100_000)
            await asyncio.sleep(0.01)

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await upload(api, endless(), headers=headers)
    spool = tmp_path / "data" / "spool"
    await eventually(lambda: not list(spool.iterdir()))
    assert api.nobreak.status()["journal"]["entries"] == 0


async def test_an_upload_that_finds_no_room_says_so_as_the_seeds_clients_expect(start_api):
    """I7"""
    api = await start_api(away=True, NOBREAK_MIN_FREE_BYTES="1000T")
    code, found = await upload(api, form(os.urandom(300_000)))
    assert (code, found["success"], found["code"]) == (507, False, "out_of_space")
    assert found["error"] == "Não há espaço no disco local do servidor"


async def test_curl_uploads_a_file(api, tmp_path):
    (tmp_path / "a.txt").write_bytes(b"from curl\n")
    curl = await asyncio.create_subprocess_exec(
        *("curl", "-s", "-f", "-F", f"file=@{tmp_path}/a.txt", str(api.url("/api/upload"))),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await curl.communicate()
    assert b'"size":10,"kind":"document"' in output
