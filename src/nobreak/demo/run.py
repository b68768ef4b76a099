"""`nobreak demo`: the main job on a real server, and the proof that nothing was lost."""

import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console

from nobreak.demo import texts
from nobreak.demo.acts import QUICK, Pace, Play
from nobreak.demo.clients import Client
from nobreak.demo.figures import Figures, figures, show
from nobreak.demo.history import History
from nobreak.demo.processes import NobreakProcess
from nobreak.demo.proof import held_by, warm_up
from nobreak.demo.screen import Lines, Screen, Show
from nobreak.demo.seaweed import SeaweedServer
from nobreak.demo.stage import Stage, follow
from nobreak.demo.texts import SCENES, Act
from nobreak.demo.wire import Wire
from nobreak.errors import NobreakError
from nobreak.lang import Lang

REFRESH_EVERY = 0.2
FAST = {
    "HEALTH_CHECK_INTERVAL": "2",
    "HEALTH_FAST_INTERVAL": "0.5",
    "HEALTH_CHECK_TIMEOUT": "1",
    "NOBREAK_SETTLE": "3",
}
FAILED, INTERRUPTED, TERMINATED = 1, 130, 143


def main(
    outage: str = "refuse", *, keep: bool = False, as_json: bool = False, quick: bool = False
) -> int:
    """Play it; the exit code is 0 only if every promise was kept.

    `outage`: `refuse` (the server is killed) or `freeze` (it accepts and never answers).
    `keep`: leave the files where they are. `as_json`: the figures as JSON on stdout, all else
    on stderr. `quick`: shorter acts. Lines are in the language of `NOBREAK_LANG`.
    """
    console = Console(stderr=as_json)
    lang = _language()
    try:
        with _folder(console, lang, keep=keep) as folder:
            found = asyncio.run(_perform(folder, console, lang, outage, QUICK if quick else Pace()))
    except KeyboardInterrupt:
        console.print(texts.STOPPED.within(lang))
        return INTERRUPTED
    except asyncio.CancelledError:
        return TERMINATED
    except NobreakError as error:
        console.print(f"❌ {error}", style="red", markup=False)
        return FAILED
    if as_json:
        sys.stdout.write(json.dumps(found.as_json()) + "\n")
    return 0 if found.ok else FAILED


async def _perform(folder: Path, console: Console, lang: Lang, outage: str, pace: Pace) -> Figures:
    """The whole evening: set up, play, prove, and tear down in all cases."""
    _cancel_on_signals()
    clock = asyncio.get_running_loop().time
    stage = Stage(History(), clock, began=clock())
    stage.enter(Act.SETUP, SCENES[Act.SETUP].within(lang))
    show_type = Screen if console.is_terminal else Lines
    async with AsyncExitStack() as stack:
        seen: Show = show_type(console, lang)
        stack.enter_context(seen)
        await stack.enter_async_context(alongside(_refresh(seen, stage)))
        server = SeaweedServer(folder / "seaweedfs")
        stack.push_async_callback(server.kill)
        await server.start()
        await warm_up(server)
        nobreak = NobreakProcess(folder / "nobreak", server, {**FAST, "NOBREAK_LANG": lang})
        stack.push_async_callback(nobreak.stop)
        await nobreak.start()
        following = follow(stage, nobreak.base, nobreak.health_log)
        await stack.enter_async_context(alongside(following))
        found = await _play_and_prove(Play(server, stage, outage, pace, lang), nobreak.base)
        seen.refresh(stage)
    show(console, found, stage.history.findings, lang)
    return found


async def _play_and_prove(play: Play, base: str) -> Figures:
    """Clients, outage, return; then what the external store holds. What stops it is told."""
    stage, history = play.stage, play.stage.history
    trouble, held = "", None
    try:
        async with aiohttp.ClientSession() as session:
            stop = asyncio.Event()
            working = crowd(Wire(session, base), stage, play.pace.clients, stop)
            async with alongside(working) as clients:
                await play.outage_and_return()
                stop.set()
                await clients
        await play.give_back()
        stage.enter(Act.PROOF, SCENES[Act.PROOF].within(play.lang))
        held = await held_by(play.server)
    except NobreakError as error:
        trouble = str(error)
    history.compare(held)
    return figures(play.outage, history, play.times, len(held or ()), trouble)


async def crowd(wire: Wire, stage: Stage, count: int, stop: asyncio.Event) -> None:
    """So many clients at once, until `stop`."""
    async with asyncio.TaskGroup() as tasks:
        for number in range(1, count + 1):
            chance = random.Random()  # noqa: S311 - it chooses what a client does
            client = Client(f"cliente-{number}", wire, stage.history, chance, stage.clock)
            tasks.create_task(client.run(stop))


@asynccontextmanager
async def alongside(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run `work` beside the body and cancel it after. What it died of is raised in the end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
    if not task.cancelled():
        task.result()


async def _refresh(seen: Show, stage: Stage) -> None:
    while True:
        seen.refresh(stage)
        await asyncio.sleep(REFRESH_EVERY)


def _cancel_on_signals() -> None:
    """SIGTERM and a closed terminal end the demo as Ctrl+C does: with everything stopped."""
    task = asyncio.current_task()
    assert task is not None, "runs in a task"  # noqa: S101
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


@contextmanager
def _folder(console: Console, lang: Lang, *, keep: bool) -> Iterator[Path]:
    """A folder for everything, removed in the end unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="nobreak-demo-"))
    try:
        yield folder
    finally:
        if keep:
            console.print(f"{texts.KEPT.within(lang)} {folder}", highlight=False, soft_wrap=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _language() -> Lang:
    with suppress(ValueError):
        return Lang(os.environ.get("NOBREAK_LANG") or Lang.PT_BR)
    return Lang.PT_BR
