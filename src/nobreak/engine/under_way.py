"""The entries that the drain has taken up: waiting for a slot, being sent, or about to be confirmed.

All of them are marked as begun. That costs a commit, so it is done for some at a time, ahead of the
slots, and nobody waits for the disk while the external store could be sent something.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from nobreak.words import Entry, ObjectName

AHEAD = 4
"""How many entries wait for each slot."""
MOST = 2048
"""So many are taken up at most: an external store that answers no look is not sent ever more."""


class UnderWay:
    """See the module. One entry of a key at most (I4).

    `work` brings an entry to its end, and calls `sent` when it needs no slot any more. `slots`: how
    many there are now; `may_start`: whether the external store may be sent anything now.
    """

    def __init__(
        self,
        work: Callable[[Entry], Coroutine[Any, Any, None]],
        slots: Callable[[], int],
        may_start: Callable[[], bool],
    ) -> None:
        self._work = work
        self._slots = slots
        self._may_start = may_start
        self._waiting: dict[ObjectName, Entry] = {}
        self._tasks: dict[ObjectName, asyncio.Task[None]] = {}
        self._sending: set[ObjectName] = set()
        self._changed = asyncio.Event()
        self._failure: BaseException | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._tasks)

    def __contains__(self, name: ObjectName) -> bool:
        return name in self._waiting or name in self._tasks

    @property
    def is_busy(self) -> bool:
        """Whether there is more than the slots can take."""
        return len(self) > self._slots()

    def room(self) -> int:
        """How many more may be taken up now; none before half of those that wait have gone."""
        ahead = AHEAD * self._slots()
        return ahead - len(self._waiting) if self._is_low() and len(self) < MOST else 0

    def _is_low(self) -> bool:
        return 2 * len(self._waiting) <= AHEAD * self._slots()

    def take_up(self, entries: Iterable[Entry]) -> None:
        """Send these, each when there is a slot for it."""
        self._waiting.update((entry.name, entry) for entry in entries)
        self._start()

    def sent(self, name: ObjectName) -> None:
        """This one needs no slot any more."""
        self._sending.discard(name)
        self._start()
        if self._is_low():
            self._changed.set()

    def _start(self) -> None:
        while self._waiting and len(self._sending) < self._slots() and self._may_start():
            name = next(iter(self._waiting))
            task = asyncio.create_task(self._work(self._waiting.pop(name)))
            self._sending.add(name)
            self._tasks[name] = task
            task.add_done_callback(partial(self._ended, name))

    def _ended(self, name: ObjectName, task: asyncio.Task[None]) -> None:
        del self._tasks[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = error
            self._changed.set()
        self.sent(name)
        if not self._tasks:
            self._changed.set()

    async def change(self, within: float) -> None:
        """Until more may be taken up, at most so many seconds. Raises what `work` raised.

        What waits because nothing might be sent when it was taken up is started now, if it may.
        """
        self._start()
        try:
            async with asyncio.timeout(within):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    async def stop(self, grace: float) -> list[Entry]:
        """Give what was started some seconds, then cancel it. Those that were never started."""
        never, self._waiting = list(self._waiting.values()), {}
        tasks = set(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._failure = None  # what stops need not be told of what failed with it
        return never
