"""What every catalog and every board promises, whatever it is made of."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from tests.support.net import eventually

from nobreak.stores.interfaces import ModeChange, Notice
from nobreak.words import Attributes, Mode, ObjectInfo, ObjectName, Override, Receipt

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def info(key, size=1):
    attributes = Attributes({"content-type": "image/png"}, {"n": "ü"})
    return ObjectInfo(ObjectName("b", key), size, "etag", WHEN, attributes)


async def test_an_object_comes_back_as_it_was_remembered(catalog):
    await catalog.put(info("k"), Receipt("remote", "their-etag"))
    assert catalog.get(ObjectName("b", "k")) == (info("k"), Receipt("remote", "their-etag"))
    await catalog.put(info("k", 2), Receipt())
    assert catalog.get(ObjectName("b", "k"))[0].size == 2
    await catalog.remove(ObjectName("b", "k"))
    assert catalog.get(ObjectName("b", "k")) is None


async def test_what_is_remembered_soon_is_remembered(catalog):
    catalog.put_soon(info("k"), Receipt())
    await eventually(lambda: catalog.get(ObjectName("b", "k")) is not None)


async def test_pages_come_in_byte_order(catalog):
    for key in ["b", "a/2", "a/1", "é"]:
        await catalog.put(info(key), Receipt())
    keys = [found.name.key for found, _ in catalog.page("b", "", "", 10)]
    assert keys == ["a/1", "a/2", "b", "é"]
    assert [f.name.key for f, _ in catalog.page("b", "a/", "a/1", 10)] == ["a/2"]


async def test_a_new_board_says_external_and_automatic(board):
    assert board.read() == Notice()


async def test_all_processes_read_what_one_has_written(board):
    """I6."""
    notice = Notice(
        mode=Mode.LOCAL,
        override=Override.LOCAL,
        use_external=False,
        trusted=False,
        asked=3,
        answered=2,
        suspicion="é",
        chosen_by="api",
        leader=7,
        failover={"phase": "outage"},
        monitor={"last_ok": False},
        drain={"left": 1},
    )
    change = ModeChange(5.0, Mode.LOCAL, "checks")
    assert await board.update(lambda _: (notice, change)) == notice
    assert board.read() == notice
    assert board.changes_of_mode(10) == [change]


async def test_changes_at_the_same_time_lose_nothing(board):
    def one_more(notice):
        return replace(notice, asked=notice.asked + 1), None

    await asyncio.gather(*(board.update(one_more) for _ in range(100)))
    assert board.read().asked == 100


async def test_changes_of_mode_are_kept_newest_first_and_not_for_ever(board):
    for at in range(150):
        change = ModeChange(float(at), Mode.LOCAL, "checks")
        await board.update(lambda notice, change=change: (notice, change))
    kept = board.changes_of_mode(1000)
    assert kept[0].at == 149
    assert len(kept) == 100
