"""How the drain is getting on: counted, put on the board for all to see, and logged."""

from collections import deque
from dataclasses import replace

from nobreak.engine.context import Context
from nobreak.engine.steady import loop_time
from nobreak.reporting.events import EventKind
from nobreak.stores.interfaces import ModeChange, Notice
from nobreak.words import Entry

WINDOW = 10.0
"""The rate is that of the last so many seconds."""
POST_EVERY = 1.0
LOG_EVERY = 10.0


class Progress:
    """Counts what leaves the journal. Times are those of the event loop, in seconds."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._draining = False
        self._done = 0
        self._began_at = 0.0
        self._posted_at = 0.0
        self._logged_at = 0.0
        self._recent: deque[tuple[float, int]] = deque()

    def begin(self) -> None:
        """Something is about to be sent."""
        if self._draining:
            return
        self._draining, self._done = True, 0
        self._began_at = self._logged_at = self._posted_at = loop_time()
        self._recent.clear()
        tally = self._context.journal.tally()
        self._context.reporter.emit(
            EventKind.DRAIN_STARTED, entries=tally.entries, size=tally.bytes
        )

    def count(self, entry: Entry, *, gone: bool) -> None:
        """An entry was confirmed; when it is not `gone`, it settles."""
        if gone:
            self._done += 1
            self._recent.append((loop_time(), entry.size))

    async def report(self, *, idle: bool) -> None:
        """Say how far we are, now and then; and that all is done, when it is."""
        if not self._draining:
            return
        now = loop_time()
        due = now - self._posted_at >= POST_EVERY
        if not (idle or due):
            return
        tally = self._context.journal.tally()
        left = tally.entries - tally.parked
        if idle and left <= 0:
            self._draining = False
            await self._post({})
            self._context.reporter.emit(
                EventKind.DRAIN_COMPLETE,
                done=self._done,
                parked=tally.parked,
                seconds=now - self._began_at,
            )
            return
        if not due:
            return
        self._posted_at = now
        rate = self._rate(now)
        eta = left / rate if rate else None
        await self._post(
            {
                "done": self._done,
                "left": left,
                "rate": round(rate, 1),
                "eta": None if eta is None else round(eta),
            }
        )
        if now - self._logged_at >= LOG_EVERY:
            self._logged_at = now
            self._context.reporter.emit(
                EventKind.DRAIN_PROGRESS, done=self._done, left=left, rate=rate, eta=eta or 0.0
            )

    async def pause(self) -> None:
        """The external store went away: what was under way is over."""
        if self._draining:
            self._draining = False
            await self._post({})
            tally = self._context.journal.tally()
            self._context.reporter.emit(
                EventKind.DRAIN_PAUSED,
                left=tally.entries - tally.parked,
                reason=self._context.link.mode,
            )

    def _rate(self, now: float) -> float:
        """Entries a second, over the last `WINDOW` seconds."""
        while self._recent and now - self._recent[0][0] > WINDOW:
            self._recent.popleft()
        elapsed = min(WINDOW, now - self._began_at)
        return len(self._recent) / elapsed if elapsed > 0 else 0.0

    async def _post(self, report: dict[str, object]) -> None:
        def decide(notice: Notice) -> tuple[Notice, ModeChange | None]:
            return replace(notice, drain=report), None

        await self._context.board.update(decide)
