"""Whether a conditional write may be made: by the journal, else by what is known of the key.

Within the transaction that appends the write it holds against all others, in every process.
"""

from collections.abc import Callable, Sequence
from typing import Any

from nobreak.errors import NotFoundError, PreconditionFailedError, UndecidedError
from nobreak.stores.interfaces import Condition
from nobreak.words import EntryKind, ObjectName, Verdict

Rows = Callable[[str, Sequence[Any]], list[Any]]
"""Runs a query, within or without a transaction."""

NEWEST = "SELECT kind, md5 FROM entry WHERE bucket = ? AND key = ? ORDER BY seq DESC LIMIT 1"
KNOWN = "SELECT our_etag, etag FROM object WHERE bucket = ? AND key = ?"

COMPLETE = "SELECT 1 FROM bucket WHERE name = ? AND scanned_at IS NOT NULL"
"""Of such a bucket the catalog holds every object."""
UNSURE = "SELECT 1 FROM unsure WHERE bucket = ? AND key = ?"
"""Of such a key it may be wrong."""


def decide(rows: Rows, name: ObjectName, condition: Condition) -> None:
    """See `nobreak.stores.interfaces.Journal.decide`."""
    verdict = condition.precondition.verdict(_current(rows, name, condition))
    if verdict is Verdict.NO_OBJECT:
        raise NotFoundError(name)
    if verdict is Verdict.FAILS:
        raise PreconditionFailedError(name)


def _current(rows: Rows, name: ObjectName, condition: Condition) -> frozenset[str] | None:
    """The ETags that the object is known by; None: there is no object."""
    newest = rows(NEWEST, (name.bucket, name.key))
    if newest:
        kind, etag = newest[0]
        return frozenset({etag}) if kind == EntryKind.PUT else None
    row = known_etags(rows, name)
    look = condition.look
    if look is not None and look.row == row:
        return look.etags
    if look is None and rows(UNSURE, (name.bucket, name.key)):
        raise UndecidedError(name)
    if look is None and (row is not None or rows(COMPLETE, (name.bucket,))):
        return row
    raise UndecidedError(name)


def known_etags(rows: Rows, name: ObjectName) -> frozenset[str] | None:
    """The ETags of the key's catalog row; None without one."""
    found = rows(KNOWN, (name.bucket, name.key))
    return frozenset(etag for etag in found[0] if etag) if found else None
