"""How long an answer is awaited that may rightly take long: for as long as the server lives (I5).

A copy of a large object needs its time. What tells it from a server that is dead is a look at
something small: while that is answered, the wait goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from nobreak.engine.attempt import Attempt, read_within
from nobreak.errors import NobreakError, OutageError

T = TypeVar("T")


async def while_it_lives(
    work: Coroutine[Any, Any, T],
    look: Callable[[], Coroutine[Any, Any, object]],
    *,
    sent: Awaitable[object],
    seconds: float,
) -> T:
    """Await `work`; from the time when all is `sent`, look whenever half of `seconds` is over.

    Raises what `work` raises, and `OutageError` when a look gets no answer in the other half.
    """
    attempt = Attempt(work)
    task = attempt.task
    waiting = asyncio.ensure_future(sent)
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        while not (await asyncio.wait({task}, timeout=seconds / 2))[0]:
            await _alive(look, seconds / 2)
        return task.result()
    except BaseException:
        await attempt.abandon()
        raise
    finally:
        waiting.cancel()


async def _alive(look: Callable[[], Coroutine[Any, Any, object]], seconds: float) -> None:
    """Whatever it answers, it lives (I8)."""
    try:
        await read_within(look(), seconds)
    except OutageError as error:
        raise OutageError(error.kind, str(error), in_doubt=True, status=error.status) from error
    except NobreakError:
        return
