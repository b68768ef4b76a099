"""`nobreak ls`: objects in the order of their keys, pending ones included."""

import click

from nobreak.app import Nobreak
from nobreak.faces.cli.failing import DONE
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import as_json_text, json_option, say
from nobreak.faces.cli.remote import SCHEME, SYNTAX, parse, shown
from nobreak.faces.cli.session import with_nobreak
from nobreak.faces.cli.texts import said
from nobreak.printable import printable
from nobreak.reporting.render import human_size
from nobreak.words import Mode, ObjectInfo


@click.command(
    "ls",
    cls=Command,
    help=said(
        f"Lista os objetos cujas chaves começam assim; 💾: ainda só aqui. Nomes: {SYNTAX}.",
        f"List the objects whose keys begin so; 💾: only here so far. Names: {SYNTAX}.",
    ),
)
@click.argument("prefix", metavar=said("[PREFIXO]", "[PREFIX]"), default=SCHEME)
@json_option
def command(*, prefix: str, as_json: bool) -> int:
    """List objects as they are found; JSON is one document."""

    async def work(nobreak: Nobreak) -> int:
        bucket = nobreak.settings.writes.bucket
        start = parse(prefix, bucket)
        separator = "["
        async for info in nobreak.store.walk(start.bucket, prefix=start.key):
            if as_json:
                click.echo(separator + as_json_text(_document(info)), nl=False)
                separator = ",\n"
            else:
                say(_line(info, bucket))
        if as_json:
            say("[]" if separator == "[" else "]")
        return DONE

    return with_nobreak(work)


def _line(info: ObjectInfo, bucket: str) -> str:
    when = info.modified.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    pending = " 💾" if info.mode is Mode.LOCAL else ""
    return f"{when}  {human_size(info.size):>10}  {printable(shown(info.name, bucket))}{pending}"


def _document(info: ObjectInfo) -> dict[str, object]:
    return {
        "bucket": info.name.bucket,
        "key": info.name.key,
        "size": info.size,
        "etag": info.etag,
        "modified": info.modified.isoformat(),
        "pending": info.mode is Mode.LOCAL,
    }
