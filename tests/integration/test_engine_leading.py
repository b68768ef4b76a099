"""What only one process of a machine does (I6), and that it goes on whatever fails (I7)."""

import asyncio
import os
import time

from tests.support.net import eventually

from nobreak.engine import leading as leading_module
from nobreak.engine.leading import Leading
from nobreak.engine.monitor import Monitor
from nobreak.errors import LocalStoreError
from nobreak.reporting.events import EventKind


async def test_a_part_that_fails_is_reported_and_begun_again(start, monkeypatch):
    """I7: the others go on meanwhile."""
    monkeypatch.setattr(leading_module, "AFTER_TROUBLE", 0.05)
    run, failures = Monitor.run, [KeyError("a bug")]

    async def failing_once(monitor):
        if failures:
            raise failures.pop()
        await run(monitor)

    monkeypatch.setattr(Monitor, "run", failing_once)
    rig = await start()
    assert rig.probe.checks > 0
    told = [fields for kind, fields in rig.told.events if kind is EventKind.UNEXPECTED_ERROR]
    assert [(fields["where"], fields["reason"]) for fields in told] == [
        ("monitor", "KeyError('a bug')")
    ]


async def test_who_leads_removes_what_a_crash_left_behind_and_keeps_the_rest(start):
    first = await start(leads=False)
    data = first.settings.local.data_dir
    await first.engine.__aexit__(None, None, None)
    (data / "blobs" / "ab").mkdir()
    orphans = [data / "blobs" / "ab" / "ab1", data / "spool" / "cd2"]
    young = data / "blobs" / "ab" / "ab3"
    for path in (*orphans, young):
        path.touch()
    for path in orphans:
        os.utime(path, (time.time() - 7200,) * 2)
    await start()
    await eventually(lambda: not any(path.exists() for path in orphans))
    assert young.exists()


async def test_who_stops_in_order_is_not_taken_for_dead_by_the_next(start):
    """I6."""
    first = await start()
    board = first.engine._context.board
    await eventually(lambda: board.read().leader == os.getpid())
    await first.engine.__aexit__(None, None, None)
    assert first.said(EventKind.MONITOR_STOPPED)
    look = await start(first.external, leads=False)
    assert look.engine._context.board.read().leader == 0
    second = await start(first.external)
    assert second.said(EventKind.MONITOR_STARTED)
    assert not second.said(EventKind.MONITOR_TAKEN_OVER)


async def test_what_all_processes_see_only_the_leader_says(rig):
    """Else a change of the settings would be in the log once for each worker."""
    speaker = Leading(rig.engine._context, rig.engine._live, rig.engine._leadership, rig.external)
    before = len(rig.told.events)
    speaker.as_reporter().emit(EventKind.MONITOR_STOPPED, pid=1)
    assert len(rig.told.events) == before
    speaker.leads = True
    speaker.as_reporter().emit(EventKind.MONITOR_STOPPED, pid=1)
    assert rig.told.events[-1] == (EventKind.MONITOR_STOPPED, {"pid": 1})


async def test_a_part_that_fails_while_it_is_stopped_is_not_begun_again(start, monkeypatch):
    """A disk that can't be written any more must not keep a process from ending."""
    run, stop = Monitor.run, []

    async def failing_at_its_end(monitor):
        try:
            await run(monitor)
        finally:
            stop.append(True)
            raise LocalStoreError("the disk is gone")

    monkeypatch.setattr(Monitor, "run", failing_at_its_end)
    rig = await start()
    async with asyncio.timeout(20):
        await rig.engine.__aexit__(None, None, None)
    assert stop == [True]
