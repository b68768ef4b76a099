"""The interfaces of what is known of the external store as a whole: its buckets, and their lists.

As those of `nobreak.stores.interfaces`, they have one contract test suite.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nobreak.words import BucketInfo, ObjectInfo, ObjectName


class KnownBuckets(Protocol):
    """The buckets of the external store, as far as they are known."""

    def get(self, name: str) -> BucketInfo | None:
        """A bucket that is there."""

    def all(self) -> Sequence[BucketInfo]:
        """All that are known, by name."""

    def are_all(self) -> bool:
        """Whether there are no others: the list was read, and every change since was noted."""

    def version(self) -> int:
        """Grows with every change but `replace`."""

    async def replace(self, buckets: Sequence[BucketInfo], version: int, now: float) -> bool:
        """The list was read; False, and nothing done, when it changed since it had that version."""

    async def add(self, bucket: BucketInfo) -> None:
        """A bucket was made or seen."""

    async def remove(self, name: str) -> None:
        """A bucket was deleted, and with it all that was known of its objects."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A bucket of the index. `scanned_at`: seconds since the epoch, None while it isn't complete.

    `due`: a scan is wanted; `objects`: how many the catalog holds; `partial`: of how many of these it
    lacks the attributes.
    """

    bucket: str
    scanned_at: float | None
    due: bool
    scanning: bool
    objects: int
    partial: int


class Index(Protocol):
    """Which buckets the catalog holds every object of, so that it can answer for them (I2).

    A scan reads a bucket once; from its beginning on, every change of the catalog by live writes wins
    over what the scan saw, and keeps the bucket complete.
    """

    def is_complete(self, bucket: str) -> bool:
        """Whether the catalog holds every object of this bucket."""

    def lacks(self, bucket: str) -> bool:
        """Whether this process could not write down a change of this bucket."""

    def missed(self, bucket: str, *, for_good: bool = False) -> None:
        """A change could not be written down: the disk is full, or fails. Said when it can be.

        Until then this process `lacks` it; with `for_good` until the bucket was scanned again.
        """

    def follows(self, bucket: str) -> bool:
        """Whether this bucket was ever to be scanned: then no change of it may be missed."""

    def followed(self) -> Sequence[str]:
        """All buckets that `follows` is true of."""

    def buckets(self) -> Sequence[Indexed]:
        """All buckets of the index, by name. Counts their objects: for people to look at."""

    def due(self) -> Sequence[str]:
        """The buckets that a scan is wanted of, and none is under way."""

    async def begin_scan(self, bucket: str) -> int:
        """A scan begins, and ends any other one of this bucket; its number."""

    async def take_page(self, bucket: str, scan: int, objects: Sequence[ObjectInfo]) -> bool:
        """Take in what a scan saw, where no live write came between. False: the scan was ended."""

    async def end_scan(self, bucket: str, scan: int, now: float) -> bool:
        """All was seen: what was not is gone, and the bucket is complete. False: as above."""

    async def abandon_scan(self, bucket: str, scan: int) -> None:
        """This scan failed: another one is wanted."""

    def is_sure(self, bucket: str, prefix: str) -> bool:
        """Whether no key that begins so waits to be looked at."""

    def unsure(self, now: float, limit: int) -> Sequence[ObjectName]:
        """Keys that are to be looked at by now."""

    async def distrust(self, name: ObjectName, not_before: float = 0.0) -> None:
        """This key changed, or may have, and nobody here saw how: it is to be looked at.

        In a bucket that isn't followed, only its attributes are forgotten. The next write of the
        catalog's row ends it.
        """

    def distrust_soon(self, name: ObjectName) -> None:
        """As above; durable with one of the next commits."""

    async def outdate(self, seen: ObjectInfo) -> None:
        """The object is not any more what its row, `seen`, says: the row is not whole then.

        Nothing is done when the row is another one by now.
        """

    async def looked(self, name: ObjectName, info: ObjectInfo | None) -> bool:
        """What a look at a distrusted key has found; None: nothing. False: a write came between."""

    def partial(self, bucket: str, after: str, limit: int) -> Sequence[ObjectInfo]:
        """Objects of which only a list was seen, with keys above `after`; not those that were refused."""

    async def learn(self, seen: ObjectInfo, info: ObjectInfo) -> bool:
        """Take in all attributes of an object whose row lacked them: `seen`, before the look.

        False, and nothing done, when the row is another one by now, or distrusted, or `info` another
        version.
        """

    def learn_soon(self, seen: ObjectInfo, info: ObjectInfo) -> None:
        """As above; with one of the next commits, or not at all when the disk is in trouble."""

    async def refused(self, name: ObjectName) -> None:
        """The external store won't say this object's attributes: don't ask until it changes."""

    async def ask_again(self, bucket: str) -> None:
        """Forget what was refused."""

    async def doubt(self, bucket: str | None = None) -> None:
        """A change may have been missed: not complete before the next scan. None: all buckets."""

    async def revalidate(self) -> None:
        """Others may have written: want a scan of every bucket, which stay complete meanwhile."""

    async def forget(self, bucket: str) -> None:
        """The bucket is gone, and so are its objects."""
