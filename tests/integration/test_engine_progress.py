"""How the drain is getting on, for people and for other processes."""

import asyncio

from tests.support.net import eventually

from nobreak.engine import progress as progress_module
from nobreak.errors import RefusedError
from nobreak.reporting.events import EventKind
from nobreak.words import Override


def told(rig, kind):
    return [fields for said, fields in rig.told.events if said is kind]


async def give_back(rig, count, *, refused=0):
    """Write some objects in mode local and let them be given back; the first ones are refused."""
    await rig.engine.choose(Override.LOCAL, "test")
    await asyncio.sleep(0.3)
    put = type(rig.external).put

    async def picky(name, body, attributes):
        await asyncio.sleep(0.05)
        if name.key.startswith("refused"):
            raise RefusedError(413, "EntityTooLarge", "")
        return await put(rig.external, name, body, attributes)

    rig.external.put = picky
    for n in range(count):
        key = f"refused{n}" if n < refused else f"k{n}"
        await rig.store.put(rig.name(key), b"12345")
    await rig.engine.choose(Override.AUTO, "test")


async def test_each_drain_is_told_from_its_beginning_to_its_end(rig):
    """What is parked is neither done nor left."""
    await give_back(rig, 6, refused=2)
    await eventually(lambda: rig.said(EventKind.DRAIN_COMPLETE))
    assert told(rig, EventKind.DRAIN_STARTED) == [{"entries": 6, "size": 30}]
    (complete,) = told(rig, EventKind.DRAIN_COMPLETE)
    assert (complete["done"], complete["parked"]) == (4, 2)
    await give_back(rig, 3, refused=2)
    await eventually(lambda: len(told(rig, EventKind.DRAIN_COMPLETE)) == 2)
    assert told(rig, EventKind.DRAIN_COMPLETE)[1]["done"] == 1, "the count begins anew"


async def test_others_can_see_how_far_it_is_and_that_it_is_over(rig, monkeypatch):
    monkeypatch.setattr(progress_module, "POST_EVERY", 0.0)
    seen = []

    def drain():
        seen.append(rig.engine.status()["drain"])
        return seen[-1]

    await give_back(rig, 12, refused=2)
    await eventually(lambda: drain()["active"], every=0.005)
    await eventually(lambda: not drain()["active"], every=0.005)
    lefts = [shown["left"] for shown in seen if shown["active"]]
    assert lefts == sorted(lefts, reverse=True)
    last = [shown for shown in seen if shown["active"]][-1]
    assert last["done"] + last["left"] <= 12
    assert any(shown["eta"] is not None for shown in seen)
    await eventually(lambda: rig.said(EventKind.DRAIN_COMPLETE))  # said just after it is shown


async def test_it_is_put_on_the_board_now_and_then_and_not_for_each_entry(rig, monkeypatch):
    """Each time costs a commit."""
    monkeypatch.setattr(progress_module, "POST_EVERY", 1000.0)
    board, posts = rig.engine._context.board, []
    update = board.update

    async def counted(decide):
        before = board.read()
        after = await update(decide)
        if after.drain != before.drain:
            posts.append(after.drain)
        return after

    monkeypatch.setattr(board, "update", counted)
    await give_back(rig, 10)
    await rig.drained()
    await eventually(lambda: rig.said(EventKind.DRAIN_COMPLETE))
    assert posts == []
