"""The drain, one rule at a time: what is sent, when, how often, and what becomes of it."""

import asyncio
import os
from contextlib import ExitStack

import pytest
from tests.support.net import eventually
from tests.support.scripted import ScriptedStore, connection_refused, server_error

from nobreak.engine import clock, leading
from nobreak.engine import drain as drain_module
from nobreak.errors import (
    LocalStoreError,
    OutageError,
    OutageKind,
    RefusedError,
    UnsupportedError,
)
from nobreak.reporting.events import EventKind
from nobreak.words import Attributes, Mode, Override

LARGE = 700_000


async def local(rig):
    """A person pins local: the server itself is well."""
    await rig.engine.choose(Override.LOCAL, "test")


async def automatic(rig):
    await rig.engine.choose(Override.AUTO, "test")


def entries(rig, *, parked=False):
    return list(rig.engine.journal.entries(parked=parked, after=0, limit=1000))


class Puts:
    """Stands before the PUTs of the external store: slows them down, fails them, counts them."""

    def __init__(self, rig, *, pause=0.0, fail=None):
        self._put, self.pause, self.fail = rig.external.put, pause, fail
        self.keys, self.running, self.most, self.most_of_a_key = [], [], 0, 0
        self.most_at_first = 0
        """How many were under way at once before the first one succeeded."""
        self._succeeded = False
        rig.external.put = self

    async def __call__(self, name, body, attributes):
        self.keys.append(name.key)
        self.running.append(name.key)
        self.most = max(self.most, len(self.running))
        if not self._succeeded:
            self.most_at_first = self.most
        self.most_of_a_key = max(self.most_of_a_key, self.running.count(name.key))
        try:
            await asyncio.sleep(self.pause * (1 + len(self.keys) % 3))
            if self.fail:
                self.fail(name)
            receipt = await self._put(name, body, attributes)
            self._succeeded = True
            return receipt
        finally:
            self.running.remove(name.key)


def refusing(_name):
    raise RefusedError(413, "EntityTooLarge", "too large")


async def test_it_begins_with_one_at_a_time_and_opens_up_to_its_limit(start):
    """Gently: the server has just come back, also for the second time."""
    rig = await start(NOBREAK_DRAIN_CONCURRENCY="4")
    for _ in range(2):
        await local(rig)
        for n in range(40):
            await rig.store.put(rig.name(f"k{n}"), os.urandom(10))
        puts = Puts(rig, pause=0.01)
        await asyncio.sleep(0.3)
        await automatic(rig)
        await rig.drained()
        assert (puts.most_at_first, puts.most) == (1, 4)
        assert len(puts.keys) == 40, "each was sent once"


async def test_clients_that_wait_for_the_server_take_places_of_the_drain(start):
    """Issue 4.8: live traffic keeps at least half of its pace."""
    rig = await start(NOBREAK_DRAIN_CONCURRENCY="4")
    puts, link = Puts(rig, pause=0.01), rig.store._context.link
    await local(rig)
    for n in range(40):
        await rig.store.put(rig.name(f"k{n}"), b"x")
    with ExitStack() as clients:
        for _ in range(9):
            clients.enter_context(link.waiting())
        await automatic(rig)
        await rig.drained()
    assert puts.most == 2
    assert link.live == 0


async def test_two_entries_of_one_key_are_never_sent_at_once(rig):
    """I4: also when one of them was parked and both may go."""
    puts = Puts(rig, fail=refusing)
    await local(rig)
    for key in "abc":
        await rig.store.put(rig.name(key), b"1")
    await automatic(rig)
    await eventually(lambda: rig.engine.journal.tally().parked == 3)
    await local(rig)
    for key in "abc":
        await rig.store.put(rig.name(key), b"2")
    await rig.engine.journal.retry_parked()
    puts.fail, puts.pause = None, 0.05
    await automatic(rig)
    await rig.drained()
    assert puts.most_of_a_key == 1
    assert puts.most > 1
    assert {rig.outside(key) for key in "abc"} == {b"2"}


