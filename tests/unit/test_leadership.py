"""One machine, one monitor (I6)."""

import asyncio
from pathlib import Path

import pytest
from tests.support.net import eventually

from nobreak.engine import leader
from nobreak.engine.leader import Leadership


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(leader, "ATTEMPT_EVERY", 0.01)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_one_leads_and_the_next_one_when_it_is_gone(tmp_path):
    path, leading, most = tmp_path / "monitor.lock", 0, 0

    async def lead():
        nonlocal leading, most
        async with Leadership(path).held():
            leading += 1
            most = max(most, leading)
            await asyncio.sleep(0.03)
            leading -= 1

    await asyncio.wait_for(asyncio.gather(*(lead() for _ in range(5))), 10)
    assert (leading, most) == (0, 1)


async def test_a_leader_that_fails_lets_go(tmp_path):
    path = tmp_path / "monitor.lock"
    with pytest.raises(ZeroDivisionError):
        async with Leadership(path).held():
            raise ZeroDivisionError
    async with asyncio.timeout(2), Leadership(path).held():
        pass


async def test_anybody_can_see_whether_somebody_leads(tmp_path):
    """Looking takes the lead from nobody, makes no file and keeps none open."""
    path = tmp_path / "monitor.lock"
    looking, before = Leadership(path), open_files()
    assert not looking.is_held()
    assert not path.exists()
    async with Leadership(path).held():
        for _ in range(20):
            assert looking.is_held()
    for _ in range(20):
        assert not looking.is_held()
    assert open_files() == before
    async with asyncio.timeout(2), Leadership(path).held():
        pass


async def test_who_waits_for_the_lead_and_gives_up_holds_nothing(tmp_path):
    path, before = tmp_path / "monitor.lock", open_files()

    async def wait():
        async with Leadership(path).held():
            pytest.fail("somebody else leads")

    async with Leadership(path).held():
        waiting = asyncio.ensure_future(wait())
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    await eventually(lambda: open_files() == before)
    assert not Leadership(path).is_held()
