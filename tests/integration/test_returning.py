"""A server that returns without what it had confirmed: it is said, and no list is made from it (I2, I7)."""

import asyncio
from types import SimpleNamespace

import pytest
from tests.support.net import eventually
from tests.support.scripted import connection_refused, server_error

from nobreak.engine import returning
from nobreak.errors import RefusedError
from nobreak.reporting.events import EventKind
from nobreak.words import Attributes, ObjectName

PLAIN = Attributes()


async def outage(rig):
    rig.healthy, rig.external.always = False, connection_refused
    await rig.mode("local")


async def back(rig):
    rig.healthy, rig.external.always = True, None
    await rig.mode("external")


async def confirmed(rig, *keys):
    for key in keys:
        await rig.store.put(rig.name(key), b"content of " + key.encode())
    catalog = rig.engine._context.catalog
    await eventually(lambda: all(catalog.get(rig.name(key)) for key in keys))


def told(rig):
    return [fields for kind, fields in rig.told.events if kind is EventKind.EXTERNAL_LOST]


async def quiet(rig):
    """Long enough for the look to be over, if there was one."""
    await rig.checked()
    await asyncio.sleep(0.3)


async def test_a_server_that_returns_empty_is_said_to_have_lost_what_it_confirmed(rig):
    await confirmed(rig, "a", "b", "c")
    await outage(rig)
    await rig.store.put(rig.name("written meanwhile"), b"x")
    rig.external.objects.clear()
    await back(rig)
    await eventually(lambda: told(rig))
    assert told(rig) == [{"name": "b/c", "lost": 3, "looked": 3}]
    await rig.drained()
    assert rig.outside("written meanwhile") == b"x"


async def test_an_older_version_is_as_good_as_none(rig):
    await confirmed(rig, "a", "b")
    await outage(rig)
    rig.external.objects[rig.name("a")] = (b"older", PLAIN)
    await back(rig)
    await eventually(lambda: told(rig))
    assert told(rig) == [{"name": "b/a", "lost": 1, "looked": 2}]


async def test_no_list_of_the_next_outage_is_made_from_what_was_there_before(rig):
    """I2: the catalog is not complete any more before the next scan."""
    await confirmed(rig, "a")
    await rig.engine.indexing.scan("b")
    assert rig.engine._context.index.is_complete("b")
    rig.external.pages = None  # no scan can end
    await outage(rig)
    rig.external.objects.clear()
    await back(rig)
    await eventually(lambda: told(rig))
    await eventually(lambda: not rig.engine._context.index.is_complete("b"))


async def test_a_server_that_has_all_of_it_is_not_accused(rig):
    await confirmed(rig, "a", "b")
    await rig.store.delete(rig.name("a"))
    await outage(rig)
    await back(rig)
    await quiet(rig)
    assert told(rig) == []


@pytest.mark.parametrize("kind", ["put", "delete"])
async def test_what_was_written_here_meanwhile_proves_nothing(rig, kind):
    await confirmed(rig, "a")
    await outage(rig)
    await (
        rig.store.put(rig.name("a"), b"new") if kind == "put" else rig.store.delete(rig.name("a"))
    )
    del rig.external.objects[rig.name("a")]
    await back(rig)
    await rig.drained()
    await quiet(rig)
    assert told(rig) == []


async def test_after_a_start_in_the_outage_the_catalog_says_what_to_look_at(start):
    first, name = await start(leads=False), ObjectName("nobreak", "a")
    await first.store.put(name, b"x")
    await eventually(lambda: first.engine._context.catalog.get(name))
    second = await start(first.external)
    await outage(second)
    second.external.objects.clear()
    await back(second)
    await eventually(lambda: told(second))
    assert told(second)[0]["lost"] == 1


@pytest.fixture
def looks(rig, monkeypatch):
    """The looks at the server that just returned: each fails as `looks.fails` says."""
    monkeypatch.setattr(returning, "LOOK_AGAIN", 0.05)
    head, found = rig.external.head, SimpleNamespace(at=[], fails=None)

    async def failing(name, *, receipt=None):
        found.at.append(name)
        if found.fails:
            found.fails(name)
        return await head(name, receipt=receipt)

    rig.external.head = failing
    return found


async def test_a_server_that_fails_again_is_accused_only_when_it_can_be_looked_at(rig, looks):
    await confirmed(rig, "a")
    await outage(rig)
    rig.external.objects.clear()
    looks.fails = server_error
    await back(rig)
    await eventually(lambda: len(looks.at) > 2)
    assert told(rig) == []
    looks.fails = None
    await eventually(lambda: told(rig))
    assert not rig.said(EventKind.UNEXPECTED_ERROR)


async def test_an_object_that_nobody_may_look_at_proves_nothing_and_hides_no_other(rig, looks):
    """I8: a 403 is an answer."""
    await confirmed(rig, "a", "forbidden")
    await outage(rig)
    rig.external.objects.clear()

    def refuse(name):
        if name.key == "forbidden":
            raise RefusedError(403, "AccessDenied", "no")

    looks.fails = refuse
    await back(rig)
    await eventually(lambda: told(rig))
    assert told(rig) == [{"name": "b/a", "lost": 1, "looked": 2}]


async def test_an_object_whose_bucket_is_gone_is_lost(rig, looks):
    """I7: before anybody has made the bucket anew."""
    await confirmed(rig, "a")
    await outage(rig)
    rig.external.objects.clear()

    def refuse(_name):
        raise RefusedError(404, "NoSuchBucket", "there is no such bucket")

    looks.fails = refuse
    await back(rig)
    await eventually(lambda: told(rig))
    assert told(rig) == [{"name": "b/a", "lost": 1, "looked": 1}]


async def test_what_changes_while_it_is_looked_at_proves_nothing(rig):
    await confirmed(rig, "a")
    await outage(rig)
    head, asked = rig.external.head, []

    async def deleted_meanwhile(name, *, receipt=None):
        if not asked:
            asked.append(name)
            await rig.store.delete(name)
        return await head(name, receipt=receipt)

    rig.external.head = deleted_meanwhile
    await back(rig)
    await eventually(lambda: asked)
    await quiet(rig)
    assert told(rig) == []
