"""How long the external store has been well: only that time counts against an old request (I4).

One that was given up may sit in a server that froze, and go on when that thaws. So what fears it
waits for a settle time without a break, not just for that much time to pass.
"""

import asyncio

from nobreak.core.routing import Link
from nobreak.engine.attempt import read_within
from nobreak.engine.context import Context
from nobreak.engine.steady import loop_time
from nobreak.errors import LocalStoreError, NobreakError, OutageError
from nobreak.words import ObjectName

LOOK_EVERY = 0.5
"""How often it is looked whether the time is over, or begins anew (seconds)."""


class Calm:
    """See the module. It counts from the first look on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._breaks = context.board.read().breaks
        self._since: float | None = None

    def broke(self) -> bool:
        """Whether the external store is away, or the checks found it so since the last look."""
        before, self._breaks = self._breaks, self._context.board.read().breaks
        return self._breaks != before or self._context.link.state() is not Link.OPEN

    def lasts(self) -> float:
        """For how long now (seconds); 0: it begins."""
        now = loop_time()
        if self.broke() or self._since is None:
            self._since = now
        return now - self._since

    async def is_over(self, name: ObjectName) -> bool:
        """Whether it has lasted for a settle time; and the external store has answered since.

        Else it may have been frozen for all the time, and no check has come to see it. It is asked
        for `name` when no request was answered lately.
        """
        settle = self._context.writes.settle
        try:
            over = self.lasts() >= settle and await self._answers(name)
            return over and self.lasts() >= settle
        except LocalStoreError:  # neither is known then
            self._since = None
            return False

    async def _answers(self, name: ObjectName) -> bool:
        context, link = self._context, self._context.link
        due = (self._since or 0.0) + context.writes.settle
        async with link.looking:
            if link.answered_at >= due or not self.lasts():
                return link.answered_at >= due
            known = context.catalog.get(name)
            looking = context.external.head(name, receipt=known[1] if known else None)
            try:
                await read_within(looking, context.writes.divert_after)
            except OutageError as error:
                link.failed(name, error)
                return False
            except NobreakError:
                pass  # it answered, whatever it said
            link.answered()
            return True


async def settle_time(context: Context, name: ObjectName) -> None:
    """Wait until the external store has been well for a whole settle time from now on."""
    calm, settle = Calm(context), context.writes.settle
    while settle > 0 and not await calm.is_over(name):
        await asyncio.sleep(min(LOOK_EVERY, settle))
