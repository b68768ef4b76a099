"""The interface of the cache's table: which copies are here, and which are given up.

As those of `nobreak.stores.interfaces`, it has one contract test suite.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nobreak.words import Fingerprint, ObjectName


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of an object that the external store has: its bytes are those of `version`, in `file`.

    `version` tells it from all other versions. `fingerprint`: of the bytes.
    """

    name: ObjectName
    version: str
    fingerprint: Fingerprint
    file: str


@dataclass(frozen=True, slots=True)
class CacheTally:
    """The cache at a glance. `served`: how many reads it has answered since it was begun."""

    copies: int = 0
    bytes: int = 0
    served: int = 0


class Copies(Protocol):
    """What is kept of objects that are on the external store. None of it has to survive."""

    def find(self, name: ObjectName) -> Copy | None:
        """The copy of an object; its file may be gone."""

    def moment(self) -> int:
        """A number that never shrinks: what `admit_soon` is to be given, from before the bytes were read."""

    def admit_soon(
        self, copy: Copy, since: int, limit: int, settled: Callable[[Sequence[str]], None]
    ) -> None:
        """Take a copy in, in the place of an older one; others make room for it within `limit` bytes.

        Not when its bucket was forgotten after the moment `since`. `settled` hears, on the event loop, of the files that are not needed then. They are that of
        the copy itself when it could not be taken in.
        """

    async def drop(self, copy: Copy) -> None:
        """Forget a copy: it was gone, or damaged."""

    async def forget(self, bucket: str) -> Sequence[str]:
        """Forget all copies of a bucket, and those that are on their way; the files of the former."""

    async def shrink(self, limit: int) -> Sequence[str]:
        """Give up copies until they have `limit` bytes; their files."""

    def oldest(self, count: int) -> Sequence[Copy]:
        """The copies that have been here for the longest time, with so many bytes or a little more."""

    def asked_soon(self, names: Mapping[ObjectName, int], served: int) -> None:
        """These were asked for, so often; and so many reads were answered from here."""

    def needs(self, file: str) -> bool:
        """Whether this is the file of a copy."""

    def are_any(self) -> bool:
        """Whether there is a copy; costs nothing beside another look at the journal."""

    def tally(self) -> CacheTally:
        """Counts and bytes, in constant time."""
