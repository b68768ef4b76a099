"""How long the external store has been well: only that time counts against an old request (I4).

One that was given up may sit in a server that froze, and go on when that thaws. So what fears it
waits for a settle time without a break, not just for that much time to pass.
"""

import asyncio

from nobreak.core.routing import Link
from nobreak.engine.clock import loop_time
from nobreak.engine.context import Context

LOOK_EVERY = 0.5
"""How often it is looked whether the time is over, or begins anew (seconds)."""


class Calm:
    """See the module. It counts from the first look on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._breaks = context.board.read().breaks
        self._since: float | None = None

    def lasts(self) -> float:
        """For how long now (seconds); 0: the external store is away, or was since the last look."""
        breaks, now = self._context.board.read().breaks, loop_time()
        if self._context.link.state() is not Link.OPEN:
            self._since = None
        elif self._since is None or breaks != self._breaks:
            self._since = now
        self._breaks = breaks
        return 0.0 if self._since is None else now - self._since


async def settle_time(context: Context) -> None:
    """Wait until the external store has been well for a whole settle time from now on."""
    calm, settle = Calm(context), context.writes.settle
    while calm.lasts() < settle:
        await asyncio.sleep(min(LOOK_EVERY, settle))
