"""What click says of wrong arguments, in our words: what is wrong, and what is allowed."""

import click

from nobreak.faces.cli.texts import said
from nobreak.printable import printable


def told(error: click.UsageError) -> str:
    """One line on a wrong command line."""
    return f"{_problem(error)} ({_help(error)})"


def _help(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else "nobreak"
    return said(f"ajuda: {path} --help", f"help: {path} --help")


def _problem(error: click.UsageError) -> str:
    match error:
        case click.NoSuchOption():
            unknown = said("opção desconhecida", "unknown option")
            return f"{unknown}: {printable(error.option_name)}{_nearest(error.possibilities)}"
        case click.NoSuchCommand():
            unknown = said("comando desconhecido", "unknown command")
            return f"{unknown}: {printable(error.command_name)}{_nearest(error.possibilities)}"
        case click.MissingParameter():
            return said(f"falta {_parameter(error)}", f"missing {_parameter(error)}")
        case click.BadParameter():
            return f"{_parameter(error)}: {_value(error)}"
        case click.BadOptionUsage():
            return said(
                f"a opção {error.option_name} está incompleta ou não leva valor",
                f"the option {error.option_name} is incomplete, or takes no value",
            )
    return _too_many(printable(error.format_message()))


def _too_many(message: str) -> str:
    """Click's only other complaint that our commands can cause."""
    if not message.startswith("Got unexpected extra argument"):
        return message
    surplus = message.partition("(")[2].rstrip(")")
    return said(f"argumento a mais: {surplus}", f"one argument too many: {surplus}")


def _nearest(possibilities: list[str] | None) -> str:
    if not possibilities:
        return ""
    names = ", ".join(possibilities)
    return said(f" (seria {names}?)", f" (did you mean {names}?)")


def _parameter(error: click.BadParameter) -> str:
    if error.param is None:
        return said("um argumento", "an argument")
    return error.param.get_error_hint(error.ctx).replace("'", "")


def _value(error: click.BadParameter) -> str:
    """Click's own message, or for the types that we use, what is allowed."""
    allowed = said("permitido", "allowed")
    match error.param.type if error.param else None:
        case click.Choice(choices=choices):
            return f"{allowed}: {', '.join(map(str, choices))}"
        case click.IntRange(min=least) | click.FloatRange(min=least):
            return f"{allowed}: " + said(
                f"um número, no mínimo {least}", f"a number, {least} or more"
            )
    return printable(error.message)