async def test_what_is_sent_is_marked_before_so_that_a_crash_leaves_it_in_doubt(rig):
    """I4: `resume` is what the next process asks."""
    await local(rig)
    await rig.store.put(rig.name("k"), b"x")
    puts = Puts(rig, pause=5.0)
    await automatic(rig)
    await eventually(lambda: len(puts.running) == 1)
    assert await rig.engine.journal.resume() == 1
    assert entries(rig)[0].doubtful


async def test_who_takes_over_doubts_what_the_last_one_had_begun(start):
    """I4."""
    first = await start(leads=False)
    first.external.always = connection_refused
    await first.store.put(first.name("k"), b"x")
    await first.engine.journal.begin(entries(first))
    await first.engine.__aexit__(None, None, None)
    second = await start(ScriptedStore(), NOBREAK_SETTLE="30")
    await eventually(lambda: second.outside("k") == b"x")
    await asyncio.sleep(0.2)
    assert [entry.doubtful for entry in entries(second)] == [True], "it settles"


async def test_what_is_under_way_when_the_server_goes_may_end_and_else_is_in_doubt(
    start, monkeypatch
):
    """I4: cancelled is not undone."""
    monkeypatch.setattr(drain_module, "GRACE", 0.5)
    rig = await start(NOBREAK_DRAIN_CONCURRENCY="8")
    keys = ["first0", "first1", "first2", "first3", "ends0", "ends1", "hangs"]
    await local(rig)
    for key in keys:
        await rig.store.put(rig.name(key), b"x")
    put, under_way = rig.external.put, set()

    async def slow(name, body, attributes):
        under_way.add(name.key)
        if name.key.startswith("ends"):
            await rig.external.late.wait()
        if name.key == "hangs":
            await asyncio.Event().wait()
        return await put(name, body, attributes)

    rig.external.put = slow
    await automatic(rig)
    await eventually(lambda: under_way >= {"ends0", "ends1", "hangs"})
    await local(rig)
    await asyncio.sleep(0.2)
    rig.external.late.set()
    await eventually(lambda: rig.said(EventKind.DRAIN_PAUSED))
    assert {entry.name.key: entry.doubtful for entry in entries(rig)} == {"hangs": True}
    rig.external.put = put
    await automatic(rig)
    await rig.drained()


async def test_settling_begins_anew_when_the_server_was_away(start):
    """I4: what was frozen with it may thaw with it."""
    rig = await start(NOBREAK_SETTLE="0.8")
    await rig.put_that_settles("k", b"mine")
    await local(rig)
    await asyncio.sleep(1.0)
    await automatic(rig)
    await asyncio.sleep(0.4)
    assert rig.external.count("holds") == 1, "not looked at before it has settled again"
    rig.external.objects[rig.name("k")] = (b"thawed", Attributes())
    await rig.drained()
    assert rig.outside("k") == b"mine"


async def test_a_crash_is_forgiven_only_after_a_calm_settle_time(start):
    """I4: an outage in between does not count as calm."""
    first = await start()
    await first.engine.__aexit__(None, None, None)
    (first.settings.local.data_dir / "running" / "left-by-a-dead-process").touch()
    rig = await start(first.external, NOBREAK_SETTLE="0.8")
    board = rig.engine._context.board
    await asyncio.sleep(0.3)
    assert board.read().crashed
    await local(rig)
    await asyncio.sleep(0.8)
    await automatic(rig)
    await asyncio.sleep(0.4)
    assert board.read().crashed
    await eventually(lambda: not board.read().crashed, within=5)


@pytest.mark.parametrize("answer", ["refused", "failed"])
async def test_the_bucket_is_asked_for_until_the_server_has_answered(rig, answer):
    """Once after each return; one that may not be made may still be written to."""
    asked = []

    async def ensure(_bucket):
        asked.append(answer)
        if answer == "refused":
            raise RefusedError(403, "AccessDenied", "")
        if len(asked) == 1:
            raise OutageError(OutageKind.STATUS, "HTTP 503", in_doubt=True)

    await local(rig)
    rig.external.ensure_bucket = ensure
    for expected in (1, 2) if answer == "refused" else (2, 3):
        await local(rig)
        await asyncio.sleep(0.3)
        await rig.store.put(rig.name("k"), b"x")
        await automatic(rig)
        await rig.drained()
        await asyncio.sleep(0.3)
        assert len(asked) == expected


