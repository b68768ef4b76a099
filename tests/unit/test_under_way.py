"""What the drain has taken up: slots, those that wait for one, and those that need none any more."""

import asyncio
from datetime import UTC, datetime

import pytest

from nobreak.engine.under_way import AHEAD, MOST, UnderWay
from nobreak.words import Attributes, Entry, EntryKind, EntryState, ObjectName


def entry(number: int) -> Entry:
    name = ObjectName("b", f"k{number}")
    at = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    return Entry(number, name, EntryKind.DELETE, EntryState.PENDING, None, Attributes(), at)


class Line:
    """Work that ends when it is told to."""

    def __init__(self, slots: int) -> None:
        self.slots, self.open = slots, True
        self.started: list[int] = []
        self.ends: dict[int, asyncio.Event] = {}
        self.under_way = UnderWay(self._work, lambda: self.slots, lambda: self.open)

    async def _work(self, entry: Entry) -> None:
        self.started.append(entry.seq)
        self.ends[entry.seq] = asyncio.Event()
        await self.ends[entry.seq].wait()

    async def take_up(self, *numbers: int) -> None:
        self.under_way.take_up(map(entry, numbers))
        await asyncio.sleep(0)

    async def sent(self, number: int) -> None:
        self.under_way.sent(entry(number).name)
        await asyncio.sleep(0)

    async def end(self, number: int) -> None:
        self.ends[number].set()
        for _ in range(3):
            await asyncio.sleep(0)


async def test_no_more_are_sent_than_there_are_slots_and_the_oldest_go_first():
    line = Line(slots=2)
    await line.take_up(1, 2, 3, 4)
    assert line.started == [1, 2]
    await line.end(2)
    assert line.started == [1, 2, 3]
    line.slots = 1
    await line.end(1)
    assert line.started == [1, 2, 3], "there are fewer slots now"
    await line.end(3)
    assert line.started == [1, 2, 3, 4]


async def test_what_has_been_sent_gives_its_slot_away_before_its_end_and_only_once():
    line = Line(slots=1)
    await line.take_up(1, 2, 3)
    await line.sent(1)
    assert line.started == [1, 2]
    assert entry(1).name in line.under_way
    await line.sent(1)
    await line.end(1)
    assert line.started == [1, 2]
    assert entry(1).name not in line.under_way


async def test_nothing_is_started_while_the_external_store_may_not_be_tried():
    line = Line(slots=1)
    await line.take_up(1, 2)
    line.open = False
    await line.end(1)
    assert line.started == [1]


async def test_what_was_taken_up_while_nothing_might_be_sent_is_started_when_it_may():
    """A suspicion that is over within one look of the drain must not leave it waiting for ever."""
    line = Line(slots=1)
    line.open = False
    await line.take_up(1)
    await line.under_way.change(within=0.0)
    line.open = True
    await line.under_way.change(within=0.01)
    assert line.started == [1]


async def test_more_are_taken_up_when_half_of_those_that_wait_have_gone():
    line = Line(slots=2)
    assert line.under_way.room() == 2 * AHEAD
    await line.take_up(*range(2 + 2 * AHEAD))
    assert line.under_way.room() == 0
    for number in range(AHEAD - 1):
        await line.end(number)
    assert line.under_way.room() == 0
    await line.end(AHEAD - 1)
    assert line.under_way.room() == AHEAD


async def test_an_external_store_that_answers_no_look_is_not_sent_ever_more():
    line = Line(slots=10)
    taken = 0
    while room := line.under_way.room():
        await line.take_up(*range(taken, taken + room))
        taken += room
        for number in range(taken):
            await line.sent(number)
    assert MOST <= taken < MOST + 10 * AHEAD


async def test_those_that_never_started_are_told_from_those_that_were_cancelled():
    line = Line(slots=2)
    await line.take_up(1, 2, 3, 4)
    stopping = asyncio.create_task(line.under_way.stop(grace=5.0))
    await asyncio.sleep(0)
    await line.end(1)
    await line.end(2)
    assert [each.seq for each in await stopping] == [3, 4]
    assert line.started == [1, 2], "nothing begins while it stops"
    await line.take_up(5)
    assert await line.under_way.stop(grace=0.0) == []
    assert len(line.under_way) == 0


async def test_a_failure_comes_out_where_it_is_waited_for():
    async def fail(_entry: Entry) -> None:
        raise ValueError("broken")

    under_way = UnderWay(fail, lambda: 1, lambda: True)
    under_way.take_up([entry(1)])
    with pytest.raises(ValueError, match="broken"):
        await under_way.change(within=5.0)
    await under_way.change(within=0.0)
