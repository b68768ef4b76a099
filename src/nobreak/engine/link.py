"""What this process believes of the external store, and whether it may be tried now.

The monitor's word stands on the board. Live traffic adds its own suspicion, which is quicker:
failures here make this process stop trying at once, and ask the monitor for a check, which alone
gives the verdict (I5, I8).
"""

import asyncio
from dataclasses import replace

from nobreak.core import routing
from nobreak.engine.background import Background
from nobreak.errors import NobreakError, OutageError, OutageKind
from nobreak.stores.interfaces import Board, Notice
from nobreak.words import Mode, ObjectName

FAILURES_TO_SUSPECT = 3
"""Failures of so many different objects in a row make a suspicion. One object's content can't."""
UNHEARD = 1.0
"""How long a suspicion lasts that could not be written to the board (seconds)."""


class Link:
    """See the module."""

    def __init__(self, board: Board, background: Background) -> None:
        self._board = board
        self._background = background
        self._failing: set[ObjectName] = set()
        self._suspicious = False
        self._ticket: int | None = None
        self._asking: asyncio.Task[None] | None = None
        self.checks_wanted = asyncio.Event()
        """Set when a suspicion was raised here: a monitor in this process need not wait."""

    @property
    def mode(self) -> Mode:
        """The mode of this machine (I6)."""
        return self._board.read().mode

    def state(self) -> routing.Link:
        """Whether the external store may be tried now."""
        notice = self._board.read()
        if self._ticket is not None and notice.answered >= self._ticket:
            self._trust_again()
        return routing.link(notice.mode, trusted=notice.trusted and not self._suspicious)

    def answered(self) -> None:
        """The external store answered live traffic, whatever it said."""
        self._failing.clear()

    def failed(self, name: ObjectName, error: OutageError) -> None:
        """Live traffic failed: count it, and ask the monitor to look."""
        self._failing.add(name)
        if error.kind is OutageKind.CONNECTION or len(self._failing) >= FAILURES_TO_SUSPECT:
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
            self._trust_again()
        else:
            self.checks_wanted.set()

    def _trust_again(self) -> None:
        self._ticket = None
        self._failing.clear()
        self._suspicious = False
