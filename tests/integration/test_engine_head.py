"""I2, issue 4.5: HEAD in an outage, from a catalog that is sure of the key and knows all attributes."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.net import eventually
from tests.support.scripted import ORDINARY, WRITTEN, ScriptedStore, connection_refused

from nobreak.engine import indexing
from nobreak.errors import NotFoundError, OutageError, RefusedError, UnavailableError
from nobreak.stores.external.base import Listing
from nobreak.words import Attributes, Override

TEXT = Attributes({"content-type": "text/plain"}, {"by": "others"})
OTHER = Attributes({"content-type": "text/html"}, {"by": "ours"})
NEVER = 3600.0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(indexing, "LOOK_EVERY", 0.05)


@pytest.fixture
def idle_leader(monkeypatch):
    """The leader asks for nothing by itself."""
    monkeypatch.setattr(indexing, "LOOK_EVERY", NEVER)


@pytest.fixture
async def old(start):
    """A rig whose external store held an object before nobreak came."""
    rig = await start(ScriptedStore())
    rig.external.objects[rig.name("old")] = (b"bytes", TEXT)
    return rig


async def local(rig):
    await rig.engine.choose(Override.LOCAL, "test")


async def external(rig):
    await rig.engine.choose(Override.AUTO, "test")


def lacking(rig):
    return sum(row.partial for row in rig.engine.indexing.buckets())


async def others_write_what_is_then_read(rig):
    """Past nobreak, of a bucket that is wholly known: one object is changed, and one is new."""
    await rig.engine.indexing.scan("b")
    await rig.engine.indexing.learn("b")
    rig.external.objects[rig.name("old")] = (b"changed", OTHER)
    rig.external.objects[rig.name("new")] = (b"x", OTHER)
    for key in ("old", "new"):
        await rig.store.read(rig.name(key))


def heads(rig):
    return rig.external.count("head")


async def test_head_of_an_older_object_says_all_that_it_said_before(idle_leader, old):
    rig = old
    before = await rig.store.head(rig.name("old"))
    await rig.engine.indexing.scan("b")
    await rig.engine.indexing.learn("b")
    await local(rig)
    asked = len(rig.external.calls)
    assert await rig.store.head(rig.name("old")) == before
    assert (before.attributes, before.modified) == (TEXT, WRITTEN)
    assert len(rig.external.calls) == asked, "I5: nobody tries"


async def test_what_only_a_list_has_shown_is_unavailable(idle_leader, old):
    """A list gives no content type: to guess one would be a lie."""
    await old.engine.indexing.scan("b")
    await local(old)
    with pytest.raises(UnavailableError):
        await old.store.head(old.name("old"))


async def test_without_a_complete_catalog_nobody_is_sure_of_anything(rig):
    await rig.store.put(rig.name("k"), b"x", attributes=TEXT)
    await eventually(lambda: rig.engine._opened.catalog.get(rig.name("k")) is not None)
    await local(rig)
    with pytest.raises(UnavailableError):
        await rig.store.head(rig.name("k"))


async def test_a_write_is_known_whole_the_moment_it_is_acknowledged(idle_leader, rig):
    """I2: an outage that begins just then must not bring back what was before it."""
    await rig.engine.indexing.scan("b")
    await rig.store.put(rig.name("k"), b"one", attributes=TEXT)
    written = await rig.store.put(rig.name("k"), b"two", attributes=OTHER)
    row = rig.engine._opened.catalog.get(rig.name("k"))
    assert row is not None
    assert row[0].etag == written.etag
    await local(rig)
    found = await rig.store.head(rig.name("k"))
    assert (found.etag, found.attributes) == (written.etag, OTHER)
    await external(rig)
    await rig.store.delete(rig.name("k"))
    await local(rig)
    with pytest.raises(NotFoundError):
        await rig.store.head(rig.name("k"))


async def test_the_leader_asks_for_what_nobody_has(old):
    await old.engine.indexing.scan("b")
    await eventually(lambda: lacking(old) == 0)
    await local(old)
    assert (await old.store.head(old.name("old"))).attributes == TEXT


@pytest.mark.parametrize("read", ["head", "read"])
async def test_a_read_teaches(idle_leader, old, read):
    await old.engine.indexing.scan("b")
    await getattr(old.store, read)(old.name("old"))
    await eventually(lambda: lacking(old) == 0)
    asked = heads(old)
    await old.engine.indexing.learn("b")
    assert heads(old) == asked
    await local(old)
    assert (await old.store.head(old.name("old"))).attributes == TEXT


async def test_what_others_changed_is_known_once_it_was_read(old):
    """I2: who was told of a newer version may not be told of the older one later."""
    rig = old
    await others_write_what_is_then_read(rig)
    index = rig.engine._opened.index
    await eventually(lambda: index.is_sure("b", "") and lacking(rig) == 0)
    await eventually(lambda: rig.engine.indexing.buckets()[0].objects == 2)
    rig.external.objects.pop(rig.name("new"))
    with pytest.raises(NotFoundError):
        await rig.store.head(rig.name("new"))
    await eventually(lambda: rig.engine.indexing.buckets()[0].objects == 1)
    await local(rig)
    found = await rig.store.head(rig.name("old"))
    assert (found.size, found.attributes) == (len(b"changed"), OTHER)
    with pytest.raises(NotFoundError):
        await rig.store.head(rig.name("new"))


async def test_until_somebody_looked_what_was_read_makes_the_row_unsure(idle_leader, old):
    rig = old
    await others_write_what_is_then_read(rig)
    for key in ("old", "new"):
        await eventually(lambda key=key: not rig.engine._opened.index.is_sure("b", key))
    await local(rig)
    for key in ("old", "new"):
        with pytest.raises(UnavailableError):
            await rig.store.head(rig.name(key))


async def test_after_an_outage_what_others_changed_meanwhile_is_learnt_again(old):
    rig = old
    await rig.engine.indexing.scan("b")
    await eventually(lambda: lacking(rig) == 0)
    await local(rig)
    await asyncio.sleep(0.2)
    rig.external.objects[rig.name("old")] = (b"changed", OTHER)
    await external(rig)
    catalog = rig.engine._opened.catalog
    await eventually(lambda: catalog.get(rig.name("old"))[0].attributes == OTHER)
    await local(rig)
    assert (await rig.store.head(rig.name("old"))).attributes == OTHER


async def test_asking_goes_on_where_an_outage_has_stopped_it(idle_leader, start):
    rig = await start(ScriptedStore())
    for n in range(30):
        rig.external.objects[rig.name(f"{n:02}")] = (b"x", TEXT)
    await rig.engine.indexing.scan("b")
    rig.external.plan.extend([lambda _: None] * 10)
    rig.external.always = connection_refused
    with pytest.raises(OutageError):
        await rig.engine.indexing.learn("b")
    assert 0 < lacking(rig) <= 20
    rig.external.always, asked = None, heads(rig)
    left = lacking(rig)
    assert await rig.engine.indexing.learn("b") == left
    assert (lacking(rig), heads(rig) - asked) == (0, left)


async def test_what_the_server_refuses_is_not_asked_for_for_ever(start):
    rig = await start(ScriptedStore())
    rig.external.objects[rig.name("secret")] = (b"x", TEXT)
    rig.external.objects[rig.name("open")] = (b"x", TEXT)

    def refuse(operation):
        if operation == "head":
            raise RefusedError(403, "AccessDenied", "no")

    rig.external.always = refuse
    await rig.engine.indexing.scan("b")
    await eventually(lambda: heads(rig) >= 2)
    await asyncio.sleep(0.3)
    assert heads(rig) == 2, "once each"
    rig.external.always = None
    assert await rig.engine.indexing.learn("b") == 2, "a person asks again"
    assert lacking(rig) == 0


async def test_a_write_while_the_object_is_asked_for_wins(idle_leader, start):
    """What a HEAD has found may be older than what the row says by then."""
    rig = await start(ScriptedStore(), NOBREAK_DIVERT_AFTER="5")
    rig.external.objects[rig.name("k")] = (b"x", TEXT)
    await rig.engine.indexing.scan("b")
    seen = rig.engine._opened.index.partial("b", "", 10)[0]
    found = await rig.external.head(rig.name("k"), receipt=None)
    await rig.store.put(rig.name("k"), b"x", attributes=OTHER)
    assert not await rig.engine._opened.index.learn(seen, found)
    await local(rig)
    assert (await rig.store.head(rig.name("k"))).attributes == OTHER


async def test_a_list_that_shows_a_later_time_makes_the_attributes_unknown(idle_leader, old):
    """Others may have given the same bytes other attributes."""
    rig = old
    await rig.engine.indexing.scan("b")
    await rig.engine.indexing.learn("b")
    rig.external.objects[rig.name("old")] = (b"bytes", OTHER)
    await rig.engine.indexing.scan("b")
    assert lacking(rig) == 0, "the same time: the same object"
    listed = rig.external._listed

    def later(name):
        return replace(listed(name), modified=WRITTEN.replace(hour=1))

    rig.external._listed = later
    await rig.engine.indexing.scan("b")
    assert lacking(rig) == 1


async def test_attributes_that_only_the_catalog_keeps_are_not_lost_by_a_look(idle_leader, start):
    """A WebDAV server keeps no metadata: what it says of an object is not all."""
    traits = replace(ORDINARY, keeps_attributes=False)
    rig = await start(ScriptedStore(traits=traits))
    await rig.engine.indexing.scan("b")
    await rig.store.put(rig.name("k"), b"x", attributes=OTHER)
    rig.external.objects[rig.name("k")] = (b"x", TEXT)
    await rig.engine._opened.index.distrust(rig.name("k"))
    await rig.engine.indexing.learn("b")
    await eventually(lambda: rig.engine._opened.index.is_sure("b", "k"))
    await local(rig)
    assert (await rig.store.head(rig.name("k"))).attributes == OTHER


async def test_a_server_that_chooses_names_needs_no_scan(start):
    """No object of it can be reached but through the catalog."""
    traits = replace(ORDINARY, keeps_attributes=False, chooses_names=True, lists=False)
    rig = await start(ScriptedStore(traits=traits))
    await rig.store.put(rig.name("k"), b"x", attributes=OTHER)
    await local(rig)
    assert (await rig.store.head(rig.name("k"))).attributes == OTHER
    with pytest.raises(NotFoundError):
        await rig.store.head(rig.name("nothing"))


async def test_a_key_that_is_listed_but_found_under_another_name_stays_in_the_list(start):
    rig = await start(ScriptedStore())
    rig.external.objects[rig.name("a")] = (b"x", TEXT)
    odd = replace(rig.external._listed(rig.name("a")), name=rig.name("x/"))

    async def lists(*_arguments, **_more):
        return Listing((odd,), truncated=False)

    rig.external.list = lists
    await rig.engine.indexing.scan("b")
    await rig.engine.indexing.learn("b")
    await local(rig)
    assert [info.name.key for info in (await rig.store.list("b")).objects] == ["x/"]
    with pytest.raises(UnavailableError):
        await rig.store.head(rig.name("x/"))
