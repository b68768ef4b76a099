"""A SeaweedFS that a test may kill, and processes that are run as a user runs them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nobreak.demo.seaweed import SeaweedServer


@pytest.fixture
async def own_seaweed(tmp_path: Path) -> AsyncIterator[SeaweedServer]:
    """A SeaweedFS of this test's own, with the bucket `nobreak`."""
    server = SeaweedServer(tmp_path / "seaweed")
    await server.start()
    yield server
    await server.kill()
