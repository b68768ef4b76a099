"""A nobreak for one command: it reads and writes objects, and leaves monitoring to the service."""

import asyncio
from collections.abc import Awaitable, Callable

from nobreak.app import Nobreak
from nobreak.faces.cli.here import check_owner
from nobreak.settings import load_settings


def with_nobreak(work: Callable[[Nobreak], Awaitable[int]]) -> int:
    """Run `work` and return its exit code. It shares the data directory with whoever runs."""

    async def run() -> int:
        settings = load_settings()
        check_owner(settings)
        async with Nobreak(lambda: settings, leads=False) as nobreak:
            return await work(nobreak)

    return asyncio.run(run())
