"""The system calls of a process in their order, as strace saw them."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

STARTED = re.compile(r"(\d+) +(\w+)\((.*)")
RESUMED = re.compile(r"(\d+) +<\.\.\. (\w+) resumed>(.*)")
UNFINISHED = "<unfinished ...>"
LONGEST_STRING = 4200
"""A page of the journal's log is seen whole (bytes)."""


@dataclass(frozen=True)
class Call:
    """One call that succeeded. `began` and `ended` are places in the order of all events."""

    name: str
    text: str
    began: int
    ended: int
    thread: int


def command(
    trace: Path, calls: Sequence[str], *further: str, longest: int = LONGEST_STRING
) -> tuple[str, ...]:
    """Runs what follows it under strace, all its threads; paths stand beside descriptors.

    `longest`: how much of what is written is seen (bytes).
    """
    strace = shutil.which("strace")
    assert strace, "strace is missing: `make test` installs it"
    options = ("-f", "--seccomp-bpf", "-qq", "-y", "-s", str(longest), *further)
    return (strace, *options, "-e", f"trace={','.join(calls)}", "-o", str(trace))


def read(trace: Path) -> list[Call]:
    """The calls that succeeded, in the order of their ends."""
    return [call for call in _calls(trace) if not re.search(r"\) += -1 E", call.text)]


def _calls(trace: Path) -> Iterator[Call]:
    open_calls: dict[str, tuple[str, str, int]] = {}
    for place, line in enumerate(trace.read_text("utf-8", "replace").splitlines()):
        if match := RESUMED.match(line):
            pid, name, rest = match.groups()
            _, text, began = open_calls.pop(pid)
            yield Call(name, text + rest, began, place, int(pid))
        elif match := STARTED.match(line):
            pid, name, text = match.groups()
            if text.endswith(UNFINISHED):
                open_calls[pid] = (name, text.removesuffix(UNFINISHED), place)
            else:
                yield Call(name, text, place, place, int(pid))
