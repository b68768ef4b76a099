"""`nobreak cp`: files to objects and back, during an outage too."""

from pathlib import Path

import click

from nobreak.app import Nobreak
from nobreak.errors import LocalStoreError, NobreakError, OutOfSpaceError
from nobreak.faces.cli.copy_progress import progress
from nobreak.faces.cli.copying import STREAM, Copy, Place, copy
from nobreak.faces.cli.failing import DONE, FAILED, CommandError, failed
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import remark
from nobreak.faces.cli.planning import plan
from nobreak.faces.cli.remote import shown as as_typed
from nobreak.faces.cli.session import with_nobreak
from nobreak.faces.cli.texts import said
from nobreak.printable import printable
from nobreak.words import Mode, ObjectName

HOPELESS = (LocalStoreError, OutOfSpaceError)
"""What fails for one file for these reasons fails for the next one too."""


@click.command(
    "cp",
    cls=Command,
    help=said(
        "Copia de ORIGEM para DESTINO. Objetos são nb:CHAVE ou nb://BUCKET/CHAVE; - é a entrada "
        "ou a saída padrão. Com -r, tudo que está sob um diretório ou prefixo.",
        "Copy SOURCE to TARGET. Objects are nb:KEY or nb://BUCKET/KEY; - is stdin or stdout. "
        "With -r, all that is under a directory or prefix.",
    ),
)
@click.option(
    "-r", "--recursive", is_flag=True, help=said("Diretórios inteiros.", "Whole directories.")
)
@click.argument("source", metavar=said("ORIGEM", "SOURCE"))
@click.argument("target", metavar=said("DESTINO", "TARGET"))
def command(*, source: str, target: str, recursive: bool) -> int:
    """Copy, and go on with the others when one fails."""

    async def work(nobreak: Nobreak) -> int:
        code, kept_here = DONE, False
        with progress() as shown:
            async for job in plan(nobreak, source, target, recursive=recursive):
                try:
                    if isinstance(job, CommandError):
                        raise job
                    text = _described(job, nobreak.settings.writes.bucket)
                    shown.begin(text)
                    mode = await copy(nobreak.store, job, shown.moved)
                    shown.done(text)
                except (NobreakError, OSError) as error:
                    if not recursive or isinstance(error, HOPELESS):
                        raise
                    code = FAILED
                    remark(f"nobreak: {failed(error)[1]}")
                else:
                    kept_here |= mode is Mode.LOCAL and isinstance(job.target, ObjectName)
        if kept_here:
            _say_kept_here(nobreak)
        return code

    return with_nobreak(work)


def _described(job: Copy, bucket: str) -> str:
    return printable(f"{_typed(job.source, bucket)} → {_typed(job.target, bucket)}")


def _typed(place: Place, bucket: str) -> str:
    if place is STREAM:
        return "-"
    return str(place) if isinstance(place, Path) else as_typed(place, bucket)


def _say_kept_here(nobreak: Nobreak) -> None:
    """It is safe, but not outside yet; and somebody has to bring it there."""
    line = said("💾 guardado no disco local", "💾 kept on the local disk")
    if nobreak.status()["monitor"]["is_running"]:
        line += said(", será devolvido", ", to be given back")
    else:
        line += said(
            "; para devolver: nobreak serve, ou nobreak drain --wait",
            "; to give it back: nobreak serve, or nobreak drain --wait",
        )
    remark(line)
