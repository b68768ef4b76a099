"""A SeaweedFS that a test may kill, and processes that are run as a user runs them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.net import eventually
from tests.support.outage import Outage, started

from nobreak.demo.seaweed import SeaweedServer


@pytest.fixture
async def own_seaweed(tmp_path: Path) -> AsyncIterator[SeaweedServer]:
    """A SeaweedFS of this test's own, with the bucket `nobreak`."""
    server = SeaweedServer(tmp_path / "seaweed")
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def outage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Outage]:
    """A nobreak before a SeaweedFS that can be taken away, and an empty bucket there.

    Its parameter, if it has one: further settings.
    """
    server = SeaweedServer(tmp_path / "seaweedfs")
    await server.start()
    try:
        async with started(tmp_path, server, **getattr(request, "param", {})) as running:
            await running.front.call("create_bucket")
            await eventually(running.is_over, within=30)  # a busy machine may divert even that
            yield running
    finally:
        await server.kill()
