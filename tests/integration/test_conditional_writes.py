"""Conditional writes where the external store fails in the middle, and what is fenced by them."""

import asyncio

import pytest
from tests.support.net import eventually
from tests.support.scripted import ORDINARY, ScriptedStore, connection_refused, server_error

from nobreak.errors import (
    NotFoundError,
    OvertakenError,
    PreconditionFailedError,
    RefusedError,
    UndecidedError,
)
from nobreak.stores.external.base import Traits
from nobreak.words import Attributes, Precondition

ABSENT = Precondition(absent=True)
OF_FIRST = Precondition(frozenset({"8b04d5e3775d298e78455efc5ca404d5"}))
"""The ETag of b"first"."""
DECIDING = Traits(keeps_attributes=True, chooses_names=False, lists=True, decides=True)


class Deciding(ScriptedStore):
    """An external store that honours conditions, and tells which ones it was asked."""

    def __init__(self):
        super().__init__(traits=DECIDING)
        self.asked = []
        self.hold: asyncio.Event | None = None

    async def put(self, name, body, attributes, *, precondition=None, trailer=None):
        self.asked.append(precondition)
        if self.hold is not None and precondition is not None:
            await self.hold.wait()
        self._check(name, precondition)
        return await super().put(name, body, attributes)

    async def delete(self, name, *, receipt, precondition=None):
        self.asked.append(precondition)
        self._check(name, precondition)
        await super().delete(name, receipt=receipt)

    def _check(self, name, precondition):
        if precondition is None:
            return
        etags = {self._info(name).etag} if name in self.objects else None
        if precondition.verdict(etags) != "holds":
            raise RefusedError(412, "PreconditionFailed", "")


def hang(_operation):
    return "become a zombie"


@pytest.fixture
async def rig(start):
    return await start(Deciding())


async def test_the_external_store_decides_and_its_refusal_is_passed_on(rig):
    key = rig.name("k")
    await rig.store.put(key, b"first", precondition=ABSENT)
    assert rig.external.asked == [ABSENT]
    with pytest.raises(RefusedError):
        await rig.store.put(key, b"second", precondition=ABSENT)
    with pytest.raises(RefusedError):
        await rig.store.delete(key, precondition=ABSENT)
    assert rig.outside("k") == b"first"
    assert rig.engine.journal.tally().entries == 0


@pytest.mark.parametrize("failure", [connection_refused, server_error, hang])
async def test_what_is_known_to_hold_is_finished_here(rig, failure):
    key = rig.name("k")
    await rig.store.put(key, b"first", precondition=ABSENT)
    rig.external.always = failure
    rig.healthy = False
    await rig.store.put(key, b"second", precondition=OF_FIRST)
    assert await rig.store.read(key) == b"second"
    rig.external.always = None
    rig.healthy = True
    await rig.drained()
    assert rig.outside("k") == b"second"


@pytest.mark.parametrize("failure", [connection_refused, server_error, hang])
async def test_what_nobody_here_can_know_is_not_guessed(rig, failure):
    """I2: and nothing of it stays here."""
    for key in ("l", "m"):
        rig.external.objects[rig.name(key)] = (b"first", Attributes())
    rig.external.always = failure
    for write in (
        lambda: rig.store.put(rig.name("k"), b"x", precondition=ABSENT),
        lambda: rig.store.put(rig.name("l"), b"x", precondition=OF_FIRST),
        lambda: rig.store.delete(rig.name("m"), precondition=OF_FIRST),
    ):
        with pytest.raises(UndecidedError):
            await write()
    assert rig.engine.journal.tally().entries == 0


@pytest.mark.parametrize(
    ("failure", "refusal"),
    [
        (connection_refused, PreconditionFailedError),
        (server_error, UndecidedError),
        (hang, UndecidedError),
    ],
)
async def test_a_write_that_may_have_been_made_is_not_said_to_have_failed(rig, failure, refusal):
    """I2: by what we know the condition fails; but the external store may know better."""
    key = rig.name("k")
    await rig.store.put(key, b"first", precondition=ABSENT)
    rig.external.objects.pop(key)  # by somebody else, behind our back
    rig.external.always = failure
    with pytest.raises(refusal):
        await rig.store.put(key, b"second", precondition=ABSENT)


async def test_a_rival_that_the_journal_let_in_meanwhile_has_won(rig):
    """Two processes, one key: this one's answer comes when the other has acknowledged already."""
    key = rig.name("k")
    rig.external.hold = asyncio.Event()
    slow = asyncio.create_task(rig.store.put(key, b"slow", precondition=ABSENT))
    await eventually(lambda: rig.external.asked == [ABSENT])
    await rig.store.put(key, b"plain")  # while an attempt is under way: by the journal
    rig.external.hold.set()
    with pytest.raises(OvertakenError):
        await slow
    await rig.drained()
    assert rig.outside("k") == b"plain"


async def test_a_conditional_write_waits_for_no_other_and_doubts_no_fenced_one(rig):
    """I4: it goes to the external store, which refuses those that come late by themselves."""
    key = rig.name("k")
    rig.external.hold = asyncio.Event()
    rivals = [
        asyncio.create_task(rig.store.put(key, bytes([n]), precondition=ABSENT)) for n in range(5)
    ]
    await eventually(lambda: len(rig.external.asked) == len(rivals))
    rig.external.hold.set()
    outcomes = await asyncio.gather(*rivals, return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in outcomes) == 1
    assert rig.engine.journal.tally().entries == 0


async def test_beside_a_write_that_may_yet_be_acknowledged_nobody_decides_a_condition(rig):
    """I4: a look would not see it, and the entry would overwrite what was acknowledged."""
    key = rig.name("k")
    coming = asyncio.Event()

    async def body():
        yield b"pl"
        await coming.wait()
        yield b"ain"

    plain = asyncio.create_task(rig.store.put(key, body()))
    await eventually(lambda: rig.external.asked == [None])
    with pytest.raises(OvertakenError):
        await rig.store.put(key, b"first", precondition=ABSENT)
    coming.set()
    await plain
    with pytest.raises(RefusedError):
        await rig.store.put(key, b"first", precondition=ABSENT)
    assert (rig.outside("k"), rig.engine.journal.tally().entries) == (b"plain", 0)


@pytest.mark.parametrize("deciding", [True, False], ids=["a doubt", "no conditions there"])
async def test_where_the_write_has_to_wait_here_a_look_decides(start, deciding):
    rig = await start(Deciding() if deciding else ScriptedStore(traits=ORDINARY))
    key, other, none = rig.name("k"), rig.name("other"), rig.name("none")
    for name in (key, other):
        rig.external.objects[name] = (b"first", Attributes())
    doubts = rig.engine._opened.doubts
    for name in (key, other, none):
        doubts.begin(name)  # a request that was given up
    with pytest.raises(PreconditionFailedError):
        await rig.store.put(key, b"second", precondition=ABSENT)
    with pytest.raises(NotFoundError):
        await rig.store.delete(none, precondition=OF_FIRST)
    await rig.store.put(key, b"second", precondition=OF_FIRST)
    await rig.store.delete(other, precondition=OF_FIRST)
    for name in (key, other, none):
        doubts.end(name)
    assert rig.external.count("put") == 0
    await rig.drained()
    assert (rig.outside("k"), rig.outside("other")) == (b"second", None)
