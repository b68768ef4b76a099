"""`nobreak demo`: a real outage of a real server, and the proof that nothing was lost."""

import click

from nobreak.demo.run import main
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import json_option
from nobreak.faces.cli.texts import said


@click.command(
    "demo",
    cls=Command,
    help=said(
        "Inicia um SeaweedFS, derruba-o enquanto arquivos são gravados e lidos, e compara cada "
        "byte no final. Código de saída: 0 nada perdido, 1 não.",
        "Start a SeaweedFS, take it down while files are written and read, and compare every "
        "byte in the end. Exit code: 0 nothing lost, 1 not.",
    ),
)
@click.option(
    "--outage",
    type=click.Choice(["refuse", "freeze"]),
    default="refuse",
    show_default=True,
    help=said(
        "refuse: o servidor é morto; freeze: aceita e nunca responde.",
        "refuse: the server is killed; freeze: it accepts and never answers.",
    ),
)
@click.option("--quick", is_flag=True, help=said("Com atos mais curtos.", "With shorter acts."))
@click.option(
    "--keep", is_flag=True, help=said("Deixa os arquivos onde estão.", "Leave the files in place.")
)
@json_option
def command(*, outage: str, quick: bool, keep: bool, as_json: bool) -> int:
    """Run the demo."""
    return main(outage, keep=keep, as_json=as_json, quick=quick)
