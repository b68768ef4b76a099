"""The API over a real SeaweedFS, each test in a bucket and a data directory of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.support.api import RunningApi, running_api, storage_environment

from nobreak.demo.seaweed import SeaweedServer

Starter = Callable[..., Awaitable[RunningApi]]


@pytest.fixture
async def start_api(seaweed: SeaweedServer, bucket: str, tmp_path: Path) -> AsyncIterator[Starter]:
    """Starts an API; `away`: its external store refuses connections."""
    async with AsyncExitStack() as stack:

        async def start(*, away: bool = False, **settings: str) -> RunningApi:
            server = None if away else seaweed
            environment = storage_environment(tmp_path, server, NOBREAK_BUCKET=bucket, **settings)
            return await stack.enter_async_context(running_api(environment))

        yield start


@pytest.fixture
async def api(start_api: Starter) -> RunningApi:
    return await start_api()
