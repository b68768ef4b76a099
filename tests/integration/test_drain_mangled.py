"""A server that keeps some objects otherwise than it was told, and is well in all else.

SeaweedFS does so with `folder/`: it acknowledges the bytes and keeps none.
"""

import asyncio

from tests.support.net import eventually
from tests.support.scripted import connection_refused

from nobreak.engine import drain as drain_module
from nobreak.reporting.events import EventKind


async def test_objects_that_it_mangles_neither_raise_a_suspicion_nor_stop_the_drain(
    rig, monkeypatch
):
    """I7, I8: however many they are, everything else is given back, and they are parked."""
    monkeypatch.setattr(drain_module, "FAILED_FIRST", 0.01)
    monkeypatch.setattr(drain_module, "FAILED_LONGEST", 0.05)
    rig.healthy, rig.external.always = False, connection_refused
    await rig.mode("local")
    for n in range(12):
        await rig.store.put(rig.name(f"folder{n}/"), b"bytes")
        await rig.store.put(rig.name(f"file{n}"), b"bytes")
    put = rig.external.put

    async def mangling(name, body, attributes):
        receipt = await put(name, body, attributes)
        if name.key.endswith("/"):
            rig.external.objects[name] = (b"", attributes)
        return receipt

    rig.external.put = mangling
    rig.healthy, rig.external.always = True, None
    suspicions = rig.told.kinds.count(EventKind.SUSPICION)
    await rig.mode("external")
    await eventually(lambda: rig.engine.journal.tally().parked == 12)
    await eventually(lambda: rig.engine.journal.tally().entries == 12)
    await asyncio.sleep(0.1)
    assert {rig.outside(f"file{n}") for n in range(12)} == {b"bytes"}
    assert rig.told.kinds.count(EventKind.SUSPICION) == suspicions
    assert not rig.said(EventKind.DRAIN_PAUSED)
    assert await rig.store.read(rig.name("folder3/")) == b"bytes", "I2: it is still served"
