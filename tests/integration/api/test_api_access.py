"""Who may use the API, with and without `NOBREAK_API_TOKEN` (issue 2, item 7)."""

import asyncio

import pytest
from tests.support.api import RunningApi, running_api, storage_environment

from nobreak.errors import SettingsError

GUARDED = [
    ("PUT", "/files/a"),
    ("GET", "/files/a"),
    ("HEAD", "/files/a"),
    ("DELETE", "/files/a"),
    ("POST", "/api/upload"),
    ("POST", "/api/storage-mode"),
    ("GET", "/api/events"),
    ("GET", "/api/events?follow=true"),
]
OPEN = [("GET", "/api/storage-status"), ("GET", "/api/health"), ("HEAD", "/api/health")]
TOKEN = "a-long-token"


async def answer(api: RunningApi, method: str, path: str, headers: dict[str, str]) -> int:
    async with api.session.request(method, api.url(path), headers=headers) as found:
        return found.status


async def test_a_token_is_asked_for_everywhere_but_for_status_and_health(start_api):
    api = await start_api(NOBREAK_API_TOKEN=TOKEN)
    for given in ({}, {"Authorization": "Bearer other"}, {"Authorization": f"Basic {TOKEN}"}):
        for method, path in GUARDED:
            assert await answer(api, method, path, given) == 401, (method, path)
        for method, path in OPEN:
            assert await answer(api, method, path, given) == 200
    for method, path in GUARDED:
        found = await answer(api, method, path, {"Authorization": f"bearer {TOKEN}"})
        assert found not in {401, 403}, (method, path)


async def test_public_files_may_be_read_and_not_written(start_api):
    api = await start_api(NOBREAK_API_TOKEN=TOKEN, NOBREAK_PUBLIC_FILES="true")
    assert await answer(api, "GET", "/files/a", {}) == 404
    assert await answer(api, "HEAD", "/files/a", {}) == 404
    for method in ("PUT", "DELETE"):
        assert await answer(api, method, "/files/a", {}) == 401


async def test_a_refusal_comes_before_the_body(start_api):
    api = await start_api(NOBREAK_API_TOKEN=TOKEN)
    reader, writer = await asyncio.open_connection(api.address.host, api.address.port)
    head = f"PUT /files/a HTTP/1.1\r\nHost: {api.address}\r\nContent-Length: 9\r\n"
    writer.write(head.encode() + b"Expect: 100-continue\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 401")
    writer.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_page_of_another_site_can_change_nothing(api, headers):
    for method, path in GUARDED:
        if method not in {"GET", "HEAD"}:
            assert await answer(api, method, path, headers) == 403, (method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": ""},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
    ],
)
async def test_without_a_token_only_this_machines_own_programs_are_served(api, headers):
    """DNS rebinding, and proxies that bring strangers."""
    for method, path in GUARDED:
        assert await answer(api, method, path, headers) == 403, (method, path)
    for method, path in OPEN:
        assert await answer(api, method, path, headers) == 200


async def test_a_page_of_our_own_may_write(api):
    origin = {"Origin": f"http://{api.address}", "Sec-Fetch-Site": "same-origin"}
    assert await answer(api, "PUT", "/files/a", origin) == 201


async def test_beyond_loopback_without_a_token_nothing_starts(tmp_path):
    environment = storage_environment(tmp_path, None, NOBREAK_API_LISTEN="0.0.0.0:0")
    with pytest.raises(SettingsError, match="NOBREAK_API_TOKEN"):
        async with running_api(environment):
            pass


async def test_a_port_that_is_taken_is_said_in_one_line(api, tmp_path):
    taken = str(api.address)
    second = storage_environment(tmp_path, None, NOBREAK_API_LISTEN=taken)
    second["NOBREAK_DATA_DIR"] = str(tmp_path / "second")
    with pytest.raises(SettingsError, match=rf'NOBREAK_API_LISTEN="{taken}": .*em uso'):
        async with running_api(second):
            pass
