"""`nobreak drill`: play an outage on the running system, and report."""

from dataclasses import asdict

import click

from nobreak.app import Nobreak
from nobreak.engine.drill import Report
from nobreak.faces.cli.failing import DONE, FAILED, CommandError
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import json_option, remark, say, say_json
from nobreak.faces.cli.session import with_nobreak
from nobreak.faces.cli.texts import said
from nobreak.printable import printable
from nobreak.settings import load_settings
from nobreak.settings.kinds import duration

SHOWN = 20


def _seconds(_context: click.Context, _option: click.Parameter, value: str) -> float:
    seconds = duration(value)
    if seconds is None or not 1 <= seconds <= 3600:  # noqa: PLR2004 - an hour
        raise click.BadParameter(said("permitido: de 1s a 1h", "allowed: from 1s to 1h"))
    return seconds


@click.command(
    "drill",
    cls=Command,
    help=said(
        "Simula uma queda de propósito: fixa o modo local, grava e lê canários, volta, devolve e "
        "confere no servidor externo. O tráfego real fica no disco local enquanto isso. Recusa "
        "quando não seria seguro. Código de saída: 0 tudo bem, 1 não.",
        "Play an outage on purpose: pin the mode to local, write and read canaries, recover, drain and "
        "verify on the external server. Live traffic is kept here meanwhile. Refuses when that "
        "would not be safe. Exit code: 0 all is well, 1 not.",
    ),
)
@click.option(
    "--for",
    "seconds",
    default="60s",
    callback=_seconds,
    metavar=said("TEMPO", "TIME"),
    help=said("Quanto dura: 90s, 5m (padrão: 60s).", "How long it lasts: 90s, 5m (default: 60s)."),
)
@json_option
def command(*, seconds: float, as_json: bool) -> int:
    """Play it on the data directory of the running nobreak."""
    load_settings()

    async def work(nobreak: Nobreak) -> int:
        drill = nobreak.drill()
        against = list(drill.reasons_against(monitored=nobreak.status()["monitor"]["is_running"]))
        if against:
            reasons = "; ".join(against)
            raise CommandError(said(f"não seria seguro: {reasons}", f"not safe now: {reasons}"))
        remark(said(f"🧯 Simulação de queda por {seconds:g}s...", f"🧯 Drill for {seconds:g}s..."))
        report = await drill.run(seconds)
        if as_json:
            say_json({"ok": not report.problems, **asdict(report)})
        else:
            _say(report)
        return FAILED if report.problems else DONE

    return with_nobreak(work)


def _say(report: Report) -> None:
    say(
        said(
            f"💾 {report.writes} gravações e {report.reads} leituras no modo local em "
            f"{report.lasted:.1f}s; mais longa: {report.longest_write:.3f}s e {report.longest_read:.3f}s",
            f"💾 {report.writes} writes and {report.reads} reads in mode local in "
            f"{report.lasted:.1f}s; longest: {report.longest_write:.3f}s and {report.longest_read:.3f}s",
        )
    )
    say(
        said(
            f"🔄 devolvidos em {report.given_back_in:.1f}s; {report.verified} conferidos no servidor",
            f"🔄 given back in {report.given_back_in:.1f}s; {report.verified} verified on the server",
        )
    )
    for problem in report.problems[:SHOWN]:
        say(f"❌ {printable(problem)}")
    if not report.problems:
        say(said("✅ SIMULAÇÃO COMPLETA: nada se perdeu", "✅ DRILL COMPLETE: nothing was lost"))
