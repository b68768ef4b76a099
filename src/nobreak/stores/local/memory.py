"""Memory for bodies on their way in: a body of a few MiB needs no file while there is enough of it.

Without a file nothing has to be written and read back for a body that the external store takes at once.
All bodies together have one budget, so that many or large ones go to files and memory stays bounded.
"""

import weakref

from nobreak.stores.local.spool import INLINE_MAX, Spool

LARGEST = 2 * 1024 * 1024
"""Up to this many bytes a body may stay in memory."""
BUDGET = 48 * 1024 * 1024
"""What all of them may take together."""


class Memory:
    """See the module. What was lent comes back when its spool is gone."""

    def __init__(self) -> None:
        self._left = BUDGET

    def share(self, announced: int | None) -> int:
        """Up to how many bytes of a body, of which so many were announced, may stay in memory."""
        fits = announced is not None and INLINE_MAX < announced <= min(LARGEST, self._left)
        return announced if fits and announced is not None else INLINE_MAX

    def lent(self, spool: Spool, size: int) -> None:
        """Count it until the spool is gone; what every body may have anyway is not counted."""
        if size > INLINE_MAX:
            self._left -= size
            weakref.finalize(spool, self._back, size)

    def _back(self, size: int) -> None:
        self._left += size
