"""An engine before a scripted external store, on a real disk; and a real server of the seed's kind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.children import Child, upload_server
from tests.support.net import eventually
from tests.support.reports import Told
from tests.support.scripted import SETTINGS, ScriptedProbe, ScriptedStore, server_error

from nobreak.engine import cache, indexing, leading, opening, runtime
from nobreak.engine.runtime import Engine
from nobreak.engine.store import Store
from nobreak.reporting.events import EventKind
from nobreak.settings import Settings, load_settings
from nobreak.words import ObjectName

QUICK = {
    **SETTINGS,
    "NOBREAK_DIVERT_AFTER": "0.3",
    "NOBREAK_SETTLE": "0.5",
}


@dataclass
class Rig:
    """One engine and what stands around it. `healthy` is what checks find.

    `edit` changes settings as an edit of the file does.
    """

    variables: dict[str, str]
    external: ScriptedStore
    told: Told = field(default_factory=Told)
    healthy: bool = True
    settings: Settings = field(init=False)
    probe: ScriptedProbe = field(init=False)
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.settings = load_settings(self.variables)
        self.probe = ScriptedProbe(lambda: self.healthy)

    @property
    def store(self) -> Store:
        return self.engine.store

    def name(self, key: str) -> ObjectName:
        return ObjectName("b", key)

    def outside(self, key: str) -> bytes | None:
        """What the external store really holds."""
        held = self.external.objects.get(self.name(key))
        return held[0] if held else None

    def edit(self, **changed: str) -> None:
        self.settings = load_settings({**self.variables, **changed})
        Path(self.variables["NOBREAK_ENV_FILE"]).write_text("# edited\n")

    async def give_up(self, key: str, content: bytes) -> None:
        """A client goes away while its PUT is under way: it may land yet (`external.zombies`)."""
        before = len(self.external.zombies)
        self.external.plan.append(lambda _: "become a zombie")
        task = asyncio.create_task(self.store.put(self.name(key), content))
        await eventually(lambda: len(self.external.zombies) > before)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def put_that_settles(self, key: str, content: bytes) -> None:
        """The first PUT of all fails, in doubt; the drain's is confirmed. Until then."""
        self.external.plan.append(server_error)
        await self.store.put(self.name(key), content)
        await eventually(lambda: self.external.count("holds") == 1)

    async def mode(self, mode: str) -> None:
        await eventually(lambda: self.engine.status()["current_mode"] == mode)

    async def checked(self) -> None:
        """Until one more check was taken and made known."""
        checks = self.probe.checks
        await eventually(lambda: self.probe.checks >= checks + 2)

    async def drained(self, within: float = 10.0) -> None:
        await eventually(lambda: self.engine.journal.tally().entries == 0, within=within)

    def said(self, kind: EventKind) -> bool:
        return kind in self.told.kinds


@pytest.fixture
async def start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., object]]:
    """Starts a rig; called again, it starts another one on the same data directory."""
    stack = AsyncExitStack()

    async def starter(
        external: ScriptedStore | None = None, *, leads: bool = True, **environment: str
    ) -> Rig:
        variables = {
            **QUICK,
            "NOBREAK_DATA_DIR": str(tmp_path / "data"),
            "HEALTH_LOG_FILE": str(tmp_path / "health.log"),
            "NOBREAK_ENV_FILE": str(tmp_path / "env"),
            **environment,
        }
        (tmp_path / "env").touch()
        rig = Rig(variables, external or ScriptedStore())
        for module in (opening, runtime):
            monkeypatch.setattr(module, "open_external", lambda *_: rig.external)
        if leads:
            monkeypatch.setattr(leading, "build_probe", lambda *_, **__: rig.probe)
        rig.engine = Engine(rig.settings, rig.told, leads=leads, reload=lambda: rig.settings)
        await stack.enter_async_context(rig.engine)
        if leads:
            await eventually(lambda: rig.probe.checks > 0)
        return rig

    async with stack:
        yield starter


@pytest.fixture
async def rig(start: Callable[..., object]) -> Rig:
    return await start()  # type: ignore[misc, return-value]


@pytest.fixture
async def upload(tmp_path: Path) -> AsyncIterator[Child]:
    """A form-upload server as a process of its own, which may be killed."""
    server = upload_server(tmp_path)
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
def quick_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the cache and the index do by the clock, they do soon."""
    monkeypatch.setattr(indexing, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(cache, "TOLD_AFTER", 0.05)


@pytest.fixture
async def cached(start: Callable[..., Any]) -> Rig:
    """A rig with a cache."""
    return await start(ScriptedStore(), NOBREAK_CACHE_BYTES="16M")
