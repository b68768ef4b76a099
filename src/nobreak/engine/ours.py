"""What of an object on the external store is our own doing, though the catalog may not say so.

A request that was given up may land late; a write that the external store confirmed may not have
reached the catalog, because the disk here failed. Whoever asks whether somebody else changed an
object has to know both. Kept in memory, for the objects that were written last; what a process
that died had sent, its entries know as a doubt.
"""

from collections import OrderedDict

from nobreak.words import ObjectName

MOST_NAMES = 50_000
MOST_OF_EACH = 8
GONE = ""
"""What stands for a DELETE in the place of an ETag."""


class Ours:
    """See the module. It forgets the objects that were not written for the longest time."""

    def __init__(self) -> None:
        self._sent: OrderedDict[ObjectName, tuple[str, ...]] = OrderedDict()

    def sent(self, name: ObjectName, etag: str) -> None:
        """We asked for this object to be of this ETag, or `GONE`."""
        before = self._sent.pop(name, ())
        others = tuple(each for each in before if each != etag)
        self._sent[name] = (*others, etag)[-MOST_OF_EACH:]
        if len(self._sent) > MOST_NAMES:
            self._sent.popitem(last=False)

    def may_have_made(self, name: ObjectName, etag: str) -> bool:
        """Whether this ETag (or `GONE`) may come from a request of ours."""
        return etag in self._sent.get(name, ())
