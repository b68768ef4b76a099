"""What a stranger's attack once broke: each test repeats one of its findings."""

import asyncio
import time
from dataclasses import replace

import pytest
from tests.support.net import eventually
from tests.support.scripted import ScriptedStore, connection_refused, server_error

from nobreak.engine.presence import RUNNING
from nobreak.errors import UnavailableError
from nobreak.words import Attributes, Mode


async def test_a_write_that_its_client_gave_up_cannot_undo_the_one_sent_in_its_place(rig):
    """I4: the old one is slow at the server; its client times out, and sends something newer."""
    rig.external.plan.append(lambda _: "become a zombie")
    old = asyncio.create_task(rig.store.put(rig.name("k"), b"old"))
    await eventually(lambda: bool(rig.external.zombies))
    newer = await rig.store.put(rig.name("k"), b"newer")
    assert newer.mode is Mode.LOCAL, "while one is under way, the next goes through the journal"
    await old  # diverted, or rather: as good as overwritten
    assert await rig.store.read(rig.name("k")) == b"newer"
    await eventually(lambda: rig.outside("k") == b"newer")
    rig.external.zombies[0].land()
    await rig.drained()
    assert rig.outside("k") == b"newer"
    assert rig.external.count("put") == 3, "the old one, the newer one, and once more"


async def test_a_delete_that_its_client_gave_up_cannot_undo_the_put_sent_after_it(rig):
    """I4."""
    rig.external.objects[rig.name("k")] = (b"first", Attributes())
    rig.external.plan.append(lambda _: "become a zombie")
    delete = asyncio.create_task(rig.store.delete(rig.name("k")))
    await eventually(lambda: bool(rig.external.zombies))
    await rig.store.put(rig.name("k"), b"newer")
    await delete
    assert await rig.store.read(rig.name("k")) == b"newer"
    rig.external.zombies[0].land()
    await rig.drained()
    assert rig.outside("k") == b"newer"


async def test_the_living_notice_that_another_process_died(start):
    """I4, I6: nobody has to start anew for the doubt to begin."""
    rig = await start()
    assert (await rig.store.put(rig.name("k"), b"x")).mode is Mode.EXTERNAL
    (rig.settings.local.data_dir / RUNNING / "left-by-a-dead-process").touch()

    async def in_doubt():
        return (await rig.store.put(rig.name("k"), b"y")).mode is Mode.LOCAL

    await eventually(in_doubt, within=2.0)
    await rig.drained()


async def test_a_monitor_that_hangs_does_not_keep_others_from_a_healthy_server(start, monkeypatch):
    """I5: a follower whose suspicion nobody answers looks for itself."""
    rig = await start(HEALTH_CHECK_TIMEOUT="0.2")
    rig.external.objects[rig.name("k")] = (b"there", Attributes())
    rig.probe.slow = 60.0  # the monitor hangs in its next check
    await asyncio.sleep(0.5)
    monkeypatch.setattr(
        "nobreak.engine.runtime.build_probe", lambda *_, **__: type(rig.probe)(lambda: True)
    )
    rig.external.plan.append(connection_refused)
    with pytest.raises(UnavailableError):
        await rig.store.read(rig.name("k"))
    with pytest.raises(UnavailableError):
        await rig.store.read(rig.name("k"))

    async def readable():
        try:
            return await rig.store.read(rig.name("k")) == b"there"
        except UnavailableError:
            return False

    await eventually(readable, within=5.0)


async def test_poison_that_fails_quickly_makes_nobody_else_wait_or_fail(rig):
    """I8: many objects that make the server answer 500 at once are no outage for the others."""
    for n in range(30):
        rig.external.plan.append(server_error)
        await rig.store.put(rig.name(f"poison{n}"), b"x")
        info = await rig.store.put(rig.name(f"good{n}"), b"y")
        assert info.mode is Mode.EXTERNAL


async def test_suspicions_that_checks_do_not_share_come_less_and_less_easily(start):
    """I8: objects that make the server hang cost their own clients a wait, and others ever less."""
    rig = await start(NOBREAK_DIVERT_AFTER="0.02")
    served = 0
    for n in range(60):
        rig.external.plan.append(lambda _: "become a zombie")
        await rig.store.put(rig.name(f"poison{n}"), b"x")
        served += (await rig.store.put(rig.name("good"), b"y")).mode is Mode.EXTERNAL
    assert served > 30


async def test_a_change_of_the_external_store_with_writes_pending_is_said(start):
    """I7: what waits was meant for another server."""
    first = await start(USE_EXTERNAL_STORAGE="false")
    await first.store.put(first.name("k"), b"x")
    await first.engine.__aexit__(None, None, None)
    second = await start(
        ScriptedStore(), USE_EXTERNAL_STORAGE="false", EXTERNAL_STORAGE_URL="s3+http://other:1"
    )
    await eventually(lambda: "external_changed" in second.told.kinds)


async def test_the_first_bytes_of_a_read_count_against_the_same_deadline(rig):
    """I5: headers late, and then silence, are one wait."""
    rig.external.objects[rig.name("k")] = (b"x" * 5000, Attributes())
    get = rig.external.get

    async def late(name, *, range_=None, receipt):
        await asyncio.sleep(0.25)
        download = await get(name, range_=range_, receipt=receipt)

        async def silence():
            await asyncio.sleep(60)
            yield b""

        download.chunks = silence
        return download

    rig.external.get = late
    began = time.monotonic()
    with pytest.raises(Exception, match="in time"):
        await rig.store.read(rig.name("k"))
    assert time.monotonic() - began < 0.5


async def test_a_monitor_that_hangs_is_not_called_running(rig):
    """I7: whoever holds the lock and takes no checks monitors nothing."""
    assert rig.engine.status()["monitor"]["is_running"]
    long_ago = {"last_check": "2001-01-01T00:00:00+00:00"}
    await rig.engine._opened.board.update(lambda old: (replace(old, monitor=long_ago), None))
    rig.probe.slow = 60.0
    assert not rig.engine.status()["monitor"]["is_running"]
