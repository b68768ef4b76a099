"""The log file: the seed's lines, rotation of ours and of logrotate, nothing lost or torn."""

import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.support.reports import log_settings

from nobreak.lang import Lang
from nobreak.reporting import logfile
from nobreak.reporting.events import EventKind
from nobreak.reporting.hub import Hub
from nobreak.reporting.log import HealthLog
from nobreak.reporting.logfile import LogFile
from nobreak.reporting.ring import Ring
from nobreak.reporting.start import open_reporting
from nobreak.settings import LogFormat, load_settings

DATA = Path(__file__).parents[1] / "data"
LOGROTATE = shutil.which("logrotate") or shutil.which("logrotate", path="/usr/sbin")
WRITER = """
import sys
from pathlib import Path
from nobreak.reporting.logfile import LogFile
path, who, count, size = sys.argv[1:]
log = LogFile(Path(path), max_bytes=int(size), backups=900)
for n in range(int(count)):
    log.append(f"{who} {n} " + "x" * (n % 80) + " .")
"""


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, text: str) -> None:
        self.time = datetime.fromisoformat(text).astimezone()

    def __call__(self) -> datetime:
        return self.time


def logging_hub(settings, data_dir: Path, now=None) -> tuple[Hub, Ring, HealthLog]:
    hub = Hub(now) if now else Hub()
    ring, log = Ring(), HealthLog(settings, data_dir, hub)
    hub.add(log)
    hub.add(ring)
    return hub, ring, log


def lines_of(*paths: Path) -> list[str]:
    return [line for path in paths for line in path.read_text().splitlines()]


def all_logs(folder: Path) -> list[Path]:
    return sorted(folder.glob("health.log*"))


# --- the seed's two blocks -------------------------------------------------------------------


def test_an_outage_is_logged_exactly_as_in_the_seed(tmp_path):
    """Seed: "Quando servidor externo está offline"."""
    clock = Clock("2025-10-31T14:35:20")
    hub, _, log = logging_hub(log_settings(tmp_path / "health.log"), tmp_path, clock)
    for failures in (1, 2, 3):
        hub.emit(EventKind.CHECK_CONNECTION_ERROR, detail="refused")
        hub.emit(EventKind.FAILURE_COUNTED, failures=failures, max_failures=3)
        clock.time += timedelta(seconds=60 if failures < 3 else 0)
    hub.emit(EventKind.FALLBACK_STARTED)
    hub.emit(EventKind.FALLBACK_COMPLETE)
    assert log.path.read_bytes() == (DATA / "seed_log_offline.txt").read_bytes()


def test_a_recovery_is_logged_exactly_as_in_the_seed(tmp_path):
    """Seed: "Quando servidor externo volta"."""
    clock = Clock("2025-10-31T15:00:00")
    hub, _, log = logging_hub(log_settings(tmp_path / "health.log"), tmp_path, clock)
    for response_time in (0.15, 0.12, 0.18):
        hub.emit(EventKind.CHECK_OK, response_time=response_time)
        clock.time += timedelta(seconds=60 if response_time != 0.18 else 0)
    hub.emit(EventKind.RECOVERY_STARTED)
    hub.emit(EventKind.RECOVERY_COMPLETE)
    assert log.path.read_bytes() == (DATA / "seed_log_recovery.txt").read_bytes()


def test_the_log_can_be_json_in_english(tmp_path):
    settings = log_settings(tmp_path / "health.log", log_format=LogFormat.JSON, lang=Lang.EN)
    hub, _, log = logging_hub(settings, tmp_path)
    hub.emit(EventKind.FALLBACK_STARTED)
    assert [json.loads(line)["message"] for line in lines_of(log.path)] == [
        "🚨 EXTERNAL SERVER UNAVAILABLE!",
        "🔄 Starting AUTO-FALLBACK to local storage...",
    ]


# --- our own rotation ------------------------------------------------------------------------


def test_the_log_rotates_by_size_and_keeps_so_many_backups(tmp_path):
    path = tmp_path / "health.log"
    log = LogFile(path, max_bytes=100, backups=2)
    for n in range(40):
        log.append(f"line {n:02} " + "." * 11)
    assert [each.name for each in all_logs(tmp_path)] == [
        "health.log",
        "health.log.1",
        "health.log.2",
    ]
    assert all(each.stat().st_size <= 100 for each in all_logs(tmp_path))
    numbers = [int(line.split()[1]) for line in lines_of(*reversed(all_logs(tmp_path)))]
    assert numbers == list(range(40 - len(numbers), 40))


def test_a_line_longer_than_the_limit_is_still_written_whole(tmp_path):
    log = LogFile(tmp_path / "health.log", max_bytes=10, backups=2)
    log.append("x" * 50)
    log.append("y")
    assert lines_of(tmp_path / "health.log.1") == ["x" * 50]


