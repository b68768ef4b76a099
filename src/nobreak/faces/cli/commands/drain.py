"""`nobreak drain`: see everything given back, by the running server or by this process itself."""

import asyncio
import time
from contextlib import AsyncExitStack

import click

from nobreak.app import Nobreak
from nobreak.core.failover import pinned
from nobreak.engine.glance import Glance
from nobreak.faces.cli.drain_progress import progress
from nobreak.faces.cli.entries import walk
from nobreak.faces.cli.failing import DONE, FAILED, CommandError
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.here import check_owner, glance
from nobreak.faces.cli.output import remark, say
from nobreak.faces.cli.status_lines import mode_name
from nobreak.faces.cli.texts import said
from nobreak.printable import printable
from nobreak.settings import Settings, load_settings
from nobreak.words import Mode

LOOK_EVERY = 0.1
UNLED = 5.0
"""When nobody has led for so long (seconds), this process leads: a restart is quicker."""
NAMED = 20


@click.command(
    "drain",
    cls=Command,
    help=said(
        "Mostra a devolução. Com --wait espera até o fim; se nenhum nobreak estiver rodando, "
        "este processo devolve. Código de saída: 0 tudo devolvido, 1 não.",
        "Show what is being given back. With --wait it waits for the end; if no nobreak runs, "
        "this process does the work. Exit code: 0 all given back, 1 not.",
    ),
)
@click.option(
    "--wait",
    is_flag=True,
    help=said("Espera até tudo estar devolvido.", "Wait until all is given back."),
)
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    help=said("Espera no máximo tantos segundos.", "Wait for so many seconds at most."),
)
def command(*, wait: bool, timeout: float | None) -> int:
    """Wait for an empty journal."""
    settings = load_settings()
    with glance(settings) as here:
        if wait and _left(here):
            asyncio.run(_drained(settings, here, timeout))
        return _conclude(here)


async def _drained(settings: Settings, here: Glance, timeout: float | None) -> None:
    """Return when nothing but parked entries is left, or when the time is over."""
    deadline = None if timeout is None else time.monotonic() + timeout
    async with AsyncExitStack() as stack:
        show = stack.enter_context(progress(_left(here)))
        unled_since: float | None = time.monotonic() - UNLED
        leads = False
        while left := _left(here):
            _check_pin(here)
            if deadline is not None and time.monotonic() > deadline:
                remark(said("tempo esgotado", "time is over"))
                return
            if leads or here.monitored():
                unled_since = None
            elif unled_since is None:
                unled_since = time.monotonic()
            elif time.monotonic() - unled_since >= UNLED:
                check_owner(settings)
                await stack.enter_async_context(Nobreak(lambda: settings))
                leads = True
            show(left, here.board.read())
            await asyncio.sleep(LOOK_EVERY)
        show(0, here.board.read())


def _left(here: Glance) -> int:
    tally = here.journal.tally()
    return tally.entries - tally.parked


def _check_pin(here: Glance) -> None:
    """Nothing is given back while a person has pinned the mode to local."""
    notice = here.board.read()
    if pinned(notice.override, use_external=notice.use_external) is Mode.LOCAL:
        raise CommandError(
            said(
                f"modo fixado em {mode_name(Mode.LOCAL)} por uma pessoa, nada é devolvido; "
                'libere com `nobreak mode auto` ou USE_EXTERNAL_STORAGE="true"',
                f"mode pinned to {mode_name(Mode.LOCAL)} by a person, nothing is given back; "
                'free it with `nobreak mode auto` or USE_EXTERNAL_STORAGE="true"',
            )
        )


def _conclude(here: Glance) -> int:
    """Say what is left, by name where it was refused."""
    tally, left = here.journal.tally(), _left(here)
    if not tally.entries:
        say(said("✅ DEVOLUÇÃO COMPLETA: nada pendente", "✅ DRAIN COMPLETE: nothing pending"))
        return DONE
    if left:
        say(said(f"⏳ faltam {left} itens", f"⏳ {left} entries left"))
        if not here.monitored():
            say(
                said(
                    "❌ ninguém devolve: inicie `nobreak serve`, ou use --wait",
                    "❌ nobody gives back: start `nobreak serve`, or use --wait",
                )
            )
    if tally.parked:
        say(
            said(
                f"🅿️ {tally.parked} recusados pelo servidor externo, guardados aqui:",
                f"🅿️ {tally.parked} refused by the external server, kept here:",
            )
        )
        for entry in walk(here.journal, parked=True, limit=NAMED):
            say(f"   {printable(str(entry.name))}: {printable(entry.error)}")
    return FAILED
