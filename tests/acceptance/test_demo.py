"""The demo is the proof: run as people run it, in both kinds of outage."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.net import eventually

DEMO = [sys.executable, "-m", "nobreak", "demo", "--quick"]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), **variables}


def children_of(pid: int) -> list[int]:
    """The process ids of its children, theirs included."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for listed in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, listed.read_text().split()):
                found += [child, *children_of(child)]
    return found


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("outage", ["refuse", "freeze"])
def test_the_demo_loses_nothing_and_lets_nobody_wait(outage, tmp_path):
    """I1, I2, I4, I5: on a real SeaweedFS that is killed or frozen."""
    done = subprocess.run(
        [*DEMO, "--outage", outage, "--json"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert found["outage"] == outage
    wrong = ("acked_writes_lost", "failed_writes", "client_failures", "wrong_bytes_read")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert found["longest_wait"] < 2.0
    assert found["operations"] > 200
    assert found["objects_compared"] > 20
    assert found["seconds_to_fallback"] < 8
    assert "AUTO-FALLBACK COMPLETO" in done.stderr, "the log in the seed's words"
    assert "AUTO-RECOVERY COMPLETO" in done.stderr
    assert "\x1b" not in done.stderr, "no cursor tricks where there is no terminal"
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


async def test_an_interrupted_demo_stops_its_servers_and_removes_its_files(tmp_path):
    demo = subprocess.Popen(
        DEMO, env=environment(tmp_path, NOBREAK_LANG="en"), stdout=subprocess.PIPE
    )
    try:
        await eventually(lambda: len(children_of(demo.pid)) >= 2, within=20)
        await asyncio.sleep(1.0)
        servers = children_of(demo.pid)
        demo.send_signal(signal.SIGINT)
        said, _ = await asyncio.to_thread(demo.communicate, timeout=20)
    finally:
        demo.kill()
        demo.wait()
    assert demo.returncode == 130
    assert "Interrupted." in said.decode()
    assert not [pid for pid in servers if runs(pid)]
    assert list(tmp_path.iterdir()) == []