async def test_a_server_that_dies_while_it_is_given_back_to_is_left_alone_at_once(rig):
    """I5; and nothing is parked for the server's fault, nor kept waiting when it is back."""
    rig.probe.slow = 1.0
    await local(rig)
    for n in range(30):
        await rig.store.put(rig.name(f"k{n}"), b"x")
    puts = Puts(rig, fail=lambda _name: connection_refused("put"))
    await automatic(rig)
    await eventually(lambda: len(puts.keys) >= 1)
    await asyncio.sleep(0.3)
    assert len(puts.keys) <= 3
    puts.fail, rig.probe.slow = None, 0.0
    assert rig.engine.journal.tally().parked == 0
    await rig.drained(within=5)


async def test_after_a_connection_that_failed_nobody_waits_once_the_server_is_back(
    rig, monkeypatch
):
    monkeypatch.setattr(drain_module, "FAILED_FIRST", 30.0)
    await local(rig)
    await rig.store.put(rig.name("k"), b"x")
    rig.external.plan.append(connection_refused)
    await automatic(rig)
    await rig.drained(within=5)


async def test_an_entry_whose_server_fails_at_it_waits_and_is_in_doubt(rig, monkeypatch):
    """I4, I8: a 500 may have stored it; others go on meanwhile."""
    monkeypatch.setattr(drain_module, "FAILED_FIRST", 30.0)

    def poisoned(name):
        if name.key == "poison":
            server_error("put")

    puts = Puts(rig, fail=poisoned)
    await local(rig)
    for key in ("poison", "good"):
        await rig.store.put(rig.name(key), b"x")
    await automatic(rig)
    await eventually(lambda: rig.outside("good") == b"x")
    await asyncio.sleep(0.5)
    assert puts.keys.count("poison") == 1
    (entry,) = entries(rig)
    assert (entry.doubtful, entry.attempts, entry.error) == (True, 1, "HTTP 500")
    assert 25 < entry.not_before - entry.acked_at < 35


async def test_it_is_parked_after_eight_tries_and_not_before(rig, monkeypatch):
    """I7."""
    monkeypatch.setattr(drain_module, "FAILED_FIRST", 0.01)
    monkeypatch.setattr(drain_module, "FAILED_LONGEST", 0.02)
    puts = Puts(rig, fail=lambda _name: server_error("put"))
    await local(rig)
    await rig.store.put(rig.name("k"), b"x")
    await automatic(rig)
    await eventually(lambda: rig.engine.journal.tally().parked == 1)
    assert len(puts.keys) == drain_module.FAILURES_TO_PARK == 8


async def test_a_parked_entry_is_left_alone_for_a_while_each_time_longer(rig, monkeypatch):
    """I7: and it is said once."""
    await local(rig)
    await rig.store.put(rig.name("k"), b"x")
    puts = Puts(rig, fail=refusing)
    await automatic(rig)
    await eventually(lambda: rig.engine.journal.tally().parked == 1)
    (first,) = entries(rig, parked=True)
    assert 55 < first.not_before - first.acked_at < 65
    await asyncio.sleep(0.3)
    assert len(puts.keys) == 1
    await rig.engine.journal.retry_parked()
    await eventually(lambda: len(puts.keys) == 2)
    await eventually(lambda: entries(rig, parked=True)[0].attempts == 2)
    (second,) = entries(rig, parked=True)
    assert 115 < second.not_before - second.acked_at < 130
    assert rig.told.kinds.count(EventKind.ENTRY_PARKED) == 1


async def test_a_clock_that_was_set_back_keeps_no_entry_waiting_for_as_long(rig, monkeypatch):
    """I7: it was a year ahead when the entry failed."""
    monkeypatch.setattr(clock, "MEND_EVERY", 0.1)
    monkeypatch.setattr(drain_module, "PARKED_LONGEST", 0.3)
    await local(rig)
    await rig.store.put(rig.name("k"), b"x")
    (entry,) = entries(rig)
    await rig.engine.journal.defer(
        entry, not_before=entry.acked_at + 3e7, error="HTTP 500", in_doubt=False
    )
    await automatic(rig)
    await asyncio.sleep(0.2)
    assert rig.outside("k") is None
    await rig.drained(within=5)


