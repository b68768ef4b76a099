"""Divert: the caller never sees the outage (I1, I5), and order is kept (I4)."""

import os
import time

import pytest
from tests.support.net import eventually
from tests.support.scripted import ScriptedStore, connection_refused, server_error

from nobreak.errors import BodyMismatchError, NotFoundError, RefusedError, UnavailableError
from nobreak.reporting.events import EventKind
from nobreak.stores.external.base import Traits
from nobreak.words import Attributes, Mode, RangeRequest

SMALL, LARGE = 1000, 700_000


def stream(content, piece=10_000, fail_at=None):
    async def chunks():
        for at in range(0, len(content), piece):
            if fail_at is not None and at >= fail_at:
                raise ConnectionResetError("the client went away")
            yield content[at : at + piece]

    return chunks()


async def test_a_healthy_write_goes_through_and_leaves_nothing_here(rig):
    content = os.urandom(LARGE)
    attributes = Attributes({"content-type": "image/png"}, {"who": "José"})
    info = await rig.store.put(
        rig.name("k"), stream(content), attributes=attributes, size=len(content)
    )
    assert info.mode is Mode.EXTERNAL
    assert rig.external.objects[rig.name("k")] == (content, attributes)
    assert rig.engine.journal.tally().entries == 0
    assert await rig.store.read(rig.name("k")) == content
    for folder in ("spool", "blobs"):
        left = (rig.settings.local.data_dir / folder).rglob("*")
        assert [path for path in left if path.is_file()] == [], "no spool file stays behind"


@pytest.mark.parametrize("size", [0, 1, SMALL, LARGE])
@pytest.mark.parametrize(
    "fault", [connection_refused, server_error, lambda _: "break in the middle"]
)
async def test_a_write_that_fails_outside_is_finished_here(rig, size, fault):
    content = os.urandom(size)
    rig.healthy, rig.external.always = False, fault
    info = await rig.store.put(rig.name("k"), stream(content), size=size)
    assert info.mode is Mode.LOCAL
    assert info.size == size
    assert await rig.store.read(rig.name("k")) == content
    assert rig.said(EventKind.WRITE_DIVERTED)
    rig.healthy, rig.external.always = True, None
    await rig.drained()
    assert rig.outside("k") == content


async def test_a_slow_write_is_finished_here_in_time_and_not_sent_twice(rig):
    """I5: nobody waits longer than NOBREAK_DIVERT_AFTER; the attempt itself goes on."""
    rig.external.plan.append(lambda _: "be late")
    content = os.urandom(LARGE)
    began = time.monotonic()
    info = await rig.store.put(rig.name("k"), content)
    assert 0.3 <= time.monotonic() - began < 0.8
    assert info.mode is Mode.LOCAL
    assert await rig.store.read(rig.name("k")) == content
    rig.external.late.set()
    await rig.drained()
    assert rig.external.count("put") == 1
    assert rig.outside("k") == content


async def test_after_the_first_failures_nobody_tries_the_dead_server(rig):
    """I5."""
    rig.healthy, rig.external.always = False, connection_refused
    for n in range(20):
        await rig.store.put(rig.name(f"k{n}"), b"x")
        with pytest.raises(UnavailableError):
            await rig.store.read(rig.name("elsewhere"))
    tried = [call for call in rig.external.calls if call[0] in {"put", "get"}]
    assert len(tried) == 1
    await rig.mode("local")


async def test_a_silent_server_costs_a_few_waits_only(rig):
    """I5: three different objects are enough; then all divert at once, before any verdict."""
    rig.healthy, rig.probe.slow = False, 3.0
    rig.external.always = lambda _: "become a zombie"
    began = time.monotonic()
    for n in range(50):
        await rig.store.put(rig.name(f"k{n}"), b"x")
    assert time.monotonic() - began < 3 * 0.3 + 1.0
    assert rig.external.count("put") <= 4


async def test_no_requests_content_can_trip_the_breaker(rig):
    """I8: one object that makes the server fail harms no other."""
    poison = rig.name("poison")
    for _ in range(10):
        rig.external.plan.append(server_error)
        await rig.store.put(poison, b"x")
        await rig.store.delete(poison)
        info = await rig.store.put(rig.name("good"), b"y")
        assert info.mode is Mode.EXTERNAL
        await rig.drained()
    assert rig.engine.status()["current_mode"] == "external"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413])
