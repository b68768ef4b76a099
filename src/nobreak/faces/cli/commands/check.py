"""`nobreak check`: one look at the external store, with an exit code for scripts."""

import asyncio
import os
from datetime import UTC, datetime

import click

from nobreak.engine.announcing import told
from nobreak.engine.drivers import open_external
from nobreak.engine.probing import build_probe
from nobreak.faces.cli.failing import DONE, FAILED
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import json_option, say, say_json
from nobreak.faces.cli.texts import LANG, said
from nobreak.reporting.events import Event
from nobreak.reporting.render import messages
from nobreak.settings import Probe, Settings, load_settings
from nobreak.stores.external.checks import CheckResult
from nobreak.stores.external.http import Timeouts

PROBES = [probe.value for probe in Probe if probe is not Probe.AUTO]


@click.command(
    "check",
    cls=Command,
    help=said(
        "Verifica o servidor externo uma vez. Código de saída: 0 saudável, 1 não.",
        "Check the external server once. Exit code: 0 healthy, 1 not.",
    ),
)
@click.option(
    "--probe",
    type=click.Choice(PROBES),
    help=said("Como verificar (padrão: HEALTH_PROBE).", "How to check (default: HEALTH_PROBE)."),
)
@json_option
def command(*, probe: str | None, as_json: bool) -> int:
    """Take one look."""
    asked = {"HEALTH_PROBE": probe} if probe else {}
    settings = load_settings({**os.environ, **asked})
    result = asyncio.run(_look(settings))
    if as_json:
        say_json(_document(settings, result))
    else:
        kind, fields = told(result, settings.health.timeout)
        for _level, line in messages(Event(1, datetime.now(UTC), kind, fields), LANG):
            say(line)
    return DONE if result.ok else FAILED


async def _look(settings: Settings) -> CheckResult:
    external = open_external(settings.external, Timeouts(settings.health.timeout))
    try:
        return await build_probe(settings, external, doubt=False).check()
    finally:
        await external.aclose()


def _document(settings: Settings, result: CheckResult) -> dict[str, object]:
    return {
        "ok": result.ok,
        "response_time": round(result.seconds, 3),
        "failure": result.kind,
        "detail": result.detail,
        "probes": list(settings.health.probes),
        "url": settings.external.url,
    }
