"""What this process believes of the external store, and whether it may be tried now.

The monitor's word stands on the board. Live traffic adds its own suspicion, which is quicker:
failures here make this process stop trying at once, and ask the monitor for a check, which alone
gives the verdict (I5, I8).
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from nobreak.core import routing
from nobreak.core.routing import Outcome
from nobreak.engine.attempt import Attempt
from nobreak.engine.background import Background
from nobreak.engine.steady import loop_time
from nobreak.errors import NobreakError, OutageError, OutageKind
from nobreak.stores.interfaces import Board, Notice
from nobreak.words import Mode, ObjectName

FAILURES_TO_SUSPECT = 3
"""Time-outs of so many different objects in a row make a suspicion: enough have waited (I5).

Failures that come quickly cost nobody time: a check judges them, and nobody is refused before.
"""
MOST_FAILURES = 192
"""A suspicion that a check did not share makes the next one need twice as many, up to this (I8)."""
UNHEARD = 1.0
"""How long a suspicion lasts that could not be written to the board (seconds)."""


class Link:
    """See the module."""

    def __init__(self, board: Board, background: Background) -> None:
        self._board = board
        self._background = background
        self._failing: set[ObjectName] = set()
        self._needed = FAILURES_TO_SUSPECT
        self._suspicious = False
        self._ticket: int | None = None
        self._asking: asyncio.Task[None] | None = None
        self.live = 0
        """How many requests of clients wait for the external store now, in this process."""
        self.answered_at = -math.inf
        """When the external store last answered this process, on the loop's clock (seconds)."""
        self.looking = asyncio.Lock()
        """Held by who looks whether it answers: the others need not look then."""
        self.checks_wanted = asyncio.Event()
        """Set when a suspicion was raised here: a monitor in this process need not wait."""

    @property
    def mode(self) -> Mode:
        """The mode of this machine (I6)."""
        return self._board.read().mode

    def state(self) -> routing.Link:
        """Whether the external store may be tried now."""
        notice = self._board.read()
        if not notice.trusted:
            self._needed = FAILURES_TO_SUSPECT
        if self._ticket is not None and notice.answered >= self._ticket:
            if self._suspicious and notice.trusted:
                self._needed = min(2 * self._needed, MOST_FAILURES)
            self.trust_again()
        return routing.link(notice.mode, trusted=notice.trusted and not self._suspicious)

    async def outcome(self, name: ObjectName, attempt: Attempt[Any], within: float) -> Outcome:
        """Wait for an attempt, `within` so many seconds, and count what came of it (I5)."""
        with self.waiting():
            outcome = await attempt.outcome(within=within)
        if outcome in {Outcome.DONE, Outcome.ANSWERED}:
            self.answered()
        else:
            self.failed(name, attempt.outage)
        return outcome

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While a client's request waits for the external store."""
        self.live += 1
        try:
            yield
        finally:
            self.live -= 1

    def answered(self) -> None:
        """The external store answered live traffic, whatever it said."""
        self._failing.clear()
        self.answered_at = loop_time()

    def failed(self, name: ObjectName, error: OutageError) -> None:
        """Live traffic failed: count it, and ask the monitor to look."""
        if error.kind is OutageKind.TIMEOUT:
            self._failing.add(name)
        if error.kind is OutageKind.CONNECTION or len(self._failing) >= self._needed:
            self._suspicious = True
        if self._asking is None or self._asking.done():
            self._asking = self._background.start(self._ask(f"{name}: {error}"))

    async def _ask(self, suspicion: str) -> None:
        def decide(notice: Notice) -> tuple[Notice, None]:
            return replace(notice, asked=notice.asked + 1, suspicion=suspicion), None

        self._ticket = None  # a check that began before this failure says nothing about it
        try:
            self._ticket = (await self._board.update(decide)).asked
        except NobreakError:  # a full disk: nobody can be asked, so nobody will answer
            await asyncio.sleep(UNHEARD)
            self.trust_again()
        else:
            self.checks_wanted.set()

    @property
    def awaits_a_check(self) -> bool:
        """Whether this process tries nothing until the monitor has looked."""
        return self._suspicious

    def trust_again(self) -> None:
        """A check was answered: what was suspected is over."""
        self._ticket = None
        self._failing.clear()
        self._suspicious = False
