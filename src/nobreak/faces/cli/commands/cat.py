"""`nobreak cat`: objects on stdout."""

import click

from nobreak.app import Nobreak
from nobreak.faces.cli.copying import STREAM, Copy, copy
from nobreak.faces.cli.failing import DONE
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.remote import SYNTAX, parse
from nobreak.faces.cli.session import with_nobreak
from nobreak.faces.cli.texts import said


@click.command(
    "cat",
    cls=Command,
    help=said(
        f"Escreve objetos na saída padrão, um após o outro. Nomes: {SYNTAX}.",
        f"Write objects to stdout, one after the other. Names: {SYNTAX}.",
    ),
)
@click.argument("names", metavar=said("OBJETO...", "OBJECT..."), nargs=-1, required=True)
def command(*, names: tuple[str, ...]) -> int:
    """Write whole objects."""

    async def work(nobreak: Nobreak) -> int:
        for name in [parse(text, nobreak.settings.writes.bucket) for text in names]:
            await copy(nobreak.store, Copy(name, STREAM), lambda _size: None)
        return DONE

    return with_nobreak(work)
