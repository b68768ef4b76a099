"""One try at the external store, which nobody has to wait for longer than they want (I5)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from nobreak.core.routing import Outcome
from nobreak.errors import NobreakError, OutageError, OutageKind

T = TypeVar("T")


class Attempt(Generic[T]):
    """A request under way. After `outcome`, either `result` or `error` says what came of it."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._task = asyncio.create_task(work)

    @property
    def task(self) -> asyncio.Task[T]:
        """What runs."""
        return self._task

    async def outcome(self, *, within: float | None) -> Outcome:
        """Wait `within` seconds at most (None: for good). `SLOW`: it is still under way.

        An exception that isn't an answer of the external store goes through.
        """
        done, _ = await asyncio.wait({self._task}, timeout=within)
        if not done:
            return Outcome.SLOW
        error = self._task.exception()
        if error is None:
            return Outcome.DONE
        if isinstance(error, OutageError):
            return Outcome.UNKNOWN if error.in_doubt else Outcome.FAILED
        if isinstance(error, NobreakError):
            return Outcome.ANSWERED
        raise error

    @property
    def result(self) -> T:
        """What it returned, once its outcome is `DONE`."""
        return self._task.result()

    @property
    def outage(self) -> OutageError:
        """The failure, once its outcome is `FAILED`, `UNKNOWN` or `SLOW`.

        What was slow may have ended since, in any way: it did not answer in time.
        """
        error = self._task.exception() if self._task.done() else None
        if isinstance(error, OutageError):
            return error
        return OutageError(OutageKind.TIMEOUT, "no answer in time", in_doubt=True)

    @property
    def answer(self) -> NobreakError:
        """The refusal, once its outcome is `ANSWERED`."""
        error = self._task.exception()
        assert isinstance(error, NobreakError), "asked for only after an answer"  # noqa: S101
        return error

    async def abandon(self) -> None:
        """Cancel it and wait until it has let go of its connection."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # retrieved: nobody else will ask


async def read_within(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Await a request that changes nothing; give it up after `seconds` with `OutageError`."""
    attempt = Attempt(work)
    try:
        outcome = await attempt.outcome(within=seconds)
    except asyncio.CancelledError:
        await attempt.abandon()
        raise
    if outcome is Outcome.DONE:
        return attempt.result
    if outcome is Outcome.ANSWERED:
        raise attempt.answer
    outage = attempt.outage
    await attempt.abandon()
    raise outage