async def test_an_answer_is_no_outage(rig, status):
    """I8."""

    def refuse(_):
        raise RefusedError(status, "Code", "message")

    rig.external.always = refuse
    for n in range(5):
        with pytest.raises(RefusedError):
            await rig.store.put(rig.name(f"k{n}"), b"x")
    with pytest.raises(RefusedError):
        await rig.store.delete(rig.name("k"))
    assert rig.engine.journal.tally().entries == 0
    await rig.checked()
    assert rig.engine.status()["current_mode"] == "external"


async def test_write_back_acknowledges_from_the_local_disk_always(start):
    rig = await start(NOBREAK_WRITE_POLICY="back")
    info = await rig.store.put(rig.name("k"), b"x")
    assert info.mode is Mode.LOCAL
    await rig.drained()
    assert rig.outside("k") == b"x"


async def test_reads_of_what_the_journal_holds_come_from_here_in_every_mode(rig):
    """I2: even while the mode is external and the external store holds an older version."""
    rig.external.objects[rig.name("k")] = (b"old", Attributes())
    rig.external.plan.append(lambda _: "be late")
    await rig.store.put(rig.name("k"), b"new")
    assert rig.engine.status()["current_mode"] == "external"
    assert await rig.store.read(rig.name("k")) == b"new"
    assert (await rig.store.head(rig.name("k"))).size == 3
    rig.external.plan.append(lambda _: "be late")
    await rig.store.delete(rig.name("k"))
    with pytest.raises(NotFoundError):
        await rig.store.read(rig.name("k"))
    with pytest.raises(NotFoundError):
        await rig.store.head(rig.name("k"))


async def test_what_only_the_external_store_has_is_an_honest_503_at_once(rig):
    """I2, I5."""
    rig.external.objects[rig.name("k")] = (b"there", Attributes())
    rig.healthy, rig.external.always = False, connection_refused
    await rig.mode("local")
    for ask in (rig.store.read, rig.store.head):
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            await ask(rig.name("k"))
        assert time.monotonic() - began < 0.1
    with pytest.raises(UnavailableError):
        await rig.store.list("b")
    assert rig.external.count("get") == 0


async def test_a_read_that_breaks_in_the_middle_is_never_taken_for_the_whole(rig):
    rig.external.objects[rig.name("k")] = (os.urandom(50_000), Attributes())
    rig.external.plan.append(lambda _: "break in the middle")
    with pytest.raises(Exception, match="reset"):
        await rig.store.read(rig.name("k"))


async def test_ranges_are_read_here_as_they_are_there(rig):
    content = os.urandom(LARGE)
    rig.external.objects[rig.name("there")] = (content, Attributes())
    rig.external.plan.append(connection_refused)
    await rig.store.put(rig.name("here"), content)
    await rig.checked()
    for range_, expected in [
        (RangeRequest(10, 19), content[10:20]),
        (RangeRequest(600_000, None), content[600_000:]),
        (RangeRequest(None, 100), content[-100:]),
        (RangeRequest(0, 10**9), content),
    ]:
        for key in ("here", "there"):
            reading = await rig.store.get(rig.name(key), range_=range_)
            got = b"".join([chunk async for chunk in reading.chunks()])
            assert (got, reading.info.size) == (expected, LARGE)
            await reading.aclose()


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize(
    "wrong",
    [
        {"size": LARGE + 1},
        {"size": LARGE - 1},
        {"md5": "0" * 32},
    ],
)
async def test_a_body_that_is_not_what_was_announced_leaves_no_trace(rig, away, wrong):
    if away:
        rig.healthy, rig.external.always = False, connection_refused
        await rig.mode("local")
    with pytest.raises(BodyMismatchError):
        await rig.store.put(rig.name("k"), stream(os.urandom(LARGE)), **wrong)
    assert rig.outside("k") is None
    assert rig.engine.journal.tally().entries == 0


@pytest.mark.parametrize("away", [False, True])
async def test_a_client_that_goes_away_in_the_middle_leaves_no_trace(rig, away):
    if away:
        rig.healthy, rig.external.always = False, connection_refused
        await rig.mode("local")
    with pytest.raises(ConnectionResetError):
        await rig.store.put(rig.name("k"), stream(os.urandom(LARGE), fail_at=400_000), size=LARGE)
    assert rig.outside("k") is None
    assert rig.engine.journal.tally().entries == 0
    spool = rig.settings.local.data_dir / "spool"
    await eventually(lambda: not list(spool.iterdir()))


