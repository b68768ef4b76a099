"""What a process holds ends with it, whatever children it forked (I4, I6)."""

import fcntl
import os
import signal
import subprocess
import sys

import pytest

from nobreak.engine.leader import MONITOR_LOCK, Leadership
from nobreak.engine.presence import find_the_dead
from nobreak.stores.local.claims import ALONE, LANDS, SHARED, Claims
from nobreak.stores.local.own_locks import disown, own

HOLDER = """
import asyncio, os, sys, time
from pathlib import Path
from nobreak.engine.leader import MONITOR_LOCK, Leadership
from nobreak.engine.presence import present
from nobreak.stores.local.claims import ALONE, LANDS, Claims

async def main(folder):
    claims = Claims(folder)
    with present(folder):
        async with Leadership(folder / MONITOR_LOCK).held():
            assert claims.take(claims.place("b", "k"), ALONE, LANDS)
            if not os.fork():
                print(os.getpid(), flush=True)
                time.sleep(60)
                os._exit(0)
            sys.stdin.read()
            os._exit(1)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture
def holder(tmp_path):
    """A process that leads, and claims a key; and its child, which lives on."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(process.stdout.readline())
    yield process
    os.kill(child, signal.SIGKILL)
    process.stdin.close()
    process.stdout.close()
    process.wait()


def test_a_child_that_lives_on_keeps_nothing_of_a_process_that_died(holder, tmp_path):
    claims, leadership = Claims(tmp_path), Leadership(tmp_path / MONITOR_LOCK)
    place = claims.place("b", "k")
    assert leadership.is_held(), "the child has given nothing back"
    assert not claims.is_free(place, SHARED, LANDS)
    assert not find_the_dead(tmp_path)
    holder.stdin.close()
    holder.wait()
    assert not leadership.is_held()
    assert claims.take(place, ALONE, LANDS)
    dead = find_the_dead(tmp_path)
    assert dead
    dead.let_go()
    claims.close()


def test_what_was_closed_is_closed_once(tmp_path):
    """Its number may be another file's by then."""
    descriptor = own(os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT))
    disown(descriptor)
    again = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    assert again == descriptor
    disown(descriptor)
    fcntl.flock(again, fcntl.LOCK_EX)
    os.close(again)
