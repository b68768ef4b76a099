"""What the runs found, as tables and as a drawing."""

import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
PAGE, PLOT = DOCS / "benchmarks.md", DOCS / "benchmarks.svg"
HEADER = (
    "set-up",
    "requests/s",
    "ratio to direct",
    "min–max",
    "CPU/request",
    "SeaweedFS CPU",
    "peak memory",
)
WIDTH, LABEL, BAR, GAP = 760, 210, 15, 34
COLOURS = {
    "nobreak": "#1a7f5a",
    "bare": "#4a6d8c",
    "rclone": "#c77d0a",
    "juicefs": "#7a5fb0",
    "direct": "#8a8a8a",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: requests per second, CPU seconds per request, peak memory (MiB)."""

    rate: float
    cpu: float
    external_cpu: float
    peak: float


Rows = Mapping[str, list[Sample]]
Samples = Mapping[tuple[str, str], Rows]
"""By (method, size), then by set-up: a sample for each round."""


def ratios(rows: Rows, name: str) -> list[float]:
    """The rates of a set-up to those of going directly, round by round."""
    return [one.rate / direct.rate for one, direct in zip(rows[name], rows["direct"], strict=True)]


def tables(found: Samples) -> Iterator[str]:
    """A table for each method and size, in Markdown."""
    for (method, size), rows in found.items():
        yield f"\n**{method} {size}**\n"
        yield f"| {' | '.join(HEADER)} |"
        yield f"| --- |{' ---: |' * (len(HEADER) - 1)}"
        for name in rows:
            yield f"| {' | '.join((name, *_cells(rows, name)))} |"


def _cells(rows: Rows, name: str) -> Iterator[str]:
    found = ratios(rows, name)

    def median(of: Callable[[Sample], float]) -> float:
        return statistics.median(map(of, rows[name]))

    yield f"{median(lambda each: each.rate):.4g}"
    yield f"{statistics.median(found):.2f}"
    yield f"{min(found):.2f}–{max(found):.2f}"
    yield "" if name == "direct" else _milliseconds(median(lambda each: each.cpu))
    yield _milliseconds(median(lambda each: each.external_cpu))
    yield f"{max(each.peak for each in rows[name]):.0f} MiB"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


def print_tables(found: Samples) -> None:
    """To the terminal."""
    print("\n".join(tables(found)), flush=True)


def write_page(found: Samples) -> None:
    """Into docs/benchmarks.md, between its marks, and docs/benchmarks.svg beside it."""
    write_between("figures", tables(found))
    PLOT.write_text(drawing(found))


def write_between(name: str, lines: Iterable[str]) -> None:
    """Into docs/benchmarks.md, between the marks of that name."""
    text = "\n".join(lines)
    marked = re.compile(rf"(<!-- {name} -->).*(<!-- /{name} -->)", re.DOTALL)
    PAGE.write_text(marked.sub(lambda match: f"{match[1]}\n{text}\n{match[2]}", PAGE.read_text()))


def drawing(found: Samples) -> str:
    """Bars of the ratios, with their spread; a line where they equal going directly."""
    parts, y = [], 10
    scale = (WIDTH - LABEL - 70) / max(
        2.0, *(max(ratios(rows, name)) for rows in found.values() for name in rows)
    )
    for (method, size), rows in found.items():
        parts.append(f'<text x="4" y="{y + 14}" font-weight="bold">{method} {size}</text>')
        y += 20
        for name in rows:
            if name == "direct":
                continue
            ratio = sorted(ratios(rows, name))
            middle, colour = statistics.median(ratio), COLOURS[re.split("[ ,]", name)[0]]
            low, high, end = (LABEL + scale * each for each in (ratio[0], ratio[-1], middle))
            parts.append(
                f'<text x="{LABEL - 6}" y="{y + 12}" text-anchor="end">{name}</text>'
                f'<rect x="{LABEL}" y="{y + 1}" width="{end - LABEL:.1f}" height="{BAR - 2}" '
                f'fill="{colour}"/>'
                f'<path d="M{low:.1f} {y + 8}H{high:.1f}" stroke="#222"/>'
                f'<text x="{max(end, high) + 5:.1f}" y="{y + 12}">{middle:.2f}</text>'
            )
            y += BAR + 2
        y += GAP - 20
    one = LABEL + scale
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        'font-family="sans-serif" font-size="12">'
        '<rect width="100%" height="100%" fill="#fff"/>'
        f'<path d="M{one:.1f} 6V{y - 6}" stroke="#8a8a8a" stroke-dasharray="4 3"/>'
        f"{''.join(parts)}</svg>\n"
    )
