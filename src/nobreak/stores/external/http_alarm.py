"""A time at which patience ends, which is moved with every byte: one timer, which seldom fires."""

import asyncio
from collections.abc import Callable

NEVER = float("inf")


class Alarm:
    """Calls `ring` when its time has come. Times are the loop's.

    To move it later costs nothing: when its timer fires too early, it looks again.
    """

    __slots__ = ("_due", "_look_at", "_loop", "_ring", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._due = NEVER
        self._look_at = NEVER
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether it will ring."""
        return self._due is not NEVER

    def set(self, due: float) -> None:
        """From now on this is when it rings."""
        self._due = due
        if due < self._look_at:
            self.cancel()
            self._arm(due)

    def clear(self) -> None:
        """It does not ring, until it is set again."""
        self._due = NEVER

    def cancel(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, at: float) -> None:
        self._look_at = at
        self._timer = self._loop.call_at(at, self._look)

    def _look(self) -> None:
        self._timer, self._look_at = None, NEVER
        if self._due is NEVER:
            return
        if self._loop.time() < self._due:
            self._arm(self._due)
            return
        self._ring()
