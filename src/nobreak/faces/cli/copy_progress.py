"""How copies are getting on: a moving line on a terminal, else a line for each. All on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

from nobreak.faces.cli.copying import Moved
from nobreak.faces.cli.output import remark


@contextmanager
def progress() -> Iterator[tuple[Callable[[str], None], Moved]]:
    """What to call when a copy begins, with its description, and for every chunk."""
    if not sys.stderr.isatty():
        yield remark, lambda _size: None
        return
    bar = Progress(
        SpinnerColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
    )
    task = bar.add_task("", total=None)
    with bar:
        yield (
            lambda text: bar.update(task, description=text),
            lambda size: bar.advance(task, size),
        )
