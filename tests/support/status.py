"""What a nobreak of its own process says of itself."""

import aiohttp

from nobreak.demo.processes import NobreakProcess


async def status_is(nobreak: NobreakProcess, *, mode: str, entries: int | None = None) -> bool:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{nobreak.base}/api/storage-status") as response,
    ):
        status = await response.json()
    right = entries is None or status["journal"]["entries"] == entries
    return right and status["current_mode"] == mode
