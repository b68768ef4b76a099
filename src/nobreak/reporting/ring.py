"""The latest events in memory, for `GET /api/events` and whoever follows."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator

from nobreak.reporting.events import Event

SIZE = 1000


class Ring:
    """A sink that remembers the last `size` events."""

    def __init__(self, size: int = SIZE) -> None:
        self._events: deque[Event] = deque(maxlen=size)
        self._followers: tuple[tuple[asyncio.AbstractEventLoop, asyncio.Event], ...] = ()

    def __call__(self, event: Event) -> None:
        self._events.append(event)
        for loop, wake in self._followers:
            with contextlib.suppress(RuntimeError):  # a loop that was closed under its follower
                loop.call_soon_threadsafe(wake.set)

    def after(self, last: int = 0, limit: int | None = None) -> list[Event]:
        """The events with an id above `last`, oldest first; the newest `limit` of them."""
        found = [event for event in tuple(self._events) if event.id > last]
        return found if limit is None else found[max(0, len(found) - limit) :]

    async def follow(self, last: int = 0) -> AsyncGenerator[Event, None]:
        """The events after `last`, then each as it comes, for ever.

        Who reads too slowly misses events, and sees it by the gap in their ids.
        """
        wake = asyncio.Event()
        follower = (asyncio.get_running_loop(), wake)
        self._followers = (*self._followers, follower)
        try:
            while True:
                wake.clear()
                for event in self.after(last):
                    last = event.id
                    yield event
                await wake.wait()
        finally:
            self._followers = tuple(each for each in self._followers if each is not follower)
