"""Draw what docs/architecture.md shows of the tables in `nobreak.core`, between its markers.

python scripts/diagrams.py            # rewrite the file
python scripts/diagrams.py --check    # exit 1 when it is not up to date
"""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

from nobreak.core.failover import TRANSITIONS, Announcement, Phase
from nobreak.core.routing import Held, Link, Operation, Outcome, Step, after, route
from nobreak.words import WritePolicy

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
QUIET = {Announcement.CHECK_OK, Announcement.CHECK_FAILED}
"""Said of every check: they would only clutter the drawing."""


def state_diagram() -> str:
    """The rule of three as a Mermaid state diagram, one arrow for each row of the table."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Phase.STEADY}"]
    for row in TRANSITIONS:
        said = [a.upper() for a in row.announces if a not in QUIET]
        label = row.signal + (f" [{row.condition}]" if row.condition else "")
        label += f" / {', '.join(said)}" if said else ""
        if row.source is not row.target or said:
            lines.append(f"    {row.source} --> {row.target}: {label}")
    lines += [
        "    note right of steady: mode external",
        "    note right of doubt: mode external, checks come fast",
        "    note right of outage: mode local",
        "    note right of returning: mode local",
        "```",
    ]
    return "\n".join(lines)


def transition_table() -> str:
    """All rows of the rule of three, in the order in which they are tried."""
    rows = [
        [row.source, row.signal, row.condition or "always", row.target, ", ".join(row.announces)]
        for row in TRANSITIONS
    ]
    return table(["in phase", "on", "if", "go to", "and announce"], rows)


def routing_table() -> str:
    """Where each operation goes, for write-through; equal rows folded into one."""
    folded: dict[tuple[Operation, Step], list[str]] = {}
    either = (False, True)
    for operation, link, held, complete, cached in product(Operation, Link, Held, either, either):
        ask = partial(route, operation, link, held, WritePolicy.THROUGH)
        step = ask(complete=complete, cached=cached)
        known = step is not ask(complete=not complete, cached=cached)
        copied = step is not ask(complete=complete, cached=not cached)
        if (complete and not known) or (cached and not copied):
            continue
        if known:
            held_and = f"{held} + {'complete' if complete else 'incomplete'} catalog"
        else:
            held_and = str(held)
        copy = f" + {'copy' if cached else 'no copy'}" if copied else ""
        folded.setdefault((operation, step), []).append(f"{link} + {held_and}{copy}")
    rows = [
        [operation, step, "; ".join(conditions)] for (operation, step), conditions in folded.items()
    ]
    return table(["operation", "goes to", "when (link + what the journal holds for the key)"], rows)


def outcome_table() -> str:
    """What follows a try at the external store."""
    header = ["the external store", *Operation]
    rows = [[outcome, *(after(op, outcome) for op in Operation)] for outcome in Outcome]
    return table(header, rows)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


DRAWINGS = {
    "state diagram": state_diagram,
    "transitions": transition_table,
    "routing": routing_table,
    "outcomes": outcome_table,
}


def drawn(text: str) -> str:
    """The page with every drawing made anew."""
    for name, draw in DRAWINGS.items():
        marker = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        text, found = marker.subn(partial(_between, draw()), text)
        if found != 1:
            raise SystemExit(f"{PAGE}: the markers of '{name}' stand there {found} times, not once")
    return text


def _between(drawing: str, markers: re.Match[str]) -> str:
    return f"{markers[1]}{drawing}\n{markers[2]}"


def stale() -> Iterator[str]:
    """What is to be said when the page is not up to date."""
    if drawn(PAGE.read_text("utf-8")) != PAGE.read_text("utf-8"):
        yield f"{PAGE.name} does not show the tables as they are: run `make docs`"


def main() -> None:
    """See the module."""
    if "--check" in sys.argv:
        problems = list(stale())
        print("\n".join(problems))
        sys.exit(bool(problems))
    PAGE.write_text(drawn(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
