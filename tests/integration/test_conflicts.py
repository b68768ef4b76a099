"""Conflicts (I7): somebody else changed on the external store what a write here waits for."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.net import eventually
from tests.support.scripted import server_error

from nobreak.reporting.events import EventKind
from nobreak.words import Attributes, Override

PLAIN = Attributes(headers={"content-type": "text/plain"})


async def local(rig):
    await rig.engine.choose(Override.LOCAL, "test")


async def drained(rig):
    await rig.engine.choose(Override.AUTO, "test")
    await rig.drained()


def theirs(rig, key, content):
    rig.external.objects[rig.name(key)] = (content, PLAIN)


def keys(rig):
    return sorted(name.key for name in rig.external.objects)


def conflicts(rig):
    return [kind for kind in rig.told.kinds if kind.startswith("conflict")]


@pytest.fixture
async def shared(start):
    """Starts a rig with an object that both sides know, in a pinned local mode."""

    async def starter(**environment):
        rig = await start(**environment)
        await rig.store.put(rig.name("k"), b"before")
        await eventually(lambda: rig.outside("k") == b"before")
        await local(rig)
        return rig

    return starter


async def test_by_default_both_versions_stay_and_it_is_said_where(shared):
    rig = await shared()
    await rig.store.put(rig.name("k"), b"ours")
    theirs(rig, "k", b"theirs")
    await drained(rig)
    assert rig.outside("k") == b"ours"
    (copy,) = (key for key in keys(rig) if key != "k")
    assert copy.startswith("k.conflict-")
    assert rig.external.objects[rig.name(copy)] == (b"theirs", PLAIN)
    assert conflicts(rig) == [EventKind.CONFLICT_KEPT_BOTH]
    assert await rig.store.read(rig.name(copy)) == b"theirs"


async def test_a_large_version_of_theirs_is_copied_whole(shared):
    rig, large = await shared(), bytes(range(256)) * 4000
    await rig.store.put(rig.name("k"), b"ours")
    theirs(rig, "k", large)
    await drained(rig)
    (copy,) = (key for key in keys(rig) if key != "k")
    assert rig.outside(copy) == large


async def test_ours_stays_when_that_was_chosen(shared):
    rig = await shared(NOBREAK_ON_CONFLICT="ours")
    await rig.store.put(rig.name("k"), b"ours")
    theirs(rig, "k", b"theirs")
    await drained(rig)
    assert (keys(rig), rig.outside("k")) == (["k"], b"ours")
    assert conflicts(rig) == [EventKind.CONFLICT_OURS]


@pytest.mark.parametrize("delete_last", [False, True])
async def test_theirs_stays_when_that_was_chosen_whatever_waits(shared, delete_last):
    rig = await shared(NOBREAK_ON_CONFLICT="theirs")
    await rig.store.put(rig.name("k"), b"ours")
    await rig.store.put(rig.name("k"), b"ours, again")
    if delete_last:
        await rig.store.delete(rig.name("k"))
    theirs(rig, "k", b"theirs")
    await drained(rig)
    assert (keys(rig), rig.outside("k")) == (["k"], b"theirs")
    assert set(conflicts(rig)) == {EventKind.CONFLICT_THEIRS}
    await local(rig)
    await rig.store.put(rig.name("k"), b"later")
    await drained(rig)
    assert rig.outside("k") == b"later", "their version is known by now: no conflict"


async def test_a_delete_of_ours_keeps_their_new_version_as_a_copy(shared):
    rig = await shared()
    await rig.store.delete(rig.name("k"))
    theirs(rig, "k", b"theirs")
    await drained(rig)
    (copy,) = keys(rig)
    assert copy.startswith("k.conflict-")
    assert rig.outside(copy) == b"theirs"


async def test_what_they_deleted_is_written_again_and_it_is_said(shared):
    rig = await shared()
    await rig.store.put(rig.name("k"), b"ours")
    del rig.external.objects[rig.name("k")]
    await drained(rig)
    assert rig.outside("k") == b"ours"
    assert conflicts(rig) == [EventKind.CONFLICT_DELETED]


async def test_what_nobody_else_touched_is_no_conflict(shared):
    rig = await shared()
    await rig.store.put(rig.name("k"), b"one")
    await rig.store.put(rig.name("k"), b"two")
    await rig.store.put(rig.name("new"), b"three")
    await drained(rig)
    assert keys(rig) == ["k", "new"]
    assert conflicts(rig) == []


async def test_an_attempt_of_our_own_that_landed_is_no_conflict(shared):
    """I4: its outcome was unknown, and it may be there by now."""
    rig = await shared()
    await rig.store.put(rig.name("k"), b"ours")
    theirs(rig, "k", b"ours")
    await drained(rig)
    assert (keys(rig), conflicts(rig)) == (["k"], [])


async def test_a_copy_that_has_no_room_for_a_name_parks_the_entry_and_loses_neither(start):
    rig, key = await start(), "k" * 1020
    await rig.store.put(rig.name(key), b"before")
    await local(rig)
    await rig.store.put(rig.name(key), b"ours")
    theirs(rig, key, b"theirs")
    await rig.engine.choose(Override.AUTO, "test")
    await eventually(lambda: rig.engine.journal.tally().parked == 1)
    assert rig.outside(key) == b"theirs"
    assert await rig.store.read(rig.name(key)) == b"ours"


async def test_a_copy_is_tried_again_under_the_same_name(shared):
    """The server failed after the copy: it isn't made twice."""
    rig = await shared()
    await rig.store.put(rig.name("k"), b"ours")
    theirs(rig, "k", b"theirs")
    put, failed = rig.external.put, []

    async def failing(name, body, attributes):
        if name.key == "k" and not failed:
            failed.append(name)
            server_error("put")
        return await put(name, body, attributes)

    rig.external.put = failing
    info = rig.external._info

    def with_a_fixed_time(name):
        return replace(info(name), modified=datetime(2025, 10, 31, tzinfo=UTC))

    rig.external._info = with_a_fixed_time
    await drained(rig)
    mark = hashlib.md5(hashlib.md5(b"theirs").hexdigest().encode()).hexdigest()[:8]
    assert keys(rig) == ["k", f"k.conflict-20251031T000000Z-{mark}"]
    assert conflicts(rig) == [EventKind.CONFLICT_KEPT_BOTH]


