"""An edited `.env` or SIGHUP applies at once what need not wait for a restart."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.net import eventually
from tests.support.reports import Told

from nobreak.engine.reload import SettingsWatcher, live_change
from nobreak.errors import SettingsError
from nobreak.reporting.events import EventKind
from nobreak.settings import Probe, Settings, load_settings

BASE = "EXTERNAL_STORAGE_HOST=store\nEXTERNAL_STORAGE_PORT=9000\n"
LOOK = 0.05


class Running:
    """A watcher at work on a file, and what came of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told = Told()
        self.applied: list[Settings] = []

    def load(self) -> Settings:
        return load_settings({}, self.path)

    async def apply(self, settings: Settings) -> None:
        self.applied.append(settings)

    async def hears(self, *kinds: EventKind) -> None:
        await eventually(lambda: self.told.kinds == list(kinds), within=5)


@pytest.fixture
def running(tmp_path):
    path = tmp_path / ".env"
    path.write_text(BASE)
    return Running(path)


@asynccontextmanager
async def watching(running: Running, *, on_sighup: bool = False):
    watcher = SettingsWatcher(running.load(), running.load, running.apply, running.told, LOOK)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watcher.run(on_sighup=on_sighup))
        await asyncio.sleep(4 * LOOK)
        yield watcher
        task.cancel()


def edit_in_place(path: Path, text: str) -> None:
    path.write_text(text)


def replace_file(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


@pytest.mark.parametrize("edit", [edit_in_place, replace_file])
async def test_an_edit_of_the_file_is_applied(edit, running):
    async with watching(running):
        edit(running.path, BASE + 'HEALTH_MAX_FAILURES="2"\nUSE_EXTERNAL_STORAGE="false"\n')
        await running.hears(EventKind.SETTINGS_RELOADED)
    assert running.applied[0].health.max_failures == 2
    assert running.applied[0].use_external is False
    assert running.told.events[0][1] == {"names": "USE_EXTERNAL_STORAGE, HEALTH_MAX_FAILURES"}


async def test_an_edit_of_the_same_size_within_one_timestamp_is_noticed_by_its_inode(running):
    running.path.write_text(BASE + "HEALTH_MAX_FAILURES=2\n")
    stamp = running.path.stat().st_mtime_ns
    async with watching(running):
        new = running.path.with_suffix(".new")
        new.write_text(BASE + "HEALTH_MAX_FAILURES=4\n")
        os.utime(new, ns=(stamp, stamp))
        new.replace(running.path)
        await running.hears(EventKind.SETTINGS_RELOADED)


async def test_sighup_reads_the_file_at_once_and_says_so_even_when_nothing_changed(running):
    async with watching(running, on_sighup=True):
        os.kill(os.getpid(), signal.SIGHUP)
        await running.hears(EventKind.SETTINGS_UNCHANGED)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    assert running.applied == []


async def test_a_bad_edit_is_reported_once_and_the_old_settings_stay(running):
    async with watching(running):
        edit_in_place(running.path, BASE + "HEALTH_MAX_FAILURES=many\n")
        await running.hears(EventKind.SETTINGS_REJECTED)
        await asyncio.sleep(5 * LOOK)
        assert 'HEALTH_MAX_FAILURES="many"' in str(running.told.events[0][1]["reason"])
        edit_in_place(running.path, BASE + "HEALTH_MAX_FAILURES=9\n")
        await running.hears(EventKind.SETTINGS_REJECTED, EventKind.SETTINGS_RELOADED)
    assert [settings.health.max_failures for settings in running.applied] == [9]


async def test_a_file_that_disappears_leaves_the_old_settings(running):
    async with watching(running):
        running.path.unlink()
        await running.hears(EventKind.SETTINGS_REJECTED)
    assert running.applied == []


async def test_what_needs_a_restart_is_named_and_not_applied(running):
    async with watching(running):
        edit_in_place(running.path, BASE + "NOBREAK_BUCKET=other\nHEALTH_CHECK_INTERVAL=5\n")
        await running.hears(EventKind.SETTINGS_RELOADED, EventKind.SETTINGS_NEED_RESTART)
    assert running.told.events[1][1] == {"names": "NOBREAK_BUCKET"}
    assert running.applied[0].writes.bucket == "nobreak"
    assert running.applied[0].health.interval == 5


async def test_the_rate_of_the_drain_is_applied_and_no_other_of_the_writes_settings(running):
    async with watching(running):
        text = "NOBREAK_DRAIN_RATE=2M\nNOBREAK_DRAIN_CONCURRENCY=3\n"
        edit_in_place(running.path, BASE + text)
        await running.hears(EventKind.SETTINGS_RELOADED, EventKind.SETTINGS_NEED_RESTART)
    writes = running.applied[0].writes
    assert (writes.drain_rate, writes.drain_concurrency) == (2 * 1024 * 1024, 16)


async def test_a_file_that_is_still_being_written_is_left_alone(running):
    async with watching(running):
        for n in range(12):
            running.path.write_text(BASE + f"HEALTH_MAX_FAILURES={n + 4}\n" + "#" * n)
            await asyncio.sleep(LOOK / 2)
        await running.hears(EventKind.SETTINGS_RELOADED)
    assert [settings.health.max_failures for settings in running.applied] == [15]


def test_an_edited_store_address_does_not_move_the_checks_before_the_restart():
    before = load_settings({"EXTERNAL_STORAGE_URL": "upload+http://old"})
    after = load_settings({"EXTERNAL_STORAGE_URL": "upload+http://new", "HEALTH_PROBE": "auto,tcp"})
    change = live_change(before, after)
    assert change.settings.health.check_url == "http://old/health"
    assert change.settings.health.probes == (Probe.HTTP, Probe.TCP)
    assert change.settings.external.url == "http://old"
    assert change.needs_restart == ("EXTERNAL_STORAGE_URL",)


def test_a_probe_that_does_not_fit_the_running_store_is_refused():
    keys = {"EXTERNAL_STORAGE_ACCESS_KEY": "a", "EXTERNAL_STORAGE_SECRET_KEY": "b"}
    before = load_settings({"EXTERNAL_STORAGE_URL": "upload+http://old"})
    after = load_settings({"EXTERNAL_STORAGE_URL": "s3+http://new", "HEALTH_PROBE": "s3", **keys})
    with pytest.raises(SettingsError, match="HEALTH_PROBE"):
        live_change(before, after)
