"""`nobreak doctor`: everything that has to be right, looked at once, with a line of advice each."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import click

from nobreak.errors import SettingsError
from nobreak.faces.cli.doctor.configuration import KEY, SUBJECT, look_at_settings
from nobreak.faces.cli.doctor.disk import look_at_disk, look_at_log
from nobreak.faces.cli.doctor.finding import SIGNS, Finding, Verdict, bad
from nobreak.faces.cli.doctor.network import look_at_network
from nobreak.faces.cli.doctor.process import look_at_journal, look_at_limits
from nobreak.faces.cli.doctor.s3_files import look_at_s3_files
from nobreak.faces.cli.doctor.storage import look_at_storage
from nobreak.faces.cli.failing import DONE, FAILED
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import json_option, on_terminal, say, say_json
from nobreak.faces.cli.texts import said
from nobreak.printable import printable
from nobreak.settings import Settings, load_settings


@click.command(
    "doctor",
    cls=Command,
    help=said(
        "Examina configuração, rede, servidor externo e disco. Grava e apaga objetos de teste "
        "no bucket. Código de saída: 1 se houver ❌.",
        "Examine settings, network, external server and disk. Writes and deletes test objects in "
        "the bucket. Exit code: 1 if there is a ❌.",
    ),
)
@json_option
def command(*, as_json: bool) -> int:
    """Look, and judge."""
    findings = asyncio.run(_examine())
    well = all(finding.verdict is not Verdict.BAD for finding in findings)
    if as_json:
        say_json({"ok": well, "findings": [_document(finding) for finding in findings]})
    elif on_terminal():
        _show_table(findings)
    else:
        for finding in findings:
            say(_line(finding))
    return DONE if well else FAILED


async def _examine() -> list[Finding]:
    try:
        settings = load_settings()
    except SettingsError as error:
        return [bad(KEY, SUBJECT, str(error), said("corrija e repita", "correct it and repeat"))]
    here = itertools.chain(
        look_at_settings(settings),
        look_at_s3_files(settings),
        look_at_limits(),
        look_at_disk(settings),
        look_at_log(settings),
        look_at_journal(settings),
    )
    return [*here, *[finding async for finding in _outside(settings)]]


async def _outside(settings: Settings) -> AsyncIterator[Finding]:
    """The external store, as far as it can be reached."""
    reached = True
    async for finding in look_at_network(settings):
        reached = reached and finding.verdict is not Verdict.BAD
        yield finding
    if reached:
        async for finding in look_at_storage(settings):
            yield finding


def _document(finding: Finding) -> dict[str, str]:
    return {
        "key": finding.key,
        "verdict": finding.verdict,
        "subject": finding.subject,
        "found": finding.found,
        "advice": finding.advice,
    }


def _line(finding: Finding) -> str:
    advice = f" → {finding.advice}" if finding.advice else ""
    return f"{SIGNS[finding.verdict]} {printable(f'{finding.subject}: {finding.found}{advice}')}"


def _show_table(findings: list[Finding]) -> None:
    from rich.console import Console  # noqa: PLC0415 - a piped report does without
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title="🩺 nobreak doctor", title_justify="left", header_style="bold")
    table.add_column("", width=2)
    for heading in (said("O quê", "What"), said("Encontrado", "Found"), said("Conselho", "Advice")):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        cells = (printable(text) for text in (finding.subject, finding.found, finding.advice))
        table.add_row(SIGNS[finding.verdict], *(Text(cell) for cell in cells))
    Console().print(table)