def test_a_rotation_cut_short_leaves_a_gap_that_the_next_one_fills(tmp_path):
    (tmp_path / "health.log.2").write_text("old\n")
    log = LogFile(tmp_path / "health.log", max_bytes=5, backups=3)
    for word in ("first", "second"):
        log.append(word)
    assert lines_of(*all_logs(tmp_path)) == ["second", "first", "old"]


def test_four_processes_write_and_rotate_without_losing_or_tearing_a_line(tmp_path):
    """I7: nothing is dropped in silence."""
    path, count = tmp_path / "health.log", 1500
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(who), str(count), "20000"])
        for who in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]
    assert len(all_logs(tmp_path)) > 5
    lines = lines_of(*all_logs(tmp_path))
    assert all(line.endswith(" .") for line in lines)
    written = sorted(tuple(map(int, line.split()[:2])) for line in lines)
    assert written == [(who, n) for who in range(4) for n in range(count)]


def test_a_rotation_that_another_process_has_begun_is_left_to_it_and_not_waited_for(tmp_path):
    """I5: a process that was stopped in mid-rotation holds nobody up."""
    path = tmp_path / "health.log"
    log = LogFile(path, max_bytes=5, backups=3)
    log.append("first")
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        log.append("second")
        assert all_logs(tmp_path) == [path]
    log.append("third")
    assert lines_of(*all_logs(tmp_path)) == ["third", "first", "second"]


def test_a_file_that_another_process_has_just_rotated_is_not_rotated_twice(tmp_path, monkeypatch):
    path = tmp_path / "health.log"
    log = LogFile(path, max_bytes=5, backups=3)
    log.append("first")
    flock = fcntl.flock

    def too_late(descriptor, operation):
        if operation & fcntl.LOCK_EX:
            path.rename(tmp_path / "health.log.1")
            path.write_text("other\n")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", too_late)
    log.append("second")
    assert lines_of(*all_logs(tmp_path)) == ["other", "second", "first"]


# --- what others do to the file ----------------------------------------------------------------


def test_a_log_that_was_moved_is_followed_for_a_moment_then_made_anew(tmp_path, monkeypatch):
    """So that logrotate's `create` finds nothing to overwrite."""
    monkeypatch.setattr(logfile, "GRACE", 0.2)
    path, moved = tmp_path / "health.log", tmp_path / "moved"
    log = LogFile(path, max_bytes=0, backups=3)
    log.append("one")
    path.rename(moved)
    log.append("two")
    assert (lines_of(moved), path.exists()) == (["one", "two"], False)
    time.sleep(0.3)
    log.append("three")
    assert (lines_of(moved), lines_of(path)) == (["one", "two"], ["three"])


def test_a_log_that_was_moved_a_while_ago_is_made_anew_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(logfile, "GRACE", 0.2)
    path, moved = tmp_path / "health.log", tmp_path / "moved"
    log = LogFile(path, max_bytes=0, backups=3)
    log.append("one")
    path.rename(moved)
    time.sleep(0.3)
    log.append("two")
    assert (lines_of(moved), lines_of(path)) == (["one"], ["two"])


def test_a_log_that_was_deleted_replaced_or_truncated_goes_on(tmp_path):
    path = tmp_path / "health.log"
    log = LogFile(path, max_bytes=0, backups=3)
    log.append("two")
    path.unlink()
    log.append("three")
    assert lines_of(path) == ["three"]
    (tmp_path / "new").touch()
    (tmp_path / "new").replace(path)
    log.append("four")
    assert lines_of(path) == ["four"]
    os.truncate(path, 0)
    log.append("five")
    assert path.read_bytes() == b"five\n"


def test_a_line_written_into_a_file_just_deleted_is_written_again(tmp_path, monkeypatch):
    path = tmp_path / "health.log"
    log = LogFile(path, max_bytes=0, backups=3)
    log.append("one")
    write = os.write

    def delete_first(descriptor, data):
        monkeypatch.setattr(os, "write", write)
        path.unlink()
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", delete_first)
    log.append("two")
    assert lines_of(path) == ["two"]


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")
@pytest.mark.parametrize("how", ["", "copytruncate", "create 0600", "nocreate"])
def test_logrotate_takes_the_log_and_no_line_is_lost(how, tmp_path, monkeypatch):
    monkeypatch.setattr(logfile, "GRACE", 0.1)
    path = tmp_path / "health.log"
    tmp_path.chmod(0o755)
    log = LogFile(path, max_bytes=0, backups=3)
    config = tmp_path / "conf"
    config.write_text(f"{path} {{\n rotate 9\n {how}\n}}\n")
    config.chmod(0o644)
    for n in range(4):
        log.append(f"line {n}")
        rotate = [LOGROTATE, "--force", "--state", str(tmp_path / "state"), str(config)]
        done = subprocess.run(rotate, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        time.sleep(0.15)
    log.append("line 4")
    assert len(all_logs(tmp_path)) == 5
    assert lines_of(*reversed(all_logs(tmp_path))) == [f"line {n}" for n in range(5)]


@pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed")
def test_logrotate_may_take_the_log_while_two_processes_write(tmp_path):
    path, count = tmp_path / "health.log", 30_000
    tmp_path.chmod(0o755)
    config = tmp_path / "conf"
    config.write_text(f"{path} {{\n rotate 900\n create 0640\n}}\n")
    config.chmod(0o644)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(who), str(count), "0"])
        for who in range(2)
    ]
    rotate = [LOGROTATE, "--force", "--state", str(tmp_path / "state"), str(config)]
    while any(writer.poll() is None for writer in writers):
        subprocess.run(rotate, capture_output=True, timeout=30, check=False)
    assert len(all_logs(tmp_path)) > 5
    written = sorted(tuple(map(int, line.split()[:2])) for line in lines_of(*all_logs(tmp_path)))
    assert written == [(who, n) for who in range(2) for n in range(count)]