async def lands_late(rig):
    """A put that was given up lands after a newer one was kept here: nobody else's change."""
    await local(rig)
    await rig.store.put(rig.name("k"), b"newest")
    rig.external.zombies[0].land()
    await drained(rig)
    assert (keys(rig), rig.outside("k")) == (["k"], b"newest")
    assert conflicts(rig) == []


@pytest.mark.parametrize("choice", ["keep-both", "theirs"])
async def test_a_late_request_of_our_own_is_nobody_elses_change(shared, choice):
    """I1, I4: else a version of ours would be dropped for an older one, or be copied as theirs."""
    rig = await shared(NOBREAK_ON_CONFLICT=choice)
    await rig.engine.choose(Override.EXTERNAL, "test")
    rig.external.plan.append(lambda _operation: "become a zombie")
    await rig.store.put(rig.name("k"), b"given up")
    await lands_late(rig)


async def test_however_many_versions_came_after_it(shared):
    """I4: a request that hangs while its key is written all the time."""
    rig = await shared()
    await rig.engine.choose(Override.EXTERNAL, "test")
    rig.external.plan.append(lambda _operation: "become a zombie")
    await rig.store.put(rig.name("k"), b"given up")
    await rig.drained()
    for number in range(30):
        await rig.store.put(rig.name("k"), b"%d" % number)
    await lands_late(rig)


async def test_a_late_request_of_the_drain_is_nobody_elses_change_after_a_restart(shared, start):
    """I7: its entry was confirmed at the second try, and has left."""
    rig, failing = await shared(), [True]

    def once(operation):
        if operation == "put" and failing:
            failing.pop()
            server_error(operation)

    rig.external.always = once
    await rig.store.put(rig.name("k"), b"late")
    await drained(rig)
    assert not failing
    await rig.store.put(rig.name("k"), b"after it")
    await local(rig)
    await rig.store.put(rig.name("k"), b"newest")
    await rig.engine.__aexit__(None, None, None)
    theirs(rig, "k", b"late")
    again = await start(rig.external)
    await drained(again)
    assert (keys(again), again.outside("k")) == (["k"], b"newest")
    assert conflicts(again) == []


async def test_a_late_delete_of_our_own_is_nobody_elses_change(shared):
    """I1, I4."""
    rig = await shared(NOBREAK_ON_CONFLICT="theirs")
    await rig.engine.choose(Override.EXTERNAL, "test")
    rig.external.plan.append(lambda _operation: "become a zombie")
    await rig.store.delete(rig.name("k"))
    await local(rig)
    await rig.store.put(rig.name("k"), b"newest")
    rig.external.zombies[0].land()
    await drained(rig)
    assert rig.outside("k") == b"newest"


async def test_in_doubt_no_version_is_dropped_for_theirs(shared):
    """I1: what looks like theirs may be what a process of ours that died had under way."""
    rig = await shared(NOBREAK_ON_CONFLICT="theirs")
    await rig.engine.choose(Override.EXTERNAL, "test")
    rig.external.plan.append(server_error)
    await rig.store.put(rig.name("k"), b"ours")
    await local(rig)
    theirs(rig, "k", b"theirs, or ours of a process that died")
    await drained(rig)
    assert rig.outside("k") == b"ours"
    assert conflicts(rig) == [EventKind.CONFLICT_KEPT_BOTH]
