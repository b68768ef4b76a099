"""The journal's entries for people and programs, a page at a time: it may hold millions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from nobreak.faces.cli.texts import said
from nobreak.printable import printable
from nobreak.reporting.render import human_size, human_time
from nobreak.stores.interfaces import Journal
from nobreak.words import Entry, EntryKind, EntryState

PAGE = 500


def walk(journal: Journal, *, parked: bool, limit: int) -> Iterator[Entry]:
    """The first `limit` entries in order (0: all of them)."""
    return islice(_all(journal, parked=parked, page=min(limit, PAGE) or PAGE), limit or None)


def _all(journal: Journal, *, parked: bool, page: int) -> Iterator[Entry]:
    after = 0
    while entries := journal.entries(parked=parked, after=after, limit=page):
        yield from entries
        after = entries[-1].seq


def document(entry: Entry) -> dict[str, Any]:
    """An entry for JSON. Sizes are bytes, times ISO with offset."""
    return {
        "seq": entry.seq,
        "bucket": entry.name.bucket,
        "key": entry.name.key,
        "kind": entry.kind,
        "state": entry.state,
        "size": entry.size,
        "acked_at": _iso(entry.acked_at),
        "attempts": entry.attempts,
        "next_attempt": _iso(entry.not_before) if entry.not_before else None,
        "in_doubt": entry.doubtful,
        "error": entry.error,
    }


def cells(entry: Entry, now: float) -> tuple[str, str, str, str, str, str]:
    """An entry as a row: number, state, kind and size, age, name, error."""
    size = "DELETE" if entry.kind is EntryKind.DELETE else human_size(entry.size)
    return (
        str(entry.seq),
        _STATES[entry.state],
        size,
        human_time(max(0.0, now - entry.acked_at)),
        printable(str(entry.name)),
        printable(entry.error),
    )


HEADINGS = (
    "#",
    said("estado", "state"),
    said("tamanho", "size"),
    said("idade", "age"),
    said("objeto", "object"),
    said("motivo", "reason"),
)
_STATES = {
    EntryState.PENDING: said("pendente", "pending"),
    EntryState.SETTLING: said("confirmando", "settling"),
    EntryState.PARKED: said("recusado", "refused"),
}


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