async def test_a_late_request_cannot_undo_a_newer_write(rig):
    """I4: the zombie lands after the drain has confirmed the newer version."""
    rig.external.plan.append(lambda _: "become a zombie")
    await rig.store.put(rig.name("k"), b"old")
    await eventually(lambda: rig.outside("k") == b"old")
    await rig.store.put(rig.name("k"), b"new")
    await eventually(lambda: rig.outside("k") == b"new")
    rig.external.zombies[0].land()
    assert rig.outside("k") == b"old"
    assert await rig.store.read(rig.name("k")) == b"new", "I2: reads never see it"
    await rig.drained()
    assert rig.outside("k") == b"new"


async def test_a_late_delete_cannot_undo_a_newer_write(rig):
    """I4."""
    rig.external.plan.append(lambda _: "become a zombie")
    await rig.store.delete(rig.name("k"))
    await rig.store.put(rig.name("k"), b"new")
    await eventually(lambda: rig.outside("k") == b"new")
    rig.external.zombies[0].land()
    await rig.drained()
    assert rig.outside("k") == b"new"


async def test_a_write_whose_client_left_before_the_answer_is_feared_too(rig):
    """I4: nobody was told it succeeded, yet it may land on what comes next."""
    await rig.give_up("k", b"old")
    info = await rig.store.put(rig.name("k"), b"new")
    assert info.mode is Mode.LOCAL, "it goes through the journal, and settles"
    await eventually(lambda: rig.outside("k") == b"new")
    rig.external.zombies[0].land()
    await rig.drained()
    assert rig.outside("k") == b"new"


async def test_what_a_crashed_process_had_under_way_cannot_undo_a_newer_write(start):
    """I4: nobody knows on which keys it may land, so all go through the journal for a while."""
    first = await start()
    data_dir = first.settings.local.data_dir
    await first.engine.__aexit__(None, None, None)
    assert list((data_dir / "running").iterdir()) == [], "who closes says goodbye"
    (data_dir / "running" / "left-by-a-dead-process").touch()
    second = await start(first.external)
    info = await second.store.put(second.name("k"), b"new")
    assert info.mode is Mode.LOCAL
    await eventually(lambda: second.outside("k") == b"new")
    second.external.objects[second.name("k")] = (b"old, under way when it died", Attributes())
    assert await second.store.read(second.name("k")) == b"new"
    await second.drained()
    assert second.outside("k") == b"new"

    async def direct():
        return (await second.store.put(second.name("j"), b"x")).mode is Mode.EXTERNAL

    await eventually(direct)


async def test_a_living_process_is_not_taken_for_dead(start):
    first = await start()
    second = await start(first.external, leads=False)
    assert (await second.store.put(second.name("k"), b"x")).mode is Mode.EXTERNAL


async def test_copies_work_from_both_sides_and_to_both(rig):
    content = os.urandom(LARGE)
    attributes = Attributes({"content-type": "image/png"}, {"a": "b"})
    await rig.store.put(rig.name("there"), content, attributes=attributes)
    rig.external.plan.append(lambda _: "be late")
    await rig.store.put(rig.name("here"), content, attributes=attributes)
    for source in ("there", "here"):
        info = await rig.store.copy(rig.name(source), rig.name(f"copy of {source}"))
        assert info.attributes == attributes
        assert rig.outside(f"copy of {source}") == content
    changed = Attributes({"content-type": "text/plain"})
    info = await rig.store.copy(rig.name("there"), rig.name("there"), attributes=changed)
    assert rig.external.objects[rig.name("there")] == (content, changed)
    with pytest.raises(NotFoundError):
        await rig.store.copy(rig.name("nothing"), rig.name("x"))


async def test_a_store_that_chooses_names_is_remembered_before_the_ack(start):
    """I1: without its receipt the object could never be found again."""
    traits = Traits(keeps_attributes=False, chooses_names=True, lists=False)
    rig = await start(ScriptedStore(traits=traits))
    attributes = Attributes({"content-type": "image/png"}, {"a": "b"})
    await rig.store.put(rig.name("k"), b"x", attributes=attributes)
    rig.external.objects[rig.name("k")] = (b"x", Attributes())
    assert (await rig.store.head(rig.name("k"))).attributes == attributes
    page = await rig.store.list("b")
    assert [info.name.key for info in page.objects] == ["k"]
    await rig.store.delete(rig.name("k"))
    assert (await rig.store.list("b")).objects == ()
