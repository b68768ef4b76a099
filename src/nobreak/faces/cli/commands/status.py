"""`nobreak status`: read from the data directory, so it works whether or not a server runs."""

import time

import click

from nobreak.engine.glance import Glance
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.here import glance
from nobreak.faces.cli.output import as_json_text, json_option, on_terminal, say, say_json
from nobreak.faces.cli.status_lines import Line, status_lines
from nobreak.faces.cli.texts import said
from nobreak.settings import load_settings

EVERY = 1.0
"""How often `--watch` looks (seconds)."""


@click.command(
    "status",
    cls=Command,
    help=said(
        "Mostra modo, servidor externo, pendências e disco.",
        "Show mode, external server, pending writes and disk.",
    ),
)
@click.option(
    "--watch",
    is_flag=True,
    help=said("Atualiza a cada segundo, até Ctrl+C.", "Refresh every second, until Ctrl+C."),
)
@json_option
def command(*, watch: bool, as_json: bool) -> None:
    """Show the state of this machine, once or for ever."""
    with glance(load_settings()) as here:
        if watch:
            _watch(here, as_json=as_json)
        elif as_json:
            say_json(here.status())
        elif on_terminal():
            _show_panel(here)
        else:
            _say_lines(here)


def _watch(here: Glance, *, as_json: bool) -> None:
    if on_terminal() and not as_json:
        _refresh_panel(here)
        return
    while True:
        if as_json:
            say(as_json_text(here.status()))
        else:
            _say_lines(here)
            say()
        time.sleep(EVERY)


def _say_lines(here: Glance) -> None:
    for line in status_lines(here.status()):
        say(_plain(line))


def _plain(line: Line) -> str:
    return f"{line.sign} {line.title}: {line.text}"


def _show_panel(here: Glance) -> None:
    from rich.console import Console  # noqa: PLC0415 - a piped status does without

    from nobreak.faces.cli.status_panel import panel  # noqa: PLC0415

    Console().print(panel(here.status()))


def _refresh_panel(here: Glance) -> None:
    from rich.live import Live  # noqa: PLC0415 - as above

    from nobreak.faces.cli.status_panel import panel  # noqa: PLC0415

    with Live(panel(here.status()), auto_refresh=False, screen=True) as live:
        while True:
            live.update(panel(here.status()), refresh=True)
            time.sleep(EVERY)
