"""core.eviction: what a full cache gives up, and that a scan does not ruin it (issue 4.5)."""

import random
from collections import OrderedDict
from itertools import count

import pytest

from nobreak.core.eviction import MOST_HITS, Held, Queue, make_room, queue_of_new
from nobreak.words import ObjectName

LIMIT = 1000


class MemoryShelf:
    """A shelf in memory."""

    def __init__(self):
        self.queues = {Queue.SMALL: OrderedDict(), Queue.MAIN: OrderedDict()}
        self.hits = {}
        self.names = set()

    def size(self, queue):
        return sum(self.queues[queue].values())

    def oldest(self, queue):
        name = next(iter(self.queues[queue]), None)
        return None if name is None else Held(name, self.hits[name])

    def move(self, name, queue, hits):
        size = next(q.pop(name) for q in self.queues.values() if name in q)
        self.queues[queue][name] = size
        self.hits[name] = hits

    def drop(self, name):
        for queue in self.queues.values():
            queue.pop(name, None)
        self.hits.pop(name, None)

    def remember(self, name):
        self.names.add(name)

    def remembers(self, name):
        return name in self.names


class Fifo:
    """A cache of this policy."""

    def __init__(self, limit=LIMIT):
        self.shelf, self.limit = MemoryShelf(), limit

    def asked(self, key, size=10):
        name = ObjectName("b", str(key))
        if name in self.shelf.hits:
            self.shelf.hits[name] = min(MOST_HITS, self.shelf.hits[name] + 1)
            return True
        make_room(self.shelf, size, self.limit)
        self.shelf.queues[queue_of_new(self.shelf, name)][name] = size
        self.shelf.hits[name] = 0
        return False

    def bytes(self):
        return sum(map(self.shelf.size, Queue))


class Lru:
    """What everybody would write."""

    def __init__(self, limit=LIMIT):
        self.sizes, self.limit = OrderedDict(), limit

    def asked(self, key, size=10):
        if key in self.sizes:
            self.sizes.move_to_end(key)
            return True
        while sum(self.sizes.values()) + size > self.limit:
            self.sizes.popitem(last=False)
        self.sizes[key] = size
        return False


def test_a_scan_leaves_what_is_asked_for_again():
    """Half of the room is in use, then somebody reads twenty times the cache, once each."""
    kept = {}
    for cache in (Fifo(), Lru()):
        for _ in range(3):
            for key in range(50):
                cache.asked(key)
        for n in range(2000):
            cache.asked(f"scan {n}")
        kept[type(cache)] = sum(cache.asked(key) for key in range(50))
    assert kept == {Fifo: 50, Lru: 0}


def test_with_scans_in_between_more_is_found_than_by_an_lru():
    chance = random.Random(7)
    hits = {}
    for cache in (Fifo(), Lru()):
        once = count()
        found = asked = 0
        for round_ in range(4000):
            asked += 1
            found += cache.asked(min(int(chance.expovariate(1 / 40)), 500))
            if round_ % 500 == 499:
                for _ in range(300):
                    cache.asked(f"scan {next(once)}")
        hits[type(cache)] = found / asked
        chance.seed(7)
    assert hits[Fifo] > hits[Lru] + 0.02, hits


@pytest.mark.parametrize("seed", range(5))
def test_the_limit_holds_whatever_comes(seed):
    chance = random.Random(seed)
    cache = Fifo()
    for _ in range(3000):
        cache.asked(chance.randrange(200), chance.choice((0, 1, 50, 250)))
        assert cache.bytes() <= LIMIT


def test_what_comes_back_soon_after_it_was_given_up_goes_to_the_main_queue():
    cache = Fifo()
    cache.asked("early")
    for n in range(200):
        cache.asked(n)
    name = ObjectName("b", "early")
    assert name not in cache.shelf.hits
    cache.asked("early")
    assert name in cache.shelf.queues[Queue.MAIN]


def test_each_further_request_is_one_more_turn_in_the_main_queue():
    shelf, gone = MemoryShelf(), []
    for key, hits in (("twice", 2), ("never", 0), ("once", 1)):
        shelf.queues[Queue.MAIN][ObjectName("b", key)] = 10
        shelf.hits[ObjectName("b", key)] = hits
    while shelf.hits:
        there = set(shelf.hits)
        make_room(shelf, 10, 10 * len(shelf.hits))
        gone += [name.key for name in there - set(shelf.hits)]
    assert gone == ["never", "once", "twice"]


def test_everything_can_be_given_up():
    cache = Fifo()
    for n in range(50):
        cache.asked(n)
        cache.asked(n)
    make_room(cache.shelf, 0, 0)
    assert cache.bytes() == 0
    make_room(cache.shelf, 10, 0)
