"""Keys on which a request of unknown outcome could still land, though no entry says so (I4).

That is so while an attempt is under way, and after one that ended unknown and that nothing was
acknowledged for: the client went away, or the local disk could not take the write. Until it is
over, writes to such a key go through the journal and settle. After a crash that is so for every key: nobody knows what the dead process had under way.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from nobreak.stores.interfaces import Board
from nobreak.words import ObjectName


class Doubts:
    """See the module. Keys live in memory: at most as long as the attempts of this process."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._names: Counter[ObjectName] = Counter()
        self._fenced: Counter[ObjectName] = Counter()

    def __contains__(self, name: ObjectName) -> bool:
        return name in self._fenced or self.unfenced(name)

    def unfenced(self, name: ObjectName) -> bool:
        """Whether what could land on this key would do so whatever is there by then.

        A conditional write would not: the external store refuses one that comes late.
        """
        return name in self._names or self._board.read().crashed

    def under_way(self, name: ObjectName) -> bool:
        """Whether a request of this process could still land on this key."""
        return name in self._names or name in self._fenced

    def begin(self, name: ObjectName) -> None:
        """Doubt this key until `end` was called as often."""
        self._names[name] += 1

    def end(self, name: ObjectName) -> None:
        """One reason less to doubt it."""
        _less(self._names, name)

    @contextmanager
    def about(self, name: ObjectName, *, fenced: bool = False) -> Iterator[None]:
        """Doubt this key for as long as the context lasts; `fenced`: for a conditional write."""
        names = self._fenced if fenced else self._names
        names[name] += 1
        try:
            yield
        finally:
            _less(names, name)


def _less(names: Counter[ObjectName], name: ObjectName) -> None:
    names[name] -= 1
    if not names[name]:
        del names[name]