# --- where it can't be written -----------------------------------------------------------------


def test_a_path_that_cannot_be_written_is_said_once_and_the_data_directory_used(tmp_path, capsys):
    (tmp_path / "file").touch()
    wanted = tmp_path / "file" / "health.log"
    settings = load_settings(
        {
            "EXTERNAL_STORAGE_URL": "upload+http://store",
            "HEALTH_LOG_FILE": str(wanted),
            "NOBREAK_DATA_DIR": str(tmp_path / "data"),
            "NOBREAK_DIVERT_AFTR": "1",
        }
    )
    reporting = open_reporting(settings)
    reporting.hub.emit(EventKind.FALLBACK_COMPLETE)
    reporting.close()
    assert reporting.log.path == tmp_path / "data" / "health.log"
    lines = lines_of(reporting.log.path)
    moved = f"[WARNING] ⚠️ O log não pode ser gravado em {wanted} (Not a directory): usando "
    assert [line[20:] for line in lines] == [
        f"{moved}{reporting.log.path}",
        "[WARNING] ⚠️ Configuração desconhecida: NOBREAK_DIVERT_AFTR (seria NOBREAK_DIVERT_AFTER?)",
        "[INFO] ✅ AUTO-FALLBACK COMPLETO",
    ]
    assert capsys.readouterr().err.splitlines() == lines[:1]
    assert reporting.ring.after()[0].kind is EventKind.LOG_MOVED


def test_a_path_that_stops_being_writable_moves_the_log_without_losing_a_line(tmp_path):
    folder = tmp_path / "logs"
    hub, _, log = logging_hub(log_settings(folder / "health.log"), tmp_path / "data")
    hub.emit(EventKind.FALLBACK_STARTED)
    shutil.rmtree(folder)
    folder.touch()
    hub.emit(EventKind.FALLBACK_COMPLETE)
    assert log.path == tmp_path / "data" / "health.log"
    assert [line.split("] ")[1][:10] for line in lines_of(log.path)] == ["⚠️ O log n", "✅ AUTO-FAL"]


def test_a_full_disk_hurts_nobody_and_the_lost_lines_are_counted(tmp_path):
    """I7. A limit on the size of files stands in for the full disk: a short write, then none."""
    hub, ring, log = logging_hub(log_settings(tmp_path / "health.log"), tmp_path)
    hub.emit(EventKind.FALLBACK_COMPLETE)
    before = log.path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
    try:
        hub.emit(EventKind.RECOVERY_STARTED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert log.path.read_bytes() == before
    hub.emit(EventKind.RECOVERY_COMPLETE)
    lost = [event for event in ring.after() if event.kind is EventKind.LOG_LINES_LOST]
    assert [event.fields["count"] for event in lost] == [3]
    assert [line[20:30] for line in lines_of(log.path)][1:] == ["[INFO] ✅ A", "[ERROR] ⚠️"]
    assert EventKind.LOG_UNWRITABLE in [event.kind for event in ring.after()]


def test_a_data_directory_that_fails_too_hurts_nobody(tmp_path):
    (tmp_path / "file").touch()
    nowhere = tmp_path / "file" / "data"
    hub, ring, log = logging_hub(log_settings(nowhere / "health.log"), nowhere)
    log.open()
    hub.emit(EventKind.FALLBACK_COMPLETE)
    kinds = [event.kind for event in ring.after()]
    assert kinds.count(EventKind.LOG_UNWRITABLE) == 1
    assert EventKind.FALLBACK_COMPLETE in kinds


def test_the_log_may_be_a_device_such_as_dev_full_or_dev_null(tmp_path):
    for device in ("/dev/full", "/dev/null"):
        log = LogFile(Path(device), max_bytes=1, backups=1)
        if device == "/dev/full":
            with pytest.raises(OSError, match="No space"):
                log.append("a")
        else:
            log.append("a")
            log.append("b")
        log.close()
