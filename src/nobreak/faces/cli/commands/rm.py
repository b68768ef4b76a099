"""`nobreak rm`: delete objects, during an outage too."""

from collections.abc import AsyncIterator

import click

from nobreak.app import Nobreak
from nobreak.faces.cli.failing import DONE, CommandError
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import say
from nobreak.faces.cli.remote import SYNTAX, as_prefix, parse, shown
from nobreak.faces.cli.session import with_nobreak
from nobreak.faces.cli.texts import said
from nobreak.printable import printable
from nobreak.words import ObjectName


@click.command(
    "rm",
    cls=Command,
    help=said(
        f"Apaga objetos; um que não existe não é erro. Nomes: {SYNTAX}.",
        f"Delete objects; one that does not exist is no error. Names: {SYNTAX}.",
    ),
)
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    help=said("Tudo que está sob o prefixo.", "All that is under the prefix."),
)
@click.option(
    "--yes",
    is_flag=True,
    help=said("Permite -r num bucket inteiro.", "Allow -r on a whole bucket."),
)
@click.argument("names", metavar=said("OBJETO...", "OBJECT..."), nargs=-1, required=True)
def command(*, names: tuple[str, ...], recursive: bool, yes: bool) -> int:
    """Delete, in the order of the arguments."""

    async def work(nobreak: Nobreak) -> int:
        bucket = nobreak.settings.writes.bucket
        for name in [parse(text, bucket) for text in names]:
            if recursive and not name.key and not yes:
                raise CommandError(
                    said(
                        f"isto apagaria o bucket {name.bucket} inteiro: confirme com --yes",
                        f"this would delete the whole bucket {name.bucket}: confirm with --yes",
                    )
                )
            async for each in _meant(nobreak, name, recursive=recursive):
                await nobreak.store.delete(each)
                say(printable(f"{said('apagado', 'deleted')} {shown(each, bucket)}"))
        return DONE

    return with_nobreak(work)


async def _meant(
    nobreak: Nobreak, name: ObjectName, *, recursive: bool
) -> AsyncIterator[ObjectName]:
    if not recursive:
        yield name
        return
    prefix = as_prefix(name)
    async for info in nobreak.store.walk(prefix.bucket, prefix=prefix.key):
        yield info.name