async def test_what_this_kind_of_server_cannot_take_is_parked_and_blocks_nobody(rig):
    """I7."""

    def cannot(name):
        if name.key == "odd":
            raise UnsupportedError("no such names here")

    Puts(rig, fail=cannot)
    await local(rig)
    for key in ("odd", "good"):
        await rig.store.put(rig.name(key), b"x")
    await automatic(rig)
    await eventually(lambda: rig.engine.journal.tally().parked == 1)
    await eventually(lambda: rig.outside("good") == b"x")
    assert entries(rig, parked=True)[0].error == "no such names here"


async def test_damaged_bytes_are_said_aloud_and_no_request_is_begun_for_them(rig):
    """I7: nobody has to read the object to hear of it."""
    await local(rig)
    await rig.store.put(rig.name("bad"), os.urandom(LARGE))
    (blob,) = (p for p in (rig.settings.local.data_dir / "blobs").rglob("*") if p.is_file())
    blob.write_bytes(bytes(LARGE))
    puts = Puts(rig)
    await automatic(rig)
    await eventually(lambda: rig.engine.journal.tally().parked == 1)
    assert puts.keys == []
    assert rig.said(EventKind.BODY_CORRUPT)


async def test_what_the_server_holds_otherwise_is_in_doubt_from_then_on(rig, monkeypatch):
    """I3, I4: an older request may have landed on it."""
    monkeypatch.setattr(drain_module, "FAILED_FIRST", 30.0)

    async def holds(*_):
        return False

    rig.external.holds = holds
    await local(rig)
    await rig.store.put(rig.name("k"), b"x")
    await automatic(rig)
    await eventually(lambda: rig.outside("k") == b"x")
    await eventually(lambda: entries(rig)[0].attempts == 1)
    assert entries(rig)[0].doubtful


async def test_a_delete_is_confirmed_by_the_objects_absence(rig, monkeypatch):
    """I3."""
    monkeypatch.setattr(drain_module, "FAILED_FIRST", 0.1)
    rig.external.objects[rig.name("k")] = (b"x", Attributes())
    await local(rig)
    await rig.store.delete(rig.name("k"))
    deletes, lies = rig.external.delete, 1

    async def lying(name, *, receipt):
        nonlocal lies
        if lies:
            lies -= 1
            return
        await deletes(name, receipt=receipt)

    rig.external.delete = lying
    await automatic(rig)
    await rig.drained()
    assert rig.outside("k") is None


async def test_the_end_is_told_with_what_was_given_back(rig):
    """Each entry counts once, also one that settled."""
    rig.external.plan.append(server_error)
    await rig.store.put(rig.name("settles"), b"x")
    await local(rig)
    for n in range(3):
        await rig.store.put(rig.name(f"k{n}"), b"x")
    await automatic(rig)
    await rig.drained()
    await eventually(lambda: rig.said(EventKind.DRAIN_COMPLETE))
    done = [fields["done"] for kind, fields in rig.told.events if kind is EventKind.DRAIN_COMPLETE]
    assert sum(done) == 4
    await eventually(lambda: not rig.engine.status()["drain"]["active"])


async def test_those_that_hang_leave_room_for_the_others(start):
    """I7: three of four places are taken by the oldest entries, for long."""
    rig = await start(NOBREAK_DRAIN_CONCURRENCY="4")
    await local(rig)
    keys = [f"first{n}" for n in range(20)] + [f"hang{n}" for n in range(3)]
    keys += [f"last{n}" for n in range(10)]
    for key in keys:
        await rig.store.put(rig.name(key), b"x")
    put = rig.external.put

    async def hanging(name, body, attributes):
        if name.key.startswith("hang"):
            await rig.external.late.wait()
        return await put(name, body, attributes)

    rig.external.put = hanging
    await automatic(rig)
    await eventually(lambda: rig.engine.journal.tally().entries == 3)
    assert {entry.name.key for entry in entries(rig)} == {"hang0", "hang1", "hang2"}
    rig.external.late.set()
    await rig.drained()


