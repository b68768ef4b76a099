"""`nobreak serve`: the engine and its faces, until somebody asks it to stop."""

import asyncio
import gc
from contextlib import AsyncExitStack

import click
import setproctitle
import uvloop

from nobreak.app import Nobreak
from nobreak.errors import SettingsError
from nobreak.faces.api import api_server
from nobreak.faces.cli.failing import CommandError
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.notify import READY, STOPPING, notify
from nobreak.faces.cli.stopping import stop_signal
from nobreak.faces.cli.texts import said
from nobreak.faces.limits import raise_open_files
from nobreak.faces.s3.serve import s3_server
from nobreak.reporting.events import EventKind
from nobreak.settings import load_settings

FACES = (api_server, s3_server)
"""What listens. Each is an async context manager over an open `Nobreak`."""
GARBAGE = 20_000
"""So many new objects that may hold others make the collector look at them."""
TITLE = "nobreak serve"
"""In `ps`; the process that monitors adds `[health_monitor: MODE]`."""


@click.command(
    "serve",
    cls=Command,
    help=said(
        "Monitora o servidor externo, atende a API e o S3 e devolve o que ficou no disco local. "
        "SIGHUP relê a configuração; SIGTERM ou Ctrl+C encerra em ordem, o segundo na hora.",
        "Monitor the external server, serve API and S3, and give back what was kept locally. "
        "SIGHUP reads the settings again; SIGTERM or Ctrl+C ends in good order, the second at once.",
    ),
)
def command() -> None:
    """Serve until SIGTERM or SIGINT."""
    load_settings().check_api_exposure()
    setproctitle.setproctitle(TITLE)
    raise_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())


def _spare_the_collector() -> None:
    """What is there now stays, and requests leave next to nothing in circles: look for it less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE)


async def _serve() -> None:
    with stop_signal() as asked:
        async with Nobreak(console=True, on_sighup=True) as nobreak, AsyncExitStack() as stack:
            for face in FACES:
                try:
                    await stack.enter_async_context(face(nobreak))
                except SettingsError as error:
                    if isinstance(error.__cause__, OSError):  # right, but it can't be had now
                        raise CommandError(str(error)) from error
                    raise
            _spare_the_collector()
            notify(READY)
            reason = await asked
            notify(STOPPING)
            nobreak.reporting.hub.emit(EventKind.SHUTTING_DOWN, reason=reason)
