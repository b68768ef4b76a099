"""What the rounds of bench/drain.py found, as tables."""

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from report import write_between

OURS = "nobreak"
LOADED = "rclone copy, 16 transfers"


@dataclass(frozen=True, slots=True)
class Moved:
    """How long all objects took (seconds), and the CPU seconds for each object, here and there."""

    seconds: float
    cpu: float
    external_cpu: float


@dataclass(frozen=True, slots=True)
class Round:
    """`alone`: by name. `healthy`: requests per second of live traffic by itself.

    `loaded_drain` and `loaded_rclone`: the seconds beside live traffic, and its requests per second.
    """

    to_recovery: float
    alone: dict[str, Moved]
    healthy: float
    loaded_drain: tuple[float, float]
    loaded_rclone: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Found:
    """All rounds, and how many objects and bytes each moved."""

    count: int
    bytes: int
    rounds: tuple[Round, ...]


def tables(found: Found) -> Iterator[str]:
    """The tables, in Markdown."""
    rounds = found.rounds
    yield f"{found.count:,} objects, {found.bytes / 2**20:,.0f} MiB; {len(rounds)} rounds.\n"
    yield f"From the server's return to recovery: {_spread(each.to_recovery for each in rounds)} s.\n"
    yield "| alone | seconds | objects/s | nobreak's rate to its | CPU/object | SeaweedFS CPU |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name in sorted(rounds[0].alone, key=lambda name: name != OURS):
        yield f"| {' | '.join((name, *_cells(found, name)))} |"
    yield "\n| beside live traffic | seconds | drain's rate to its | live traffic to its healthy rate |"
    yield "| --- | ---: | ---: | ---: |"
    ours = [(each.loaded_drain, each) for each in rounds]
    theirs = [(each.loaded_rclone, each) for each in rounds]
    for name, rows in (("nobreak's drain", ours), (LOADED, theirs)):
        seconds = _spread(took for (took, _), _ in rows)
        ratio = _spread(took / each.loaded_drain[0] for (took, _), each in rows)
        share = _spread(rate / each.healthy for (_, rate), each in rows)
        yield f"| {name} | {seconds} | {ratio} | {share} |"
    yield f"\nLive traffic by itself: {_spread(each.healthy for each in rounds)} requests/s."


def _cells(found: Found, name: str) -> Iterator[str]:
    moved = [each.alone[name] for each in found.rounds]
    yield _spread(each.seconds for each in moved)
    yield f"{found.count / statistics.median(each.seconds for each in moved):.0f}"
    yield _spread(each.alone[name].seconds / each.alone[OURS].seconds for each in found.rounds)
    yield f"{statistics.median(each.cpu for each in moved) * 1000:.2f} ms"
    yield f"{statistics.median(each.external_cpu for each in moved) * 1000:.2f} ms"


def _spread(values: Iterable[float]) -> str:
    """The median, then the least and the most."""
    each = sorted(values)
    middle, least, most = (f"{it:.3g}" for it in (statistics.median(each), each[0], each[-1]))
    return f"{middle} ({least}–{most})"


def print_tables(found: Found) -> None:
    """To the terminal."""
    print("\n".join(tables(found)), flush=True)


def write_section(found: Found) -> None:
    """Into docs/benchmarks.md, between its marks."""
    write_between("drain", tables(found))
