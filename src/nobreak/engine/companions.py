"""What every process does for itself, whoever leads: notice a death, and a monitor that hangs.

The one that leads can be frozen, or blocked by the application that it runs in. It keeps its lock
then, and answers no suspicion; the others must not refuse their clients for as long.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from nobreak.engine.context import Context
from nobreak.engine.deaths import note_the_dead
from nobreak.stores.external.checks import Probe

LOOK_EVERY = 0.1
"""How often to look for the dead, and whether this process is still suspicious (seconds)."""


class Companions:
    """See the module. `patience`: how long a suspicion may go unanswered, in seconds."""

    def __init__(
        self,
        context: Context,
        data_dir: Path,
        probe: Callable[[], Probe],
        patience: Callable[[], float],
    ) -> None:
        self._context = context
        self._data_dir = data_dir
        self._probe = probe
        self._patience = patience
        self._suspicious_since: float | None = None

    async def run(self) -> None:
        """Look after the others until cancelled."""
        while True:
            with suppress(OSError):  # the disk's troubles are told elsewhere
                await note_the_dead(self._data_dir, self._context.index, self._context.board)
            await self._second_opinion()
            await asyncio.sleep(LOOK_EVERY)

    async def _second_opinion(self) -> None:
        """Take a check of our own when the monitor does not answer a suspicion."""
        link, now = self._context.link, asyncio.get_running_loop().time()
        if not link.awaits_a_check:
            self._suspicious_since = None
            return
        since = self._suspicious_since = self._suspicious_since or now
        if now - since > self._patience() and (await self._probe().check()).ok:
            link.trust_again()
