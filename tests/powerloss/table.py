"""The tables of docs/guarantees.md."""

from collections.abc import Iterable, Sequence

from tests.powerloss.cuts import Way
from tests.powerloss.search import Finding, Result
from tests.powerloss.without import COVERED, NEEDLESS, Without

PLACE = "power loss"
"""The name of their part of the page."""


def table(lines: Iterable[Sequence[str]]) -> str:
    """Markdown; the first line is the head."""
    rows = [tuple(line) for line in lines]
    rows.insert(1, ("---",) * len(rows[0]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def states(results: Sequence[tuple[str, Result]]) -> str:
    """What was tried of each recording, and what was found."""
    head = ("what was not fsynced", *(name for name, _ in results))
    lines = [head]
    lines += [(way.value, *(f"{result.tried[way]:,}" for _, result in results)) for way in Way]
    lines.append(("different states", *(f"{len(result.states):,}" for _, result in results)))
    lines.append(
        ("**lost, torn or refused**", *(str(len(result.findings)) for _, result in results))
    )
    return table(lines)


def fsyncs(rows: Sequence[tuple[Without, Without | None]]) -> str:
    """One line for each site."""
    lines: list[Sequence[str]] = [
        ("fsync of", "calls", "needed alone", "without all of them", "cut")
    ]
    for alone, together in rows:
        lost, cut = _lost(alone, together)
        lines.append((alone.site.value, str(alone.count), str(alone.single), lost, cut))
    return table(lines)


def _lost(alone: Without, together: Without | None) -> tuple[str, str]:
    if alone.finding is not None:
        return _told(alone.finding), f"`{alone.finding.cut}`"
    nothing = f"nothing, in {alone.tried:,} cuts"
    if together is not None:
        why = COVERED[alone.site][1]
        if together.finding is None:
            return f"{nothing}: {why}", ""
        told = _told(together.finding)
        return f"{nothing}: {why}; without those too: {told}", f"`{together.finding.cut}`"
    return f"{nothing}: {NEEDLESS.get(alone.site, 'not explained')}", ""


def _told(finding: Finding) -> str:
    text = finding.wrong[0].partition("; stop nobreak")[0]
    more = len(finding.wrong) - 1
    return text.replace("|", "/") + (f" (and {more} more)" if more else "")
