"""A bucket that the journal has yet to make: its objects are neither refused nor mistaken for absent."""

import asyncio

import pytest
from tests.support.net import eventually
from tests.support.scripted import ScriptedStore

from nobreak.engine.buckets import Buckets
from nobreak.errors import NotFoundError, RefusedError, UnavailableError
from nobreak.words import ObjectName, Override

K = ObjectName("made", "k")


class SlowToMake(ScriptedStore):
    """Makes no bucket before it is told to."""

    refusal: RefusedError | None = None

    def __init__(self):
        super().__init__()
        self.may_make = asyncio.Event()

    async def ensure_bucket(self, bucket):
        if bucket == "made":
            await self.may_make.wait()
            if self.refusal is not None:
                raise self.refusal


@pytest.fixture
async def rig(start):
    return await start(SlowToMake(), NOBREAK_SETTLE="0")


def context_of(rig):
    return rig.engine._opened


async def made_in_an_outage(rig, *, all_known):
    await rig.engine.choose(Override.LOCAL, "test")
    known = context_of(rig).buckets
    if all_known:
        assert await known.replace([], known.version(), 0.0)
    await Buckets(context_of(rig)).make("made")


async def test_all_of_a_new_bucket_is_known(rig):
    """I2: nobody can have put anything into it but through the journal."""
    await made_in_an_outage(rig, all_known=True)
    assert (await rig.store.list("made")).objects == ()
    await rig.store.put(K, b"x")
    assert [info.name for info in (await rig.store.list("made")).objects] == [K]
    assert await rig.store.read(K) == b"x"
    with pytest.raises(NotFoundError):
        await rig.store.head(ObjectName("made", "missing"))


async def test_of_a_bucket_that_others_may_have_made_only_the_journal_is_known(rig):
    await made_in_an_outage(rig, all_known=False)
    await rig.store.put(K, b"x")
    assert await rig.store.read(K) == b"x"
    for look in (rig.store.head(ObjectName("made", "other")), rig.store.list("made")):
        with pytest.raises(UnavailableError):
            await look


@pytest.mark.parametrize("all_known", [False, True])
async def test_until_the_bucket_is_made_its_objects_wait_behind_it(rig, all_known):
    """I1, I4: the external store, well again, would say that there is no such bucket."""
    await made_in_an_outage(rig, all_known=all_known)
    await rig.engine.choose(Override.EXTERNAL, "test")
    await rig.store.put(K, b"x")
    await rig.store.delete(ObjectName("made", "other"))
    assert rig.external.count("put") == rig.external.count("delete") == 0
    if all_known:
        assert [info.name for info in (await rig.store.list("made")).objects] == [K]
    else:
        with pytest.raises(UnavailableError):
            await rig.store.list("made")
    rig.external.may_make.set()
    await rig.drained()
    assert rig.external.objects[K][0] == b"x"
    await rig.store.put(K, b"direct")
    assert rig.external.objects[K][0] == b"direct"
    assert [info.name for info in (await rig.store.list("made")).objects] == [K]


async def test_a_bucket_that_is_refused_blocks_nobody(rig):
    """I7: what is there already, or what else the external store says, is its to say."""
    await made_in_an_outage(rig, all_known=False)
    await rig.store.put(K, b"x")
    rig.external.refusal = RefusedError(403, "AccessDenied", "no")
    rig.external.may_make.set()
    await rig.engine.choose(Override.EXTERNAL, "test")
    await eventually(lambda: rig.engine.journal.tally().parked == 1)
    await eventually(lambda: K in rig.external.objects)
    assert await rig.store.read(K) == b"x"
    assert [info.name for info in (await rig.store.list("made")).objects] == [K]
