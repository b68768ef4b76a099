"""Time that only grows, whatever people do to the clock."""

import asyncio


def loop_time() -> float:
    """Seconds on the clock of the running event loop."""
    return asyncio.get_running_loop().time()
