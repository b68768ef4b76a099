"""Fixtures that many tests share. Those of one kind of test stay beside it."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from nobreak.demo.seaweed import SeaweedServer

hypothesis.settings.register_profile("shared", deadline=None)  # this machine may be busy
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """One SeaweedFS (S3 and WebDAV) for all tests that neither kill nor freeze it."""
    data: Path = tmp_path_factory.mktemp("seaweed")
    server = SeaweedServer(data, webdav=True)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.kill())


@pytest.fixture
def bucket_name() -> str:
    """A name that no other test uses."""
    return f"test-{secrets.token_hex(6)}"
