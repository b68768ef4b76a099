"""The root command: a table of commands that are imported when they are called for."""

import gc
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from nobreak.faces.cli.texts import said

_HEADINGS = {
    "Options": said("Opções", "Options"),
    "Commands": said("Comandos", "Commands"),
    "Arguments": said("Argumentos", "Arguments"),
}
_OPTIONS, _COMMAND = said("[OPÇÕES]", "[OPTIONS]"), said("COMANDO [ARGS]...", "COMMAND [ARGS]...")


@dataclass(frozen=True, slots=True)
class Row:
    """A command: the module that has it as `command`, and its line in `nobreak --help`."""

    module: str
    summary: str


class Formatter(click.HelpFormatter):
    """Click's help page with headings in the language of this process."""

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or said("Uso: ", "Usage: "))

    def write_heading(self, heading: str) -> None:
        super().write_heading(_HEADINGS.get(heading, heading))


class Context(click.Context):
    """Makes help pages with our formatter."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose help page speaks the language of this process."""

    context_class = Context

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"options_metavar": _OPTIONS, **kwargs})

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _in_our_words(super().get_help_option(ctx))


class LazyGroup(click.Group):
    """A group over a table of rows; a row's module is imported when its command is called."""

    context_class = Context

    def __init__(self, rows: dict[str, Row], **kwargs: Any) -> None:
        super().__init__(
            options_metavar=_OPTIONS, subcommand_metavar=_COMMAND, no_args_is_help=True, **kwargs
        )
        self._rows = rows

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self._rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        row = self._rows.get(cmd_name)
        if row is None:
            return None
        gc.disable()  # all that an import makes stays: looking through it costs a tenth of a start
        try:
            command: click.Command = import_module(row.module).command
        finally:
            gc.freeze()
            gc.enable()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self._rows and not args[0].startswith("-"):
            raise click.NoSuchCommand(args[0], possibilities=self._rows, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in self._rows.items()])

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return _in_our_words(super().get_help_option(ctx))


def _in_our_words(option: click.Option | None) -> click.Option | None:
    if option is not None:
        option.help = said("Mostra esta ajuda.", "Show this help.")
    return option
