"""`nobreak version`: what runs here, for a report."""

import platform
from importlib.metadata import version

import click

from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import json_option, say, say_json
from nobreak.faces.cli.texts import said


@click.command("version", cls=Command, help=said("Mostra a versão.", "Show the version."))
@json_option
def command(*, as_json: bool) -> None:
    """Print the versions of nobreak and Python."""
    found = {"nobreak": version("nobreak"), "python": platform.python_version()}
    if as_json:
        say_json(found)
    else:
        say(f"nobreak {found['nobreak']} (Python {found['python']})")