async def test_what_the_drain_is_answered_counts_for_the_others_too(rig):
    """I8: with an answer in between, time-outs make no suspicion."""
    rig.probe.slow = 30.0
    link = rig.engine._context.link
    silence = OutageError(OutageKind.TIMEOUT, "no answer in time", in_doubt=True)
    await local(rig)
    await rig.store.put(rig.name("k"), b"x")
    for key in "ab":
        link.failed(rig.name(key), silence)
    await automatic(rig)
    await rig.drained()
    await eventually(lambda: not rig.engine._context.link._failing)
    link.failed(rig.name("c"), silence)
    assert (await rig.store.put(rig.name("j"), b"x")).mode is Mode.EXTERNAL


async def test_a_long_settle_time_is_not_cut_short_by_looking_after_the_clock(start, monkeypatch):
    """I4."""
    monkeypatch.setattr(clock, "MEND_EVERY", 0.05)
    monkeypatch.setattr(drain_module, "PARKED_LONGEST", 0.1)
    rig = await start(NOBREAK_SETTLE="30")
    await rig.put_that_settles("k", b"x")
    await asyncio.sleep(0.6)
    assert rig.external.count("holds") == 1


def set_clock(rig, seconds):
    context = rig.engine._context
    before = context.now
    object.__setattr__(context, "now", lambda: before() + seconds)


async def test_a_clock_that_is_set_back_while_something_settles_holds_it_up_no_longer(start):
    """I7: the next one of the key, too."""
    rig = await start(NOBREAK_SETTLE="1")
    await rig.put_that_settles("k", b"x")
    set_clock(rig, -1000)
    await rig.drained(within=8)
    assert rig.outside("k") == b"x"


async def test_a_clock_that_is_set_forward_cuts_no_settle_time_short(start):
    """I4."""
    rig = await start(NOBREAK_SETTLE="30")
    await rig.put_that_settles("k", b"x")
    set_clock(rig, 1000)
    await asyncio.sleep(0.6)
    assert rig.external.count("holds") == 1
    assert len(entries(rig)) == 1


async def test_a_disk_that_fails_while_it_sends_stops_it_only_for_as_long(rig, monkeypatch):
    """I7: neither is it silent for ever, nor are the entries to blame."""
    journal, broken = rig.engine._context.journal, []
    monkeypatch.setattr(leading, "AFTER_TROUBLE", 0.05)

    def failing(real):
        async def method(*arguments, **more):
            if broken:
                raise LocalStoreError("EIO")
            return await real(*arguments, **more)

        return method

    for name in ("confirm", "resume", "defer"):
        monkeypatch.setattr(journal, name, failing(getattr(journal, name)))
    await local(rig)
    for number in range(12):
        await rig.store.put(rig.name(f"k{number}"), b"content")
    puts = Puts(rig, pause=0.05)
    await automatic(rig)
    await eventually(lambda: len(puts.running) > 1)
    broken.append(True)
    await eventually(lambda: rig.said(EventKind.UNEXPECTED_ERROR))
    await asyncio.sleep(0.3)
    broken.clear()
    await rig.drained()
    assert not rig.said(EventKind.ENTRY_PARKED)


async def test_a_body_that_the_disk_cannot_read_waits_alone(rig, monkeypatch):
    """I7: it is tried again soon, and the others are given back meanwhile."""
    bodies, tries = rig.engine._context.bodies, []
    open_kept = bodies.open_kept

    async def failing(kept, fingerprint):
        if fingerprint.size == LARGE:
            tries.append(fingerprint)
            raise LocalStoreError("EIO")
        return await open_kept(kept, fingerprint)

    monkeypatch.setattr(bodies, "open_kept", failing)
    monkeypatch.setattr(drain_module, "FAILED_FIRST", 0.05)
    await local(rig)
    await rig.store.put(rig.name("unreadable"), os.urandom(LARGE))
    for number in range(5):
        await rig.store.put(rig.name(f"k{number}"), b"content")
    await automatic(rig)
    await eventually(lambda: len(tries) > 2 and len(entries(rig)) == 1)
    assert not rig.said(EventKind.ENTRY_PARKED)
    assert not rig.said(EventKind.UNEXPECTED_ERROR)
    await eventually(lambda: len(entries(rig, parked=True)) == 1, within=20)
