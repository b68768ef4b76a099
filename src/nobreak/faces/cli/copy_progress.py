"""How copies are getting on: a moving line on a terminal, else a line for each. All on stderr."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import FileSizeColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn

from nobreak.faces.cli.output import remark


class Lines:
    """One line for each copy that is done."""

    def begin(self, text: str) -> None:
        """A copy begins."""

    def moved(self, size: int) -> None:
        """So many bytes more have gone through."""

    def done(self, text: str) -> None:
        """A copy has ended well."""
        remark(text)


class Bar(Lines):
    """Bytes, speed, and the copy that is under way."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=None)

    def begin(self, text: str) -> None:
        self._bar.update(self._task, description=text)

    def moved(self, size: int) -> None:
        self._bar.advance(self._task, size)

    def done(self, text: str) -> None:
        """The bar says it."""


@contextmanager
def progress() -> Iterator[Lines]:
    """Whom to tell."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    bar = Progress(
        SpinnerColumn(),
        FileSizeColumn(),
        TransferSpeedColumn(),
        TextColumn("{task.description}", markup=False),
        console=Console(stderr=True),
    )
    with bar:
        yield Bar(bar)
