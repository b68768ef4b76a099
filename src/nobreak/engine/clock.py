"""A clock that people set: what waits here until some time may wait neither longer nor shorter for it.

Entries wait by the clock on the wall, so that they do across a restart. Set back, it would keep them
for as long; set forward, it would cut the time short in which an old request is feared (I4).
"""

from collections.abc import Callable

from nobreak.engine.context import Context
from nobreak.engine.steady import loop_time

MEND_EVERY = 60.0
"""How often entries are looked for that wait longer than any should (seconds)."""
MEND_EVERY_BEHIND = 1.0
"""The same, until a clock that was set back is again where it was (seconds)."""
JUMP = 1.0
"""A clock that is off by more than this between two looks was set (seconds)."""


class Clock:
    """See the module. For the drain, which looks at it all the time.

    `longest`: what an entry may wait for at most, but for the settle time (seconds).
    """

    def __init__(self, context: Context, longest: Callable[[], float]) -> None:
        self._context = context
        self._longest = longest
        self._ahead: float | None = None
        self._mended_at: float | None = None
        self._behind_until = 0.0

    async def mend(self) -> None:
        """See whether the clock jumped, and correct what waits by it."""
        steady, jump = loop_time(), self._jump()
        settle = self._context.writes.settle
        if jump > JUMP:
            await self._context.journal.postpone_settling(self._context.now() + settle)
        elif jump < -JUMP:
            self._behind_until = max(self._behind_until, steady) - jump
            self._mended_at = None
        behind = steady < self._behind_until
        every = MEND_EVERY_BEHIND if behind else MEND_EVERY
        if self._mended_at is not None and steady - self._mended_at < every:
            return
        self._mended_at = steady
        longest = settle if behind else max(self._longest(), settle)
        await self._context.journal.wait_at_most(self._context.now() + longest)

    def _jump(self) -> float:
        """By how much the clock was set since the last look (seconds)."""
        before = self._ahead
        self._ahead = self._context.now() - loop_time()
        return 0.0 if before is None else self._ahead - before
