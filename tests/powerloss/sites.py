"""The fsyncs of a recording, by what they are for: one table row each in docs/guarantees.md."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.powerloss.recording import Event, Kind
from tests.powerloss.restart import DATA

LOG, JOURNAL, ROLLBACK = (
    f"{DATA}/journal.db-wal",
    f"{DATA}/journal.db",
    f"{DATA}/journal.db-journal",
)
LOG_HEADER = 32
"""How long the header of SQLite's log is (bytes)."""


class Site(StrEnum):
    """Who asks for an fsync of what, and when."""

    ABOVE = "the folder above the data directory, and those above that were made"
    ROLLBACK_JOURNAL = "SQLite's rollback journal, while the journal is made"
    ROLLBACK_NAME = "the data directory, when SQLite's rollback journal is new"
    FIRST_PAGE = "`journal.db`, when it is made"
    LOG_NAME = "the data directory, when SQLite's log is new to a connection"
    LOG_STARTS = "SQLite's log, when it starts anew"
    COMMIT = "SQLite's log, at each commit"
    BEFORE_CHECKPOINT = "SQLite's log, before a checkpoint"
    CHECKPOINT = "`journal.db`, at a checkpoint"
    MARKER = "the bytes of `journal.id`"
    MARKER_NAME = "the data directory, for the name of `journal.id`"
    RUNNING = "the data directory, for `running/`"
    PRESENT = "`running/`, for the file of a process"
    BLOBS = "the data directory, for `blobs/`"
    SHELVES = "`blobs/`, at the start"
    SHELF = "`blobs/`, for a folder in it"
    BODY = "the bytes of a body"
    BODY_NAME = "the folder of a body, for its name"


@dataclass(frozen=True)
class _Around:
    """What the thread did before and after."""

    before: Event | None
    after: Event | None


def sites(events: Sequence[Event]) -> dict[Site, list[int]]:
    """The numbers of the fsyncs of each site, in the order of their first ones."""
    paths = {event.handle: event.path for event in events if event.kind is Kind.OPEN}
    by_thread: defaultdict[int, list[int]] = defaultdict(list)
    for number, event in enumerate(events):
        if event.kind not in {Kind.MARK, Kind.OPEN}:
            by_thread[event.thread].append(number)
    found: list[tuple[int, Site]] = []
    for numbers in by_thread.values():
        for before, number, after in zip(
            [None, *numbers], numbers, [*numbers[1:], None], strict=False
        ):
            around = _Around(
                None if before is None else events[before], None if after is None else events[after]
            )
            if events[number].kind is Kind.SYNC:
                found.append((number, _site(events[number], around, paths)))
    by_site: dict[Site, list[int]] = {}
    for number, site in sorted(found):
        by_site.setdefault(site, []).append(number)
    return by_site


def _site(event: Event, around: _Around, paths: dict[int, str]) -> Site:
    path, before = event.path, around.before
    written = paths[before.handle] if before and before.kind is Kind.WRITE else ""
    if path in _above():
        return Site.ABOVE
    if path == ROLLBACK:
        return Site.ROLLBACK_JOURNAL
    if path == JOURNAL:
        first = written == path and before is not None and _is_first(before)
        return Site.FIRST_PAGE if first else Site.CHECKPOINT
    if path == LOG:
        return _of_log(before, written)
    if path == DATA:
        return _of_data_directory(around)
    return _of_others(path, before)


def _above() -> set[str]:
    parts = DATA.split("/")
    return {".", *("/".join(parts[:count]) for count in range(1, len(parts)))}


def _is_first(event: Event) -> bool:
    """Whether this page belongs to a file of one page."""
    return int.from_bytes(event.data[28:32], "big") <= 1


def _of_log(before: Event | None, written: str) -> Site:
    if before is None or written != LOG:
        return Site.BEFORE_CHECKPOINT
    return Site.LOG_STARTS if before.at + len(before.data) == LOG_HEADER else Site.COMMIT


def _of_data_directory(around: _Around) -> Site:
    match around.before:
        case Event(kind=Kind.SYNC, path=path) if path == ROLLBACK:
            return Site.ROLLBACK_NAME
        case Event(kind=Kind.SYNC, path=path) if path == LOG:
            return Site.LOG_NAME
        case Event(kind=Kind.RENAME, target=target) if target.endswith("journal.id"):
            return Site.MARKER_NAME
    after = around.after
    return Site.RUNNING if after and after.path.startswith(f"{DATA}/running") else Site.BLOBS


def _of_others(path: str, before: Event | None) -> Site:
    if path.endswith("journal.new"):
        return Site.MARKER
    if path.endswith("/running"):
        return Site.PRESENT
    if path.endswith("/blobs"):
        made = before is not None and before.kind is Kind.MAKE_FOLDER
        return Site.SHELF if made and "/blobs/" in before.path else Site.SHELVES
    if re.search(r"/blobs/..$", path):
        return Site.BODY_NAME
    assert "/spool/" in path, f"an fsync that has no name here: {path}"
    return Site.BODY
