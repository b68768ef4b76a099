"""An answer of the external store that comes just after nobody waited for it any more."""

import asyncio

import pytest
from tests.support.scripted import server_error

from nobreak.errors import RefusedError
from nobreak.stores.sqlite.journal import SqliteJournal
from nobreak.words import Mode


async def succeed(_rig):
    return


async def refuse(_rig):
    raise RefusedError(403, "AccessDenied", "")


async def fail(_rig):
    server_error("put")


@pytest.mark.parametrize("end", [succeed, refuse, fail])
async def test_an_answer_that_comes_while_the_write_is_diverted_changes_nothing_for_the_client(
    rig, monkeypatch, end
):
    """I5: the write is in the journal, so it is acknowledged, however the attempt ends."""
    append, put = SqliteJournal.append, rig.external.put

    async def append_after_the_answer(journal, draft, now):
        rig.external.late.set()
        await asyncio.sleep(0.05)
        return await append(journal, draft, now)

    async def late(name, body, attributes):
        await rig.external.late.wait()
        await end(rig)
        return await put(name, body, attributes)

    monkeypatch.setattr(SqliteJournal, "append", append_after_the_answer)
    rig.external.put = late
    assert (await rig.store.put(rig.name("k"), b"kept")).mode is Mode.LOCAL
    assert await rig.store.read(rig.name("k")) == b"kept"
    rig.external.put = put
    await rig.drained()
    assert rig.outside("k") == b"kept"
