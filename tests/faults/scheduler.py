"""What a busy machine adds to a wait, so that the rest is nobreak's own.

A ticking probe measures how late this process's loop runs; the kernel tells how long nobreak's
threads stood in the queue for a processor.
"""

import asyncio
import bisect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TICK = 0.01


@dataclass
class Lag:
    """See the module. `pid`: nobreak's process id, or None while it does not run."""

    pid: Callable[[], int | None]
    clock: Callable[[], float] = time.monotonic
    _at: list[float] = field(default_factory=list)
    _sum: list[float] = field(default_factory=list)

    async def run(self) -> None:
        total, before, queued, pid = 0.0, self.clock(), 0.0, None
        while True:
            await asyncio.sleep(TICK)
            now = self.clock()
            total += max(0.0, now - before - TICK)
            before = now
            if pid != (pid := self.pid()) or pid is None:
                queued = self._queued(pid)
            else:
                after = self._queued(pid)
                total, queued = total + max(0.0, after - queued), after
            self._at.append(now)
            self._sum.append(total)

    def between(self, began: float, ended: float) -> float:
        """Seconds of lag in this span, ours and nobreak's."""
        return max(0.0, self._until(ended + 2 * TICK) - self._until(began - 2 * TICK))

    def _until(self, at: float) -> float:
        index = bisect.bisect_right(self._at, at)
        return self._sum[index - 1] if index else 0.0

    @staticmethod
    def _queued(pid: int | None) -> float:
        if pid is None:
            return 0.0
        try:
            return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError):
            return 0.0
