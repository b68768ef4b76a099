"""Who is told of events: the hub, its sinks, the ring and the console."""

import asyncio
import io
import threading
from datetime import UTC, datetime

from tests.support.net import eventually
from tests.support.reports import log_settings

from nobreak.lang import Lang
from nobreak.reporting.console import Console
from nobreak.reporting.events import EventKind
from nobreak.reporting.hub import Hub
from nobreak.reporting.ring import Ring

NOON = datetime(2025, 10, 31, 12, tzinfo=UTC)


def hub_with_ring(size: int = 1000) -> tuple[Hub, Ring]:
    hub, ring = Hub(lambda: NOON), Ring(size)
    hub.add(ring)
    return hub, ring


def test_events_carry_growing_ids_the_time_and_their_fields():
    hub, ring = hub_with_ring()
    hub.emit(EventKind.CHECK_OK, response_time=0.1)
    hub.emit(EventKind.FALLBACK_COMPLETE)
    first, second = ring.after()
    assert (first.id, first.time, dict(first.fields)) == (1, NOON, {"response_time": 0.1})
    assert second.id == 2


def test_a_hook_that_raises_hurts_nobody_and_is_reported_once():
    hub, ring = hub_with_ring()

    def broken_hook(_event):
        raise RuntimeError("oh")

    heard = []
    hub.add(broken_hook)
    hub.add(heard.append)
    hub.emit(EventKind.DISK_OK, free=1)
    hub.emit(EventKind.DISK_OK, free=2)
    kinds = [event.kind for event in ring.after()]
    assert kinds == [EventKind.DISK_OK, EventKind.HOOK_FAILED, EventKind.DISK_OK]
    assert [event.kind for event in heard].count(EventKind.DISK_OK) == 2
    failure = ring.after()[1].fields
    assert "broken_hook" in str(failure["hook"])
    assert failure["reason"] == "RuntimeError('oh')"


def test_a_hook_that_was_removed_hears_no_more():
    hub, _ = hub_with_ring()
    heard = []
    hook = heard.append
    hub.add(hook)
    hub.remove(hook)
    hub.emit(EventKind.CHECK_OK, response_time=0.1)
    assert heard == []


def test_events_of_several_threads_keep_one_order():
    hub, ring = hub_with_ring()
    threads = [
        threading.Thread(target=lambda: [hub.emit(EventKind.DISK_OK, free=1) for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [event.id for event in ring.after()] == list(range(1, 801))


def test_the_ring_forgets_the_oldest_and_gives_what_came_after_an_id():
    hub, ring = hub_with_ring(size=3)
    for free in range(5):
        hub.emit(EventKind.DISK_OK, free=free)
    assert [event.id for event in ring.after()] == [3, 4, 5]
    assert [event.id for event in ring.after(4)] == [5]
    assert [event.id for event in ring.after(limit=2)] == [4, 5]
    assert ring.after(limit=0) == []


async def test_a_follower_gets_the_past_then_what_comes_from_any_thread():
    hub, ring = hub_with_ring()
    hub.emit(EventKind.DISK_OK, free=1)
    seen = []

    async def follow():
        async for event in ring.follow():
            seen.append(event.id)  # noqa: PERF401 - it has no end

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(follow())
        await eventually(lambda: seen == [1])
        await asyncio.to_thread(hub.emit, EventKind.DISK_OK, free=2)
        hub.emit(EventKind.DISK_OK, free=3)
        await eventually(lambda: seen == [1, 2, 3])
        task.cancel()
    assert ring._followers == ()


def test_the_console_shows_all_lines_or_only_the_logs_own_troubles(tmp_path):
    settings = log_settings(tmp_path / "log", lang=Lang.EN)
    everything, troubles = io.StringIO(), io.StringIO()
    hub = Hub(lambda: NOON)
    hub.add(Console(everything, settings, everything=True))
    hub.add(Console(troubles, settings, everything=False))
    hub.emit(EventKind.FALLBACK_COMPLETE)
    hub.emit(EventKind.LOG_MOVED, wanted="/a", reason="b", path="/c")
    assert [line[20:] for line in everything.getvalue().splitlines()] == [
        "[INFO] ✅ AUTO-FALLBACK COMPLETE",
        "[WARNING] ⚠️ The log can't be written to /a (b): using /c",
    ]
    assert troubles.getvalue().count("\n") == 1


def test_a_console_that_is_closed_or_knows_no_emoji_hurts_nobody(tmp_path):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    closed = io.StringIO()
    closed.close()
    hub, ring = hub_with_ring()
    for stream in (narrow, closed):
        hub.add(Console(stream, log_settings(tmp_path / "log"), everything=True))
    hub.emit(EventKind.FALLBACK_COMPLETE)
    assert rb"[INFO] \u2705 AUTO-FALLBACK COMPLETO" in narrow.buffer.getvalue()
    assert len(ring.after()) == 1
