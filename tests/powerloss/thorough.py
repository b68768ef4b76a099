"""More than a look at a state: the real program started on it, and all given back from it.

Both take about a second, so they are done for a sample of the states.
"""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from tests.powerloss.expected import Expected
from tests.powerloss.marks import Marks
from tests.powerloss.restart import DATA
from tests.powerloss.workload import (
    BUCKET,
    TellingStore,
    World,
    settings_for,
    version,
)
from tests.support.net import eventually

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import SeaweedServer
from nobreak.errors import NotFoundError
from nobreak.stores.external.base import Body
from nobreak.words import Attributes, ObjectInfo, ObjectName, Override, Receipt

NOT_FOUND, AWAY = 404, 503


async def answers_of_a_process(root: Path, keys: Iterable[str]) -> dict[str, str | None]:
    """Start `nobreak serve` on a disk and ask it for these objects; its external store is away.

    The MD5 of each body; empty for 404, None for 503.
    """
    away = SeaweedServer(root.parent / "never-started")
    settings = {
        "NOBREAK_BUCKET": BUCKET,
        "NOBREAK_DATA_DIR": str(root / DATA),
        "NOBREAK_MIN_FREE_BYTES": "0",
    }
    nobreak = NobreakProcess(root.parent, away, settings)
    await nobreak.start(within=40)
    try:
        async with aiohttp.ClientSession() as session:
            return {key: await _answer(session, f"{nobreak.base}/files/{key}") for key in keys}
    finally:
        await nobreak.stop()


async def _answer(session: aiohttp.ClientSession, url: str) -> str | None:
    async with session.get(url) as answer:
        if answer.status == AWAY:
            return None
        if answer.status == NOT_FOUND:
            return ""
        assert answer.ok, f"{url}: {answer.status}"
        return hashlib.md5(await answer.read(), usedforsecurity=False).hexdigest()


@dataclass
class HeldStore(TellingStore):
    """The external store as it was when the power went: of its objects the versions are known."""

    held: dict[ObjectName, str] = field(default_factory=dict)

    async def put(self, name: ObjectName, body: Body, attributes: Attributes) -> Receipt:
        receipt = await super().put(name, body, attributes)
        self.held.pop(name, None)
        return receipt

    async def delete(self, name: ObjectName, *, receipt: Receipt | None) -> None:
        await super().delete(name, receipt=receipt)
        self.held.pop(name, None)

    def _info(self, name: ObjectName) -> ObjectInfo:
        if name not in self.held:
            return super()._info(name)
        if name not in self.objects:
            raise NotFoundError(name)
        info = super()._info(name)
        etag = self.held[name].partition(" ")[0]
        return ObjectInfo(name, info.size, etag, info.modified, info.attributes)

    def versions(self) -> dict[str, str | None]:
        """By key, what it has now; the tags of a version are left out."""
        found: dict[str, str | None] = {}
        for name, (content, _attributes) in self.objects.items():
            found[name.key] = self.held.get(name, version(content, Attributes())).partition(" ")[0]
        return found


async def given_back(root: Path, expected: Expected, marks: Marks) -> dict[str, str | None]:
    """Start an engine on a disk, give all back, and say what the external store has then."""
    store = HeldStore(marks=marks)
    for key, held in expected.outside.items():
        name = ObjectName(BUCKET, key)
        store.objects[name], store.held[name] = (b"as it was", Attributes()), held
    world = World(settings_for(root / DATA, root.parent), marks, None, store)  # type: ignore[arg-type]
    async with world.engine() as clients:
        engine = clients.engine
        await engine.choose(Override.AUTO, "test")
        await eventually(lambda: engine.journal.tally().entries == 0, within=30)
        await asyncio.sleep(0)
    return store.versions()
