"""What a run found: a cell for each client, operation and act of the scenario; and the tables of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

ACTS = ("direct", "before", "during", "after")


class Outcome(Enum):
    """How an operation ended, as the application sees it."""

    DONE = "✓"
    UNSUPPORTED = "n/a"
    """The client itself can't do it."""
    FAILED = "error"
    """The client reported an error."""
    WRONG = "WRONG"
    """It reported success, and the result is not what was written."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One operation in one act; `seconds` as the application waits."""

    client: str
    row: str
    act: str
    outcome: Outcome
    seconds: float
    note: str = ""


class Report:
    """All cells of a run, in the order in which they came."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.versions: dict[str, str] = {}

    def cell(self, client: str, row: str, act: str) -> Cell | None:
        for each in self.cells:
            if (each.client, each.row, each.act) == (client, row, act):
                return each
        return None

    def table(self) -> str:
        """All of it, in Markdown."""
        return "\n".join(line for client in self.versions for line in self._of(client))

    def _of(self, client: str) -> Iterable[str]:
        yield f"### {client} {self.versions[client]}\n"
        yield f"| operation | {' | '.join(ACTS)} |"
        yield "|---" * (len(ACTS) + 1) + "|"
        notes: dict[str, int] = {}
        for row in dict.fromkeys(each.row for each in self.cells if each.client == client):
            cells = [self._text(self.cell(client, row, act), notes) for act in ACTS]
            yield f"| {row} | {' | '.join(cells)} |"
        yield ""
        yield from (f"{number}. {note}" for note, number in notes.items())
        if notes:
            yield ""

    @staticmethod
    def _text(cell: Cell | None, notes: dict[str, int]) -> str:
        if cell is None:
            return ""
        text = cell.outcome.value
        if cell.outcome is not Outcome.UNSUPPORTED:
            text += f" {cell.seconds:.2f} s"
        if cell.note:
            text += f" ({notes.setdefault(cell.note, len(notes) + 1)})"
        return text
