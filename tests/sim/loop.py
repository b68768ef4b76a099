"""An event loop whose clock is ours: it jumps to the next thing that is due, and never waits.

Everything belongs to a simulated process, or to none (the world). What belongs to a process that is
dead never runs again, not even its `finally`: a SIGKILL leaves no time for that. What belongs to
a frozen one (SIGSTOP) runs when it thaws.
"""

import asyncio
import contextvars
import gc
import heapq
import warnings
from asyncio import events
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

TURN_TAKES = 1e-7
"""A turn of the loop takes some time (seconds): else what waits for less than a rounding error never ends."""
MOST_AT_ONCE = 20_000
"""So many steps without any time passing are a loop that never ends."""


class Owner(Protocol):
    """A process, as the loop sees it."""

    dead: bool
    frozen: bool
    held: list[Any]


owner_var: contextvars.ContextVar[Owner | None] = contextvars.ContextVar("owner", default=None)


class StuckError(Exception):
    """Nothing is left to happen, or time stands still."""


class _Owned:
    """A callback that runs only when its process can run."""

    _context: contextvars.Context

    def _run(self) -> None:
        owner = self._context.get(owner_var)
        if owner is not None:
            if owner.dead:
                return
            if owner.frozen:
                owner.held.append(self)  # type: ignore[arg-type]
                return
        super()._run()  # type: ignore[misc]


class Step(_Owned, events.Handle):
    """The next thing to do."""


class TimedStep(_Owned, events.TimerHandle):
    """Something to do at a time."""


class SimTask(asyncio.Task):  # type: ignore[type-arg]
    """A task whose place in sets does not depend on its address, and that knows its process."""

    def __init__(self, coro: Any, number: int, **options: Any) -> None:
        self._number = number
        context = options.get("context")
        self.owner = owner_var.get() if context is None else context.get(owner_var)
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self._number


class _Jump:
    """Takes the place of the selector: waiting is moving the clock."""

    def __init__(self, loop: "SimLoop") -> None:
        self._loop = loop
        self._still = 0

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise StuckError("nothing will ever happen again")
        if timeout > 0:
            self._loop.now += timeout
            self._still = 0
        else:
            self._loop.now += TURN_TAKES
            self._still += 1
            if self._still > MOST_AT_ONCE:
                raise StuckError("time stands still")
        return []


class SimLoop(asyncio.BaseEventLoop):
    """See the module. `delay` says how long (seconds) blocking work takes, or raises `OSError`."""

    def __init__(self, delay: Callable[[bool], tuple[float, OSError | None]]) -> None:
        super().__init__()
        self.now = 1000.0
        self._clock_resolution = 1e-9
        self._selector = _Jump(self)
        self._delay = delay
        self.tasks: list[SimTask] = []
        self._made = 0
        self.set_task_factory(self._make_task)  # type: ignore[arg-type]
        self.world = contextvars.copy_context()
        # What a client that went away, or a dead process, did not hear of is no failure here.
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        return self.now

    def _process_events(self, event_list: list[Any]) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def _call_soon(self, callback: Any, args: Any, context: Any) -> Step:
        handle = Step(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> TimedStep:

        timer = TimedStep(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def _make_task(self, _loop: Any, coro: Coroutine[Any, Any, Any], **options: Any) -> SimTask:
        self._made += 1
        task = SimTask(coro, self._made, loop=self, **options)
        self.tasks.append(task)
        if len(self.tasks) > 4000:
            self.tasks = [each for each in self.tasks if not each.done()]
        return task

    def thaw(self, owner: Owner) -> None:
        """Let everything run that a frozen process has held back."""
        held, owner.held = owner.held, []
        for handle in held:
            if not handle._cancelled:
                self._ready.append(handle)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Blocking work: it is done at one instant, after a delay, even if nobody waits any more."""
        answer: asyncio.Future[Any] = self.create_future()
        seconds, error = self._delay(executor is not None)

        def work() -> None:
            result: Any = None
            failure: BaseException | None = error
            if failure is None:
                try:
                    result = func(*args)
                except BaseException as raised:  # noqa: BLE001 - handed to who waits
                    failure = raised
            self.call_soon(tell, result, failure)

        def tell(result: Any, failure: BaseException | None) -> None:
            if answer.done():
                return
            if failure is not None:
                answer.set_exception(failure)
            else:
                answer.set_result(result)

        self.call_later(seconds, work)
        return answer

    def bury(self) -> None:
        """End what the dead left behind, without effect on anything. For the end of the world."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for task in self.tasks:
                if task.done():
                    continue
                task._log_destroy_pending = False
                coro = task.get_coro()
                context = contextvars.copy_context()
                for _ in range(20):
                    try:
                        context.run(_close_as, task.owner, coro)
                        break
                    except BaseException:  # noqa: BLE001 - it waits in a `finally`
                        continue
            self.tasks.clear()
            gc.collect()


def _close_as(owner: Owner | None, coro: Any) -> None:
    owner_var.set(owner)
    coro.close()
