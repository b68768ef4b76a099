"""The figures at the end, as a table and as JSON, and whether they are good enough."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text as Styled

from nobreak.demo import texts
from nobreak.demo.acts import Times
from nobreak.demo.history import History
from nobreak.demo.stage import FAILURES, counts
from nobreak.demo.truth import Breach, Finding
from nobreak.lang import Lang, Text
from nobreak.printable import printable

SHOWN_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class Figures:
    """What is counted in the end. Times in seconds; None: it never came to that.

    `acked_writes_lost` counts deletes that were undone too.
    """

    outage: str
    operations: int
    writes: int
    reads: int
    client_failures: int
    failed_writes: int
    reads_refused: int
    reads_cut_short: int
    longest_wait: float
    slow_waits: int
    acked_writes_lost: int
    wrong_bytes_read: int
    unexpected_objects: int
    objects_compared: int
    seconds_to_fallback: float | None
    seconds_to_drained: float | None
    trouble: str = ""
    """What stopped the play, if anything did."""

    @property
    def ok(self) -> bool:
        """Whether every promise was kept, and the play came to its end."""
        bad = (
            self.client_failures,
            self.slow_waits,
            self.acked_writes_lost,
            self.wrong_bytes_read,
            self.unexpected_objects,
        )
        return not any(bad) and not self.trouble and self.seconds_to_drained is not None

    def as_json(self) -> dict[str, Any]:
        """The figures, ready for JSON."""
        return {"ok": self.ok, **asdict(self)}


def figures(
    outage: str, history: History, times: Times, compared: int, trouble: str = ""
) -> Figures:
    """Count what happened."""
    writes, reads, refused, cut = counts(history.operations)
    return Figures(
        outage=outage,
        operations=len(history.operations),
        writes=writes,
        reads=reads,
        client_failures=history.count(*FAILURES),
        failed_writes=history.count(Breach.WRITE_FAILED),
        reads_refused=refused,
        reads_cut_short=cut,
        longest_wait=round(history.longest_wait(), 3),
        slow_waits=history.count(Breach.SLOW),
        acked_writes_lost=history.count(Breach.LOST, Breach.RESURRECTED, Breach.UNDECIDED),
        wrong_bytes_read=history.count(Breach.WRONG_BYTES),
        unexpected_objects=history.count(Breach.UNEXPECTED),
        objects_compared=compared,
        seconds_to_fallback=_rounded(times.to_fallback),
        seconds_to_drained=_rounded(times.to_drained),
        trouble=trouble,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def show(console: Console, found: Figures, findings: Sequence[Finding], lang: Lang) -> None:
    """The table, and below it what went wrong."""
    verdict = texts.PROVED if found.ok else texts.NOT_PROVED
    lines: list[RenderableType] = [_table(found, lang)]
    lines += [Styled(printable(str(finding)), style="red") for finding in findings[:SHOWN_FINDINGS]]
    if found.trouble:
        lines.append(Styled(printable(found.trouble), style="red"))
    lines.append(Styled(verdict.within(lang), style="bold green" if found.ok else "bold red"))
    console.print(Group(*lines))


def _table(found: Figures, lang: Lang) -> Table:
    title = f"{texts.RESULT.within(lang)} (--outage {found.outage})"
    table = Table("", "", title=title, show_header=False, title_style="bold")
    table.columns[1].justify = "right"
    for label, value, bad in _rows(found):
        style = "red" if bad else "green" if bad is False else ""
        table.add_row(label.within(lang), Styled(value, style=style))
    return table


def _rows(found: Figures) -> list[tuple[Text, str, bool | None]]:
    """Label, value, and whether it is bad; None where it is neither good nor bad."""
    zeros = (
        (texts.CLIENT_FAILURES, found.client_failures),
        (texts.FAILED_WRITES, found.failed_writes),
        (texts.LOST, found.acked_writes_lost),
        (texts.WRONG, found.wrong_bytes_read),
        (texts.STRANGE, found.unexpected_objects),
    )
    return [
        (texts.OPERATIONS, str(found.operations), None),
        *((label, str(count), count > 0) for label, count in zeros),
        (texts.LONGEST, _seconds(found.longest_wait), found.slow_waits > 0),
        (texts.READS_REFUSED, str(found.reads_refused), None),
        (texts.READS_CUT, str(found.reads_cut_short), None),
        (texts.COMPARED, str(found.objects_compared), None),
        (texts.TO_FALLBACK, _seconds(found.seconds_to_fallback), found.seconds_to_fallback is None),
        (texts.TO_DRAINED, _seconds(found.seconds_to_drained), found.seconds_to_drained is None),
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
