"""`nobreak`: the root command, and the one place where errors are told."""

import os
import sys

import click

from nobreak.faces.cli.failing import DONE, PIPE_CLOSED, failed
from nobreak.faces.cli.group import LazyGroup
from nobreak.faces.cli.output import remark
from nobreak.faces.cli.table import COMMANDS
from nobreak.faces.cli.texts import said


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's signature
    command = root.get_command(context, "version")
    if wanted and command is not None:
        context.invoke(command, as_json=False)
        context.exit()


root = LazyGroup(
    COMMANDS,
    name="nobreak",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help=said("Mostra a versão.", "Show the version."),
        )
    ],
    help=said(
        "nobreak: um no-break para o seu storage de objetos. Vigia o servidor externo, segue no "
        "disco local durante a queda e devolve tudo na volta.",
        "nobreak: a UPS for your object storage. It watches the external server, carries on from "
        "the local disk during an outage, and gives everything back afterwards.",
    ),
    epilog=said(
        "Configuração: variáveis de ambiente ou .env (veja .env.example). Autocompletar: "
        'eval "$(_NOBREAK_COMPLETE=bash_source nobreak)" (ou zsh_source, fish_source).',
        "Settings: environment or .env (see .env.example). Completion: "
        'eval "$(_NOBREAK_COMPLETE=bash_source nobreak)" (or zsh_source, fish_source).',
    ),
)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code. Errors are one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = root.main(arguments, prog_name="nobreak", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        remark(error.format_message())
        return failed(error)[0]
    except BaseException as error:  # noqa: BLE001 - whatever it is, people get one line
        return _told(error)
    return code if isinstance(code, int) else DONE


def _told(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DONE
    code, line = failed(error)
    if code == PIPE_CLOSED:  # or Python complains once more when it closes stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if line:
        remark(f"nobreak: {line}")
    return code
