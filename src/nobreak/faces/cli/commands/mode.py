"""`nobreak mode`: a person's choice. All processes of this machine follow at once (I6)."""

import asyncio
import getpass
import os
import time

import click

from nobreak.engine.journal_file import open_database
from nobreak.engine.modes import choose
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.here import check_owner, glance
from nobreak.faces.cli.output import json_option, say, say_json
from nobreak.faces.cli.status_lines import mode_name
from nobreak.faces.cli.texts import said
from nobreak.settings import Settings, load_settings
from nobreak.stores.interfaces import Notice
from nobreak.stores.sqlite.board import SqliteBoard
from nobreak.words import Override


@click.command(
    "mode",
    cls=Command,
    help=said(
        "Mostra o modo, ou o fixa em local ou external; auto o devolve ao monitor. "
        "Vale na hora, para todos os processos, e sobrevive a um reinício.",
        "Show the mode, or pin it to local or external; auto gives it back to the monitor. "
        "It takes effect at once, in all processes, and survives a restart.",
    ),
)
@click.argument(
    "choice",
    metavar="[auto|local|external]",
    type=click.Choice([choice.value for choice in Override]),
    required=False,
)
@json_option
def command(*, choice: str | None, as_json: bool) -> None:
    """Show or choose the mode."""
    settings = load_settings()
    if choice is None:
        with glance(settings) as here:
            notice, monitored = here.board.read(), here.monitored()
    else:
        check_owner(settings)
        notice = asyncio.run(_choose(settings, Override(choice)))
        with glance(settings) as here:
            monitored = here.monitored()
    if as_json:
        say_json(_document(notice, monitored=monitored))
    else:
        _say(notice, monitored=monitored)


async def _choose(settings: Settings, override: Override) -> Notice:
    database = await open_database(settings.local.data_dir)
    try:
        return await choose(SqliteBoard(database), override, f"cli:{_user()}", time.time())
    finally:
        await database.aclose()


def _user() -> str:
    """Who sits there: the person behind sudo, if it is used."""
    behind = os.environ.get("SUDO_USER")
    if behind:
        return behind
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _document(notice: Notice, *, monitored: bool) -> dict[str, object]:
    return {
        "current_mode": notice.mode,
        "override": notice.override,
        "chosen_by": notice.chosen_by or None,
        "use_external_storage": notice.use_external,
        "is_running": monitored,
    }


def _say(notice: Notice, *, monitored: bool) -> None:
    say(f"{said('Modo Atual', 'Current Mode')}: {mode_name(notice.mode)}")
    by = f" ({notice.chosen_by})" if notice.chosen_by else ""
    say(f"{said('Escolha manual', 'Chosen by hand')}: {notice.override}{by}")
    if not notice.use_external:
        say('USE_EXTERNAL_STORAGE="false"')
    if not monitored:
        say(
            said(
                "Health Monitor: PARADO (vale quando o nobreak serve iniciar)",
                "Health Monitor: STOPPED (takes effect when nobreak serve starts)",
            )
        )
