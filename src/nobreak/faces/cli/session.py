"""A nobreak for one command: it reads and writes objects, and leaves monitoring to the service."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from nobreak.app import Nobreak
from nobreak.faces.cli.here import check_owner, log_path
from nobreak.settings import Settings, load_settings


def with_nobreak(work: Callable[[Nobreak], Awaitable[int]]) -> int:
    """Run `work` and return its exit code. It shares the data directory with whoever runs."""

    async def run() -> int:
        settings = _as_a_guest(load_settings())
        check_owner(settings)
        async with Nobreak(lambda: settings, leads=False) as nobreak:
            return await work(nobreak)

    return asyncio.run(run())


def _as_a_guest(settings: Settings) -> Settings:
    """The service has said already what is wrong with names and log; its log is good for us too."""
    reporting = replace(settings.reporting, log_file=log_path(settings))
    return replace(settings, reporting=reporting, unknown=())
