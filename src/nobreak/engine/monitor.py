"""The health monitor: takes the checks, asks `core.failover` for the verdict, makes it known.

It runs in one process of a machine. Everything it knows stands on the board, where all others
read it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from nobreak.core.failover import (
    Failover,
    Phase,
    Rules,
    Signal,
    hold_left,
    next_check_in,
    revived,
    step,
)
from nobreak.engine.announcing import Announcer
from nobreak.engine.modes import BY_CHECKS, failover_of, recorded, with_failover
from nobreak.stores.external.checks import CheckResult, Probe
from nobreak.stores.interfaces import Board, ModeChange, Notice

LOOK_EVERY = 0.05
"""How often the board is read for suspicions and choices of other processes (seconds)."""


class Monitor:
    """See the module.

    `rules` and `probe` are asked for anew at each check: they may change, and a check while in
    doubt (True) may look more closely. `now`: seconds since the epoch; `clock`: seconds that
    only grow.
    """

    def __init__(
        self,
        board: Board,
        announcer: Announcer,
        rules: Callable[[], Rules],
        probe: Callable[[bool], Probe],
        wanted: asyncio.Event,
        now: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        self._board = board
        self._announcer = announcer
        self._rules = rules
        self._probe = probe
        self._wanted = wanted
        self._now = now
        self._clock = clock
        self._state = Failover()
        self._checked_at = 0.0
        self._used_external = True

    async def run(self) -> None:
        """Check until cancelled, beginning at once with what the last monitor left."""
        self._state = revived(failover_of(self._board.read()), self._clock())
        self._used_external = self._board.read().use_external
        self._announcer.take_over(self._board.read())
        while True:
            await self._check()
            await self._rest()

    async def _check(self) -> None:
        notice = self._board.read()
        doubt = self._state.phase is not Phase.STEADY or notice.asked > notice.answered
        result = await self._probe(doubt).check()
        self._checked_at = self._clock()
        signal = Signal.CHECK_OK if result.ok else Signal.CHECK_FAILED
        rules, before = self._rules(), self._state
        self._state, announcements = step(before, signal, rules, self._checked_at)
        hold = hold_left(self._state, rules, self._checked_at)
        try:
            await self._post(result, answered=notice.asked, quiet=not announcements)
        finally:  # a full disk must not silence the log
            self._announcer.announce(announcements, result, self._state, notice, hold)

    async def _post(self, result: CheckResult, *, answered: int, quiet: bool) -> None:
        """Put the result of a check on the board."""
        report = None if quiet else self._report(result)

        def decide(notice: Notice) -> tuple[Notice, ModeChange | None]:
            monitor = notice.monitor if report is None else report
            after = with_failover(notice, self._state)
            after = replace(after, answered=max(answered, notice.answered), monitor=monitor)
            return after, recorded(notice, after, self._now(), BY_CHECKS)

        await self._board.update(decide)

    def _report(self, result: CheckResult) -> dict[str, object]:
        return {
            "last_check": datetime.fromtimestamp(self._now(), UTC).isoformat(),
            "last_ok": result.ok,
            "last_detail": result.detail,
            "response_time": round(result.seconds, 3),
        }

    async def _rest(self) -> None:
        """Wait until the next check is due: by the rule, or because live traffic wants one."""
        while True:
            notice = self._board.read()
            self._announcer.watch(notice)
            if notice.use_external and not self._used_external:
                self._used_external = True
                self._state = Failover()  # turned on by a person: it starts external
                return
            self._used_external = notice.use_external
            rules = self._rules()
            if notice.asked > notice.answered:
                now = self._clock()
                self._state, announced = step(self._state, Signal.TRAFFIC_FAILED, rules, now)
                self._announcer.suspicion(announced, notice.suspicion)
            left = self._checked_at + next_check_in(self._state, rules) - self._clock()
            if left <= 0:
                return
            self._wanted.clear()
            try:
                async with asyncio.timeout(min(left, LOOK_EVERY)):
                    await self._wanted.wait()
            except TimeoutError:
                continue
