"""What commands print: text and JSON on stdout, remarks on stderr, colours only on a terminal."""

import json
import sys
from collections.abc import Callable
from typing import Any

import click

from nobreak.faces.cli.texts import said
from nobreak.printable import printable_json

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help=said("Saída em JSON.", "Print JSON.")
)


def on_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout.isatty()


def say(text: str = "") -> None:
    """A line on stdout."""
    click.echo(text)


def say_json(document: Any) -> None:
    """A JSON document on stdout."""
    click.echo(as_json_text(document, indent=2))


def as_json_text(document: Any, indent: int | None = None) -> str:
    """JSON that is safe to show: what could move a cursor is escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=indent)
    return "\n".join(printable_json(line) for line in text.split("\n"))


def remark(text: str) -> None:
    """A line on stderr."""
    click.echo(text, err=True)
