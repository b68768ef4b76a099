"""`/api/storage-status`, `/api/health` and `/api/storage-mode` over a real server (seed, I6, I7)."""

import asyncio
import json
from datetime import datetime

import pytest
from tests.support.api import RunningApi
from tests.support.net import eventually

SEEDS_EXAMPLE = """
{
  "current_mode": "local",
  "external_server": {
    "host": "198.96.94.106",
    "port": "9000",
    "url": "http://198.96.94.106:9000/health"
  },
  "monitor": {
    "is_running": true,
    "check_interval": 60,
    "consecutive_failures": 1,
    "consecutive_successes": 0,
    "max_failures": 3,
    "last_check": "2025-10-31T14:35:53.123456+00:00"
  }
}
"""


async def status(api: RunningApi) -> dict:
    async with api.session.get(api.url("/api/storage-status")) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        return await answer.json()


async def checked(api: RunningApi) -> None:
    await eventually(lambda: api.nobreak.status()["monitor"]["last_check"] is not None)


def assert_same_shape(example: object, found: object, path: str = "") -> None:
    """Every key of the example is there, with a value of the same type."""
    assert type(found) is type(example), f"{path}: {found!r} is no {type(example).__name__}"
    if isinstance(example, dict):
        for key, value in example.items():
            assert key in found, f"{path}.{key} is missing"
            assert_same_shape(value, found[key], f"{path}.{key}")


async def test_the_status_has_the_seeds_keys_and_types(start_api):
    api = await start_api(HEALTH_CHECK_INTERVAL="60")
    await checked(api)
    found = await status(api)
    assert_same_shape(json.loads(SEEDS_EXAMPLE), found)
    assert datetime.fromisoformat(found["monitor"]["last_check"]).utcoffset() is not None
    assert found["monitor"]["check_interval"] == 60


async def test_curl_gets_the_status_as_the_seed_shows(api):
    curl = await asyncio.create_subprocess_exec(
        "curl", "-s", "-f", str(api.url("/api/storage-status")), stdout=asyncio.subprocess.PIPE
    )
    output, _ = await curl.communicate()
    assert curl.returncode == 0
    assert json.loads(output)["current_mode"] == "external"


async def health(api: RunningApi) -> tuple[int, dict]:
    async with api.session.get(api.url("/api/health")) as answer:
        return answer.status, await answer.json()


async def test_all_is_well_without_reasons(api):
    await checked(api)
    code, found = await health(api)
    assert (code, found["status"], found["reasons"]) == (200, "ok", [])
    assert found["journal"]["writable"]
    assert found["disk"]["room"]
    assert found["monitor"]["is_running"]


async def test_an_absent_external_store_is_no_reason_for_503(start_api):
    api = await start_api(away=True)
    await eventually(lambda: api.nobreak.status()["current_mode"] == "local")
    code, found = await health(api)
    assert (code, found["status"]) == (200, "degraded")
    assert (found["mode"], found["external_reachable"]) == ("local", False)
    assert "storage externo" in found["reasons"][0]


async def test_a_full_disk_alone_is_no_reason_for_503(start_api):
    api = await start_api(NOBREAK_MIN_FREE_BYTES="1000T", NOBREAK_LANG="en")
    code, found = await health(api)
    assert (code, found["status"], found["disk"]["room"]) == (200, "degraded", False)
    assert found["reasons"] == ["The local disk is full"]


async def test_a_full_disk_and_an_absent_external_store_are_503(start_api):
    """I7: nobody can store anything, and the load balancer must know."""
    api = await start_api(away=True, NOBREAK_MIN_FREE_BYTES="1000T")
    await eventually(lambda: api.nobreak.status()["current_mode"] == "local")
    code, found = await health(api)
    assert (code, found["status"], found["writes"]) == (503, "unavailable", False)


async def test_a_data_directory_that_is_gone_and_an_absent_external_store_are_503(
    start_api, tmp_path
):
    api = await start_api(away=True)
    await eventually(lambda: api.nobreak.status()["current_mode"] == "local")
    (tmp_path / "data" / "spool").rmdir()
    code, found = await health(api)
    (tmp_path / "data" / "spool").mkdir()
    assert (code, found["journal"]["writable"]) == (503, False)


async def test_load_balancers_may_ask_with_head(api):
    for path in ("/api/health", "/api/storage-status"):
        async with api.session.head(api.url(path)) as answer:
            assert answer.status == 200


async def test_the_mode_changes_by_hand_and_the_answer_is_the_new_status(api):
    assert (await api.choose("local"))["current_mode"] == "local"
    found = await api.choose("auto")
    assert (found["current_mode"], found["override"]) == ("external", "auto")
    assert [change["mode"] for change in found["transitions"]] == ["external", "local"]


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        ('{"mode": "sideways"}', {"Content-Type": "application/json"}, 422),
        ("{", {"Content-Type": "application/json"}, 422),
        ('{"mode": "local"}', {"Content-Type": "text/plain"}, 415),
    ],
)
async def test_a_mode_that_is_none_changes_nothing(api, body, headers, code):
    found, error = await api.error("POST", "/api/storage-mode", data=body, headers=headers)
    assert found == code
    assert error["message"]
    assert (await status(api))["current_mode"] == "external"


async def test_what_does_not_exist_is_a_json_404(api):
    code, error = await api.error("GET", "/api/nothing")
    assert (code, error["code"]) == (404, "not_found")
    code, error = await api.error("PATCH", "/api/health")
    assert (code, error["code"]) == (405, "method_not_allowed")
