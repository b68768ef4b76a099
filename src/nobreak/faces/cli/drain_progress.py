"""How a drain is getting on: a bar on a terminal, a line now and then in a pipe."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from nobreak.faces.cli.output import on_terminal, say
from nobreak.faces.cli.status_lines import mode_name
from nobreak.faces.cli.texts import said
from nobreak.reporting.render import human_time
from nobreak.stores.interfaces import Notice
from nobreak.words import Mode

Show = Callable[[int, Notice], None]
"""Told how many entries are left, and what stands on the board."""
LINE_EVERY = 2.0


@contextmanager
def progress(total: int) -> Iterator[Show]:
    """Show a drain of `total` entries; more may come while it runs."""
    if not on_terminal():
        yield _Lines()
        return
    bar = Progress(
        TextColumn("📤"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=Console(),
    )
    task = bar.add_task("", total=total)

    def show(left: int, notice: Notice) -> None:
        whole = max(total, left)
        bar.update(task, total=whole, completed=whole - left, description=_state(notice))

    with bar:
        yield show


class _Lines:
    """A line at the beginning, every few seconds, and at the end."""

    def __init__(self) -> None:
        self._said_at = float("-inf")

    def __call__(self, left: int, notice: Notice) -> None:
        now = time.monotonic()
        if left and now - self._said_at < LINE_EVERY:
            return
        self._said_at = now
        say("📤 " + said(f"faltam {left}", f"{left} left") + f" {_state(notice)}".rstrip())


def _state(notice: Notice) -> str:
    """Why it waits, or how fast it is."""
    if notice.mode is Mode.LOCAL:
        waiting = said("aguardando o servidor externo", "waiting for the external server")
        return f"({mode_name(notice.mode)}: {waiting})"
    rate, eta = notice.drain.get("rate"), notice.drain.get("eta")
    if not rate:
        return ""
    speed = f"{float(str(rate)):.0f}/s"
    if eta is None:
        return f"({speed})"
    rest = human_time(float(str(eta)))
    return said(f"({speed}, mais {rest})", f"({speed}, {rest} to go)")
