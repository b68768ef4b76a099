"""`nobreak pending`: what the journal holds, and a second chance for what was refused."""

import asyncio
import time

import click

from nobreak.engine.glance import Glance
from nobreak.engine.journal_file import open_database
from nobreak.faces.cli.entries import HEADINGS, cells, document, walk
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.here import check_owner, glance
from nobreak.faces.cli.output import as_json_text, json_option, on_terminal, say
from nobreak.faces.cli.texts import said
from nobreak.reporting.render import human_size
from nobreak.settings import Settings, load_settings
from nobreak.stores.interfaces import Tally
from nobreak.stores.sqlite.journal import SqliteJournal

SHOWN = 50


@click.command(
    "pending",
    cls=Command,
    help=said(
        "Lista as gravações que o servidor externo ainda não confirmou, na ordem.",
        "List the writes that the external server has not confirmed yet, in order.",
    ),
)
@click.option(
    "--parked",
    is_flag=True,
    help=said("Só as que o servidor recusou.", "Only those that the server refused."),
)
@click.option(
    "--retry",
    is_flag=True,
    help=said("Tenta já as recusadas.", "Try the refused ones now."),
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=SHOWN,
    show_default=True,
    help=said("Quantas mostrar; 0: todas.", "How many to show; 0: all."),
)
@json_option
def command(*, parked: bool, retry: bool, limit: int, as_json: bool) -> None:
    """Show entries, and let the parked ones be tried again."""
    settings = load_settings()
    with glance(settings) as here:
        retried = _retry(settings) if retry else None
        if as_json:
            _say_document(here, parked=parked, limit=limit, retried=retried)
            return
        if retried is not None:
            say(said(f"🔁 {retried} serão tentadas já", f"🔁 {retried} will be tried now"))
        _show(here, parked=parked, limit=limit)


def _retry(settings: Settings) -> int:
    check_owner(settings)

    async def let_them() -> int:
        database = await open_database(settings.local.data_dir)
        try:
            return await SqliteJournal(database).retry_parked()
        finally:
            await database.aclose()

    return asyncio.run(let_them())


def _say_document(here: Glance, *, parked: bool, limit: int, retried: int | None) -> None:
    """One JSON document, written as it is read: it may be long."""
    tally = here.journal.tally()
    head = {"total": tally.entries, "bytes": tally.bytes, "parked": tally.parked}
    if retried is not None:
        head["retried"] = retried
    say(as_json_text(head)[:-1] + ', "entries": [')
    separator = ""
    for entry in walk(here.journal, parked=parked, limit=limit):
        click.echo(separator + as_json_text(document(entry)), nl=False)
        separator = ",\n"
    say("]}")


def _show(here: Glance, *, parked: bool, limit: int) -> None:
    tally = here.journal.tally()
    if on_terminal() and limit and tally.entries:
        _show_table(here, parked=parked, limit=limit)
    else:
        for entry in walk(here.journal, parked=parked, limit=limit):
            say("\t".join(cells(entry, time.time())).rstrip("\t"))
    say(_sum(tally, parked=parked, limit=limit))


def _show_table(here: Glance, *, parked: bool, limit: int) -> None:
    from rich.console import Console  # noqa: PLC0415 - a piped list does without
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for entry in walk(here.journal, parked=parked, limit=limit):
        style = "red" if entry.error else ""
        table.add_row(*(Text(cell, style=style) for cell in cells(entry, time.time())))
    Console().print(table)


def _sum(tally: Tally, *, parked: bool, limit: int) -> str:
    total = tally.parked if parked else tally.entries
    if not total:
        return said("✅ nada pendente", "✅ nothing pending")
    shown = min(total, limit) if limit else total
    text = said(
        f"{shown} de {total}, {human_size(tally.bytes)} ao todo, {tally.parked} recusadas",
        f"{shown} of {total}, {human_size(tally.bytes)} in all, {tally.parked} refused",
    )
    return f"📊 {text}"
