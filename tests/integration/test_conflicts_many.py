"""Conflicts (I7) where many objects are sent: lists show what is unchanged, and hide no conflict."""

import asyncio
import os

import pytest
from tests.support.net import eventually
from tests.support.scripted import SHOWING, ScriptedStore

from nobreak.engine import conflicts
from nobreak.errors import LocalStoreError, RefusedError
from nobreak.reporting.events import EventKind
from nobreak.words import Attributes, Override

MANY = 100


@pytest.fixture
async def rig(start):
    """Both sides know MANY objects; what is written now waits here."""
    rig = await start(ScriptedStore(traits=SHOWING))
    for n in range(MANY):
        await rig.store.put(rig.name(f"d/{n}"), b"before")
    await eventually(lambda: len(rig.external.objects) >= MANY)
    await rig.engine.choose(Override.LOCAL, "test")
    await rig.mode("local")
    for n in range(MANY):
        await rig.store.put(rig.name(f"d/{n}"), b"ours %d" % n)
    rig.external.calls.clear()
    return rig


async def drained(rig) -> None:
    await rig.engine.choose(Override.AUTO, "test")
    await rig.drained()
    assert {rig.outside(f"d/{n}") for n in range(MANY)} == {b"ours %d" % n for n in range(MANY)}


def copies(rig) -> list[tuple[str, bytes]]:
    """What was kept of theirs: the key of each, and its content."""
    held = rig.external.objects.items()
    kept = [(name.key.partition(".conflict-"), content) for name, (content, _) in held]
    return [(key, content) for (key, mark, _), content in kept if mark]


def told(rig) -> int:
    return rig.told.kinds.count(EventKind.CONFLICT_KEPT_BOTH)


async def test_what_nobody_changed_is_sent_without_a_look_at_each(rig):
    await drained(rig)
    assert rig.external.count("head") < MANY / 4
    assert rig.external.count("put") == MANY
    assert told(rig) == 0


@pytest.mark.parametrize("content", [b"theirs", b"theirs, longer"], ids=["same size", "other size"])
async def test_whatever_somebody_changed_is_noticed(rig, content):
    changed = [f"d/{n}" for n in range(0, MANY, 9)]
    for key in changed:
        rig.external.objects[rig.name(key)] = (content, Attributes())
    del rig.external.objects[rig.name("d/1")]
    await drained(rig)
    assert sorted(copies(rig)) == sorted((key, content) for key in changed)
    assert told(rig) == len(changed)
    assert rig.told.kinds.count(EventKind.CONFLICT_DELETED) == 1


async def test_a_look_at_many_does_not_count_for_long(rig, monkeypatch):
    """Somebody writes after it, while what it was for waits behind others."""
    monkeypatch.setattr(conflicts, "COUNTS_FOR", 0.05)
    put, changed = rig.external.put, []

    async def slow(name, body, attributes):
        if not changed:
            changed.extend(rig.name(f"d/{n}") for n in (1, 2))
            await asyncio.sleep(0.2)
            rig.external.objects |= dict.fromkeys(changed, (b"theirs", Attributes()))
        return await put(name, body, attributes)

    rig.external.put = slow
    await drained(rig)
    assert copies(rig) == [("d/1", b"theirs"), ("d/2", b"theirs")]


async def test_each_look_at_many_counts_once(rig, monkeypatch):
    """An entry that is sent again is looked at again."""
    monkeypatch.setattr(conflicts, "COUNTS_FOR", 60.0)
    put, failed = rig.external.put, []

    async def overtaken(name, body, attributes):
        if not failed:
            failed.append(name)
            rig.external.objects[name] = (b"theirs", Attributes())
            raise LocalStoreError("a bad moment")
        return await put(name, body, attributes)

    rig.external.put = overtaken
    await drained(rig)
    assert [content for _, content in copies(rig)] == [b"theirs"]


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_where_lists_do_not_answer_each_is_looked_at_by_itself(rig, how, monkeypatch):
    """I7: and the drain does not stand still."""
    monkeypatch.setattr(conflicts, "LOOK_WITHIN", 0.3)
    asked, shown = [], rig.external.shown

    async def answer(expected):
        if not asked:
            asked.append(expected)
            if how == "refused":
                raise RefusedError(403, "AccessDenied", "")
            await asyncio.Event().wait()
        return await shown(expected)

    rig.external.shown = answer
    rig.external.objects[rig.name("d/50")] = (os.urandom(6), Attributes())
    await drained(rig)
    assert rig.external.count("head") >= MANY
    assert told(rig) == 1
