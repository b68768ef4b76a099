"""What a run found: a cell for each client, operation and act of the scenario; and the tables of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

ACTS = ("direct", "before", "during", "after")
READ_OLD = "get an older object"
AWAY = "503 SlowDown"
_KINDS = (
    (r"(?i)slow_?down|\b503\b|service.unavailable|the external store is away", AWAY),
    (r"does not keep the bytes", "501 NotImplemented: the server keeps no body under `x/`"),
    (r"InvalidRequest|Invalid Request", "400 InvalidRequest, of the server"),
    (r"BadDigest", "400 BadDigest, of the server"),
)
_OF_THIS_MACHINE = re.compile(r"/\S+/|127\.0\.0\.1:\d+")


class Outcome(Enum):
    """How an operation ended, as the application sees it."""

    DONE = "✓"
    UNSUPPORTED = "n/a"
    """The client itself can't do it."""
    FAILED = "error"
    """The client reported an error."""
    SILENT = "still repeating after"
    """It had come to no end when patience did."""
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

    def markdown(self) -> str:
        """All of it: a line for each client, then a table for each."""
        return "\n".join([*self._summary(), *self._tables()])

    def _summary(self) -> Iterable[str]:
        yield "| client | version | in the outage | longest wait there | older object, not here |"
        yield "|---|---|---|---|---|"
        for client, version in self.versions.items():
            during = [each for each in self.cells if (each.client, each.act) == (client, "during")]
            tried = [
                each
                for each in during
                if each.outcome is not Outcome.UNSUPPORTED and each.row != READ_OLD
            ]
            done = sum(each.outcome is Outcome.DONE for each in tried)
            slowest = max(tried, key=lambda each: each.seconds, default=None)
            longest = f"{slowest.seconds:.1f} s ({slowest.row})" if slowest else ""
            old = self.cell(client, READ_OLD, "during")
            read = _text(old) if old else ""
            yield f"| {client} | {version} | {done} of {len(tried)} | {longest} | {read} |"
        yield ""

    def _tables(self) -> Iterable[str]:
        for client, version in self.versions.items():
            yield f"### {client} {version}\n"
            yield f"| operation | {' | '.join(ACTS)} |"
            yield "|---" * (len(ACTS) + 1) + "|"
            notes: dict[str, int] = {}
            for row in dict.fromkeys(each.row for each in self.cells if each.client == client):
                cells = [self.cell(client, row, act) for act in ACTS]
                texts = [_noted(each, notes) if each else "" for each in cells]
                yield f"| {row} | {' | '.join(texts)} |"
            yield ""
            yield from (f"{number}. {note}" for note, number in notes.items())
            if notes:
                yield ""


def _text(cell: Cell) -> str:
    if cell.outcome is Outcome.UNSUPPORTED:
        return cell.outcome.value
    digits = 0 if cell.outcome is Outcome.SILENT else 2
    return f"{cell.outcome.value} {cell.seconds:.{digits}f} s"


def _noted(cell: Cell, notes: dict[str, int]) -> str:
    if not cell.note:
        return _text(cell)
    return f"{_text(cell)} ({notes.setdefault(kind(cell.note), len(notes) + 1)})"


def kind(note: str) -> str:
    """What is worth telling of an error: without what is of this machine and this run only."""
    for pattern, told in _KINDS:
        if re.search(pattern, note):
            return told
    return _OF_THIS_MACHINE.sub("…", note)[:200]
