"""The status on a terminal."""

from typing import Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from nobreak.faces.cli.status_lines import BAD, WORRYING, mode_name, status_lines
from nobreak.faces.cli.texts import said
from nobreak.words import Mode

_STYLES = {BAD: "bold red", WORRYING: "yellow"}


def panel(status: dict[str, Any]) -> Panel:
    """A box whose colour tells the mode."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for line in status_lines(status):
        table.add_row(line.sign, line.title, Text(line.text, style=_STYLES.get(line.sign, "")))
    title = f"🎯 nobreak: {said('modo', 'mode')} {mode_name(status['current_mode'])}"
    colour = "green" if status["current_mode"] == Mode.EXTERNAL else "yellow"
    return Panel(table, title=title, border_style=colour, expand=False)
