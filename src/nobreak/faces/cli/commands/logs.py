"""`nobreak logs`: the health log, wherever it really is."""

import sys

import click

from nobreak.faces.cli.failing import CommandError
from nobreak.faces.cli.follow import follow, last_lines, successor_of
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.here import log_path
from nobreak.faces.cli.output import on_terminal, remark
from nobreak.faces.cli.texts import said
from nobreak.settings import load_settings

SHOWN = 50
_COLOURS = {b"[ERROR]": "red", b"[WARNING]": "yellow"}


@click.command(
    "logs",
    cls=Command,
    help=said("Mostra o fim do log de saúde.", "Show the end of the health log."),
)
@click.option(
    "-f",
    "--follow",
    "following",
    is_flag=True,
    help=said("Segue o log, até Ctrl+C.", "Follow the log, until Ctrl+C."),
)
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0),
    default=SHOWN,
    show_default=True,
    help=said("Quantas linhas.", "How many lines."),
)
def command(*, following: bool, lines: int) -> None:
    """Print the last lines, and those to come."""
    settings = load_settings()
    path = log_path(settings)
    file = successor_of(None, path)
    if file is not None:
        for line in last_lines(file, lines):
            _write(line)
    elif following:
        remark(said(f"aguardando {path} ...", f"waiting for {path} ..."))
    else:
        raise CommandError(said(f"ainda não há log em {path}", f"there is no log in {path} yet"))
    if following:
        # While a log is being rotated its path leads to nothing: an old one elsewhere is not meant.
        for line in follow(lambda: path if file else log_path(settings), file):
            _write(line)
    elif file is not None:
        file.close()


def _write(line: bytes) -> None:
    colour = next((c for level, c in _COLOURS.items() if level in line[:40]), None)
    if colour and on_terminal():
        click.secho(line.decode(errors="replace").rstrip("\n"), fg=colour)
        return
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
