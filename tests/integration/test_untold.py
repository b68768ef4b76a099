"""A write that the external store made and this disk could not note: nothing relies on the old row (I2)."""

import hashlib

import pytest
from tests.integration.test_conditional_writes import ABSENT, OF_FIRST, Deciding
from tests.support.net import eventually
from tests.support.scripted import connection_refused

from nobreak.engine import untold
from nobreak.errors import OutOfSpaceError, UndecidedError
from nobreak.stores.sqlite import catalog
from nobreak.words import Override, Precondition

OF_SECOND = Precondition(frozenset({hashlib.md5(b"second").hexdigest()}))


def full(*_arguments):
    raise OutOfSpaceError("full")


@pytest.fixture
async def both(start, monkeypatch):
    """Two processes; the catalog knows of b"first"."""
    monkeypatch.setattr(untold, "AGAIN", 0.05)
    one = await start(Deciding())
    two = await start(one.external, leads=False)
    await one.store.put(one.name("k"), b"first", precondition=ABSENT)
    return one, two


@pytest.fixture
def full_disk(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(catalog, "_put", full)
        patched.setattr(catalog, "remove_object", full)
        yield patched


async def put(rig):
    await rig.store.put(rig.name("k"), b"second")


async def put_conditionally(rig):
    with pytest.raises(OutOfSpaceError):
        await rig.store.put(rig.name("k"), b"second", precondition=OF_FIRST)


async def delete(rig):
    await rig.store.delete(rig.name("k"))


@pytest.mark.parametrize("write", [put, put_conditionally, delete])
async def test_a_row_that_could_not_be_written_decides_nothing(both, full_disk, write):
    one, two = both
    key = one.name("k")
    await write(one)
    assert one.outside("k") in {b"second", None}
    await eventually(lambda: two.store._context.doubts.is_row_behind(key))
    await one.engine.choose(Override.LOCAL, "test")
    await two.mode("local")
    for rig in both:
        with pytest.raises(UndecidedError):
            await rig.store.put(key, b"third", precondition=OF_FIRST)
    full_disk.undo()
    await eventually(lambda: not two.store._context.doubts.is_row_behind(key))
    assert one.store._context.catalog.get(key) is None


async def test_a_write_that_fails_on_its_way_is_decided_by_no_such_row_either(both, full_disk):
    one, two = both
    await put(one)
    await eventually(lambda: two.store._context.doubts.is_row_behind(one.name("k")))
    two.external.always = connection_refused
    with pytest.raises(UndecidedError):
        await two.store.put(two.name("k"), b"third", precondition=OF_SECOND)
    assert two.engine.journal.tally().entries == 0
