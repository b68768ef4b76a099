"""Which copies a full cache gives up: S3-FIFO. Pure.

What is new goes into a small queue, a tenth of the room. Whoever was asked for again there moves
on to the main queue; who was not is dropped, and only its name is remembered for a while: if it
comes back, it goes to the main queue at once. In the main queue each time that it was asked for is
one more turn. So a scan, which asks for everything once, passes through the small queue and leaves the
main one alone. Source: Yang, Zhang, Qiu, Yue, Rashmi: "FIFO queues are all you need for cache
eviction", SOSP 2023; here a single further request is enough to move on.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from nobreak.words import ObjectName

SMALL_SHARE = 0.1
"""The part of the room that the small queue may have while the main one has anything to give."""
MOST_HITS = 3
"""More requests than these count no further."""


class Queue(IntEnum):
    """The two queues; a third one, of names only, is the shelf's own."""

    SMALL = 0
    MAIN = 1


@dataclass(frozen=True, slots=True)
class Held:
    """A copy at the old end of a queue, and how often it was asked for since it came there."""

    name: ObjectName
    hits: int


class Shelf(Protocol):
    """Where the copies are. All sizes in bytes."""

    def size(self, queue: Queue) -> int:
        """The size of all copies in a queue."""

    def oldest(self, queue: Queue) -> Held | None:
        """The one that has been in the queue for the longest time."""

    def move(self, name: ObjectName, queue: Queue, hits: int) -> None:
        """Put it at the young end of a queue."""

    def drop(self, name: ObjectName) -> None:
        """Give it up."""

    def remember(self, name: ObjectName) -> None:
        """Keep the name of one that was given up, for a while."""

    def remembers(self, name: ObjectName) -> bool:
        """Whether its name is still kept."""


def queue_of_new(shelf: Shelf, name: ObjectName) -> Queue:
    """Where a copy goes that comes in."""
    return Queue.MAIN if shelf.remembers(name) else Queue.SMALL


def make_room(shelf: Shelf, wanted: int, limit: int) -> None:
    """Give up copies until `wanted` more bytes fit into `limit`, or nothing is left."""
    while shelf.size(Queue.SMALL) + shelf.size(Queue.MAIN) + wanted > limit:
        new, old = shelf.oldest(Queue.SMALL), shelf.oldest(Queue.MAIN)
        if new is not None and (old is None or shelf.size(Queue.SMALL) > SMALL_SHARE * limit):
            if new.hits:
                shelf.move(new.name, Queue.MAIN, 0)
            else:
                shelf.drop(new.name)
                shelf.remember(new.name)
        elif old is None:
            return
        elif old.hits:
            shelf.move(old.name, Queue.MAIN, old.hits - 1)
        else:
            shelf.drop(old.name)
