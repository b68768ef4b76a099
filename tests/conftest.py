"""Fixtures that many tests share. Those of one kind of test stay beside it."""

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest

from nobreak.demo import seaweed as seaweed_module
from nobreak.demo.seaweed import SeaweedServer
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in the background of a shell: the programs that tests interrupt would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest.register_assert_rewrite("tests.contract", "tests.support")
hypothesis.settings.register_profile("shared", deadline=None)  # this machine may be busy
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "shared"))


@pytest.fixture(scope="session", autouse=True)
def ports_of_our_own() -> None:
    """Tests side by side: nobody takes the ports of a server that another one has just killed."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    span = (seaweed_module.HIGHEST_PORT - seaweed_module.LOWEST_PORT) // 4
    seaweed_module.LOWEST_PORT += span * (int(worker) % 4)
    seaweed_module.HIGHEST_PORT = seaweed_module.LOWEST_PORT + span


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """One SeaweedFS (S3 and WebDAV) for all tests that neither kill nor freeze it."""
    data: Path = tmp_path_factory.mktemp("seaweed")
    server = SeaweedServer(data, webdav=True)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.kill())


@pytest.fixture
async def s3_store(seaweed: SeaweedServer) -> AsyncIterator[S3Store]:
    """A driver for that server."""
    store = S3Store(
        seaweed.endpoint,
        access_key=seaweed.access_key,
        secret_key=seaweed.secret_key,
        region=seaweed.region,
        timeouts=Timeouts(connect=2.0, silence=10.0),
    )
    yield store
    await store.aclose()


@pytest.fixture
async def bucket(s3_store: S3Store) -> str:
    """A new, empty bucket of that server."""
    name = f"test-{secrets.token_hex(6)}"
    await s3_store.create_bucket(name)
    return name
