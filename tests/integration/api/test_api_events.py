"""`GET /api/events`: a page of them, and server-sent events."""

import asyncio
import json
import time

import aiohttp
from tests.support.api import RunningApi, running_api, storage_environment


async def events(api: RunningApi, query: str = "") -> dict:
    async with api.session.get(api.url(f"/api/events{query}")) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_events_come_oldest_first_and_go_on_after_the_last_one(api):
    await api.choose("local")
    await asyncio.sleep(0.5)
    all_of_them = (await events(api))["events"]
    assert [event["id"] for event in all_of_them] == list(range(1, len(all_of_them) + 1))
    assert {"monitor_started", "api_started", "override_changed"} <= {
        event["event"] for event in all_of_them
    }
    first = await events(api, "?after=0&limit=1")
    second = await events(api, f"?after={first['last']}&limit=1")
    assert [first["events"][0]["id"], second["events"][0]["id"]] == [1, 2]
    assert (await events(api, "?limit=1"))["events"][0]["id"] >= all_of_them[-1]["id"]
    assert (await events(api, "?after=100000"))["events"] == []


async def test_a_follower_hears_what_happens_next(api):
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "1"}
    async with api.session.get(api.url("/api/events"), headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        await api.choose("local")
        async with asyncio.timeout(5):
            async for line in answer.content:
                if line == b"event: override_changed\n":
                    break
            data = json.loads((await answer.content.readline()).removeprefix(b"data: "))
    assert data["fields"]["after"] == "local"
    assert data["id"] > 1


async def test_a_follower_does_not_hold_up_the_end(tmp_path, seaweed, bucket):
    environment = storage_environment(tmp_path, seaweed, NOBREAK_BUCKET=bucket)
    async with aiohttp.ClientSession() as session:
        async with running_api(environment) as api:
            answer = await session.get(api.url("/api/events?follow=true"))
            await answer.content.readline()
            began = time.monotonic()
        assert time.monotonic() - began < 2
        answer.close()
