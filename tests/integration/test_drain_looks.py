"""The look that confirms (I3), where one list shows what many single looks would."""

import asyncio
import os

import pytest
from tests.support.net import eventually
from tests.support.scripted import SHOWING, ScriptedStore

from nobreak.engine import looks
from nobreak.errors import OutageError, OutageKind, RefusedError
from nobreak.reporting.events import EventKind
from nobreak.words import Attributes, Override

MANY = 120


@pytest.fixture
async def rig(start):
    return await start(ScriptedStore(traits=SHOWING))


async def given_back(rig, contents, within: float = 10.0) -> None:
    """Write these in mode local, each version in turn, and let them be given back."""
    await rig.engine.choose(Override.LOCAL, "test")
    await rig.mode("local")
    for key, content in contents:
        await rig.store.put(rig.name(key), content)
    await rig.engine.choose(Override.AUTO, "test")
    await rig.drained(within)


def different(count: int) -> list[tuple[str, bytes]]:
    return [(f"folder/{n}", os.urandom(30)) for n in range(count)]


async def test_many_are_confirmed_by_few_lists(rig):
    contents = different(MANY)
    await given_back(rig, contents)
    assert {key: rig.outside(key) for key, _ in contents} == dict(contents)
    assert rig.external.count("put") == MANY
    assert rig.external.count("shown") <= MANY / 10
    assert rig.external.count("holds") <= 20, "the last ones, for which nobody waits"


@pytest.mark.parametrize("lie", ["nothing", "other bytes", "shorter"])
async def test_what_a_list_does_not_show_is_not_forgotten_but_sent_again(rig, lie):
    """I3: the server says that it has kept it, and has not."""
    contents, put, lied = different(MANY), rig.external.put, set()

    async def lying(name, body, attributes):
        receipt = await put(name, body, attributes)
        if name.key.endswith("7") and name not in lied:
            lied.add(name)
            held = rig.external.objects.pop(name)[0]
            if lie != "nothing":
                changed = held[:-1] if lie == "shorter" else held[::-1]
                rig.external.objects[name] = (changed, attributes)
        return receipt

    rig.external.put = lying
    await given_back(rig, contents, within=20)
    assert {key: rig.outside(key) for key, _ in contents} == dict(contents)
    assert len(lied) == MANY / 10
    assert rig.external.count("put") == MANY + len(lied)


@pytest.mark.parametrize(
    "error",
    [RefusedError(403, "AccessDenied", ""), OutageError(OutageKind.BROKEN, "", in_doubt=False)],
)
async def test_where_lists_are_refused_each_is_looked_at_by_itself(rig, error):
    """I7: who may not list gives everything back all the same; and it is not tried every time."""

    def refused(operation):
        if operation == "shown":
            raise error

    rig.external.always = refused
    await given_back(rig, different(MANY))
    assert rig.external.count("holds") == MANY
    assert rig.external.count("shown") == 1
    assert rig.engine.status()["current_mode"] == "external"


async def test_the_versions_of_a_key_do_not_wait_for_other_keys(rig, monkeypatch):
    """I4: each has to be confirmed before the next may go."""
    monkeypatch.setattr(looks, "GATHER", 2.0)
    versions = [(f"folder/{n % 24}", os.urandom(20)) for n in range(24 * 4)]
    await given_back(rig, versions, within=5.5)
    assert {key: rig.outside(key) for key, _ in versions} == dict(versions)


async def test_a_list_that_never_answers_stops_neither_the_pause_nor_what_comes_after(rig):
    """What is cancelled is in doubt (I4), and sent again."""
    never = asyncio.Event()
    shown = rig.external.shown

    async def silent(_expected):
        await never.wait()

    rig.external.shown = silent
    await rig.engine.choose(Override.LOCAL, "test")
    await rig.mode("local")
    contents = different(MANY)
    for key, content in contents:
        await rig.store.put(rig.name(key), content)
    await rig.engine.choose(Override.AUTO, "test")
    await eventually(lambda: rig.external.count("put") > 20)
    await rig.engine.choose(Override.LOCAL, "test")
    await eventually(lambda: rig.said(EventKind.DRAIN_PAUSED))
    waits = list(rig.engine.journal.entries(parked=False, after=0, limit=1000))
    sent = {name.key for name in rig.external.objects}
    assert {entry.name.key for entry in waits if entry.doubtful} == sent & {k for k, _ in contents}
    rig.external.shown = shown
    await rig.engine.choose(Override.AUTO, "test")
    await rig.drained()
    assert {key: rig.outside(key) for key, _ in contents} == dict(contents)


async def test_a_late_request_that_lands_before_the_list_is_found(rig):
    """I3, I4: what the list shows is what counts, not what was answered."""
    contents, put = different(MANY), rig.external.put
    landed = []

    async def overtaken(name, body, attributes):
        receipt = await put(name, body, attributes)
        if name.key == "folder/50" and not landed:
            landed.append(name)
            rig.external.objects[name] = (b"an older version", Attributes())
        return receipt

    rig.external.put = overtaken
    await given_back(rig, contents)
    assert rig.outside("folder/50") == dict(contents)["folder/50"]
