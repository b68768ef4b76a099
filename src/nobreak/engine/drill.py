"""The drill: an outage played on purpose, since a fallback that is never exercised doesn't work.

The mode is pinned to local for a while, canaries are written, read and deleted as clients do it, the mode
is given back, and after the drain every canary is looked at on the external store itself. Live traffic
meanwhile is kept here and given back like in any outage. A drill that dies gives the mode back: whoever
finds its crash does it (`modes.after_crash`).
"""

import asyncio
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from nobreak.core.routing import Link
from nobreak.engine.context import Context
from nobreak.engine.modes import DRILL, choose
from nobreak.engine.store import Store
from nobreak.errors import ExternalError, NobreakError, NotFoundError
from nobreak.words import Fingerprint, Mode, ObjectName, Override

EVERY = 0.2
"""A canary each so many seconds."""
SIZES = (1_000, 300_000)
"""One in the journal's row, one in a file (bytes), in turn."""
GIVEN_BACK_WITHIN = 120.0
"""How long the drain may take after the drill (seconds)."""
LOOK_EVERY = 0.1
ROOM = 256 * 1024 * 1024
"""Free bytes that there must be beyond what is always left: live traffic is kept here meanwhile."""


@dataclass(slots=True)
class Report:
    """What a drill found. Times in seconds; `problems` in words, empty when all was well."""

    lasted: float = 0.0
    writes: int = 0
    longest_write: float = 0.0
    reads: int = 0
    longest_read: float = 0.0
    given_back_in: float = 0.0
    verified: int = 0
    problems: list[str] = field(default_factory=list)


class Drill:
    """One drill of a running machine. Closes nothing; the caller owns context and store."""

    def __init__(self, context: Context, store: Store) -> None:
        self._context = context
        self._store = store
        self._prefix = f".nobreak/drill-{secrets.token_hex(8)}/"
        self._kept: dict[ObjectName, Fingerprint | None] = {}
        """What each canary must be in the end; None: deleted."""

    def reasons_against(self, *, monitored: bool) -> Iterator[str]:
        """Why it would not be safe now."""
        context = self._context
        notice, tally = context.board.read(), context.journal.tally()
        if not monitored:
            yield "nobody monitors and drains: start nobreak first"
        if notice.override is not Override.AUTO or not notice.use_external:
            yield "the mode is pinned by a person"
        elif context.link.state() is not Link.OPEN:
            yield "the external store is away, or suspected to be"
        if tally.entries:
            yield f"{tally.entries} writes still wait for the external store"
        free = context.bodies.free_bytes()
        if free < context.bodies.min_free_bytes + ROOM:
            yield f"only {free} bytes are free on the disk"

    async def run(self, seconds: float) -> Report:
        """Play it. Whatever happens, the mode is given back."""
        report = Report()
        await choose(self._context.board, Override.LOCAL, DRILL, self._context.now())
        try:
            await self._work(report, seconds)
        finally:
            await self._give_back()
        await self._verify(report)
        return report

    async def _work(self, report: Report, seconds: float) -> None:
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            if self._context.link.mode is not Mode.LOCAL:
                report.problems.append(
                    "the mode was changed by somebody else: the drill ended early"
                )
                break
            await self._act(report)
            await asyncio.sleep(min(EVERY, max(0.0, seconds - elapsed)))
        report.lasted = time.monotonic() - began

    async def _act(self, report: Report) -> None:
        """Write a canary, read it back; overwrite or delete an older one now and then."""
        number = report.writes
        names = list(self._kept)
        again = number % 3 == 2 and bool(names)  # noqa: PLR2004 - one in three
        name = names[number % len(names)] if again else self._name(number)
        body = os.urandom(SIZES[number % len(SIZES)])
        try:
            at = time.monotonic()
            info = await self._store.put(name, body)
            report.longest_write = max(report.longest_write, time.monotonic() - at)
            report.writes += 1
            self._kept[name] = Fingerprint(info.size, info.etag)
            at = time.monotonic()
            if await self._store.read(name) != body:
                report.problems.append(f"{name}: other bytes came back")
            report.longest_read = max(report.longest_read, time.monotonic() - at)
            report.reads += 1
            if number % 7 == 6:  # noqa: PLR2004 - one in seven
                await self._store.delete(name)
                self._kept[name] = None
        except NobreakError as error:
            report.problems.append(f"{name}: {error}")

    def _name(self, number: int) -> ObjectName:
        return ObjectName(self._context.writes.bucket, f"{self._prefix}{number:06}")

    async def _give_back(self) -> None:
        """Unless a person has chosen meanwhile: what a person chose stays."""
        if self._context.board.read().chosen_by == DRILL:
            await choose(self._context.board, Override.AUTO, DRILL, self._context.now())

    async def _verify(self, report: Report) -> None:
        """Wait for the drain, then look at every canary on the external store, and remove it."""
        began = time.monotonic()
        journal = self._context.journal
        while any(journal.newest(name) for name in self._kept):
            if time.monotonic() - began > GIVEN_BACK_WITHIN:
                report.problems.append(f"not all was given back in {GIVEN_BACK_WITHIN:g} seconds")
                break
            await asyncio.sleep(LOOK_EVERY)
        report.given_back_in = time.monotonic() - began
        for name, fingerprint in self._kept.items():
            try:
                if await self._is_there(name, fingerprint):
                    report.verified += 1
                else:
                    report.problems.append(f"{name}: the external store holds something else")
                await self._store.delete(name)
            except NobreakError as error:
                report.problems.append(f"{name}: {error}")

    async def _is_there(self, name: ObjectName, fingerprint: Fingerprint | None) -> bool:
        known = self._context.catalog.get(name)
        receipt = known[1] if known else None
        if fingerprint is not None:
            if receipt is None:
                raise ExternalError("the catalog does not know it")
            return await self._context.external.holds(name, fingerprint, receipt)
        if self._context.external.traits.chooses_names:
            return known is None
        try:
            await self._context.external.head(name, receipt=receipt)
        except NotFoundError:
            return True
        return False
