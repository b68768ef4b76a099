"""What of an object on the external store is our own doing, though the catalog may not say so.

A request that was given up may land late; a write that the external store confirmed may not have
reached the catalog, because the disk here failed. Whoever asks whether somebody else changed an
object has to know both. Kept in memory, for what was asked for last. What no entry tells of, because
the write was given up, or made beside an entry, all processes know of each other; what a process that
died had sent besides, its entries know as a doubt.
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice

from nobreak.stores.interfaces import GivenUp
from nobreak.words import Fingerprint, ObjectName

MOST = 100_000
"""So many versions are remembered; a key that is written all the time may have many that can still land."""
GONE = ""
"""What stands for a DELETE in the place of an ETag."""


class Ours:
    """See the module. It forgets what was asked for the longest time ago."""

    def __init__(self, given_up: GivenUp) -> None:
        self._given_up = given_up
        self._sent: OrderedDict[tuple[ObjectName, str], None] = OrderedDict()

    def sent(self, name: ObjectName, etag: str) -> None:
        """We asked for this object to be of this ETag, or `GONE`."""
        self._sent[name, etag] = None
        self._sent.move_to_end((name, etag))
        if len(self._sent) > MOST:
            self._sent.popitem(last=False)

    def tell_all(self, name: ObjectName, etag: str) -> None:
        """The other processes must know of it, too, and those after a restart.

        It may land yet when no entry says so any more; or it was made while an entry of its key
        came in, whose confirmation takes the place of its row in the catalog.
        """
        self._given_up.note_soon(name, etag)

    def may_have_made(self, name: ObjectName, etag: str) -> bool:
        """Whether this ETag (or `GONE`) may come from a request of ours. Raises `LocalStoreError`."""
        return (name, etag) in self._sent or self._given_up.has(name, etag)

    def latest(self, limit: int) -> Sequence[ObjectName]:
        """Objects that something was asked of last, the newest first; `limit` requests back."""
        return list(dict.fromkeys(name for name, _ in islice(reversed(self._sent), limit)))


def wanted(fingerprint: Fingerprint | None) -> str:
    """The ETag that a write asks for, or `GONE`."""
    return fingerprint.etag if fingerprint else GONE
