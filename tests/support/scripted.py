"""An external store in memory whose faults are scripted, for outcomes no real server gives on cue.

It keeps the promises of `ExternalStore` while nothing is scripted. `plan` holds one behaviour for
each of the next requests; when it is empty, `always` applies.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from nobreak.errors import NotFoundError, OutageError, OutageKind, RangeNotSatisfiableError
from nobreak.stores.external.base import Body, Listing, Traits, pages_in_order
from nobreak.stores.external.checks import CheckResult, FailureKind
from nobreak.words import (
    Attributes,
    ByteRange,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    RangeRequest,
    Receipt,
)

WRITTEN = datetime(2026, 1, 2, tzinfo=UTC)
"""When all of its objects were written."""
SETTINGS = {
    "EXTERNAL_STORAGE_URL": "s3+http://127.0.0.1:1",
    "EXTERNAL_STORAGE_ACCESS_KEY": "key",
    "EXTERNAL_STORAGE_SECRET_KEY": "secret",
    "HEALTH_CHECK_INTERVAL": "0.3",
    "HEALTH_FAST_INTERVAL": "0.05",
    "HEALTH_HOLD_DOWN": "0",
}
"""Those of an engine before one of them: what it is told of a server is not used."""
Behaviour = Callable[[str], object]


def connection_refused(_operation: str) -> None:
    raise OutageError(OutageKind.CONNECTION, "refused", in_doubt=False)


def server_error(_operation: str) -> None:
    raise OutageError(OutageKind.STATUS, "HTTP 500", in_doubt=True, status=500)


@dataclass
class Zombie:
    """A request that the client gave up on and the server still executes, when told to."""

    land: Callable[[], None]


@dataclass
class ScriptedDownload:
    info: ObjectInfo
    start: int
    content: bytes
    break_after: int | None = None

    @property
    def length(self) -> int:
        return len(self.content)

    async def chunks(self) -> AsyncIterator[bytes]:
        for at in range(0, len(self.content), 1000):
            if self.break_after is not None and at >= self.break_after:
                raise OutageError(OutageKind.BROKEN, "reset", in_doubt=False)
            yield self.content[at : at + 1000]

    async def delete_bucket(self, bucket: str) -> None:
        return

    async def aclose(self) -> None:
        return


ORDINARY = Traits(keeps_attributes=True, chooses_names=False, lists=True)
SHOWING = replace(ORDINARY, shows_many=True)


@dataclass
class ScriptedStore:
    """See the module."""

    traits: Traits = ORDINARY
    objects: dict[ObjectName, tuple[bytes, Attributes]] = field(default_factory=dict)
    plan: deque[Behaviour] = field(default_factory=deque)
    always: Behaviour | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    zombies: list[Zombie] = field(default_factory=list)
    late: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to let requests that hang `late` go on."""

    def count(self, operation: str) -> int:
        return sum(1 for done, _ in self.calls if done == operation)

    async def _act(self, operation: str, name: ObjectName) -> str | None:
        self.calls.append((operation, name.key))
        behaviour = self.plan.popleft() if self.plan else self.always
        return behaviour(operation) if behaviour else None  # type: ignore[return-value]

    async def put(self, name: ObjectName, body: Body, attributes: Attributes) -> Receipt:
        act = await self._act("put", name)
        if act == "break in the middle":
            async for _chunk in body.chunks():
                break
            raise OutageError(OutageKind.BROKEN, "reset", in_doubt=True)
        content = b"".join([chunk async for chunk in body.chunks()])
        await body.finished()
        if act == "be late":
            await self.late.wait()
        if act == "become a zombie":

            def land() -> None:
                self.objects[name] = (content, attributes)

            self.zombies.append(Zombie(land))
            await asyncio.Event().wait()
        self.objects[name] = (content, attributes)
        return Receipt(etag=hashlib.md5(content).hexdigest())

    async def get(
        self, name: ObjectName, *, range_: RangeRequest | None = None, receipt: Receipt | None
    ) -> ScriptedDownload:
        act = await self._act("get", name)
        info = self._info(name)
        content = self.objects[name][0]
        part = ByteRange(0, info.size) if range_ is None else range_.resolve(info.size)
        if part is None:
            raise RangeNotSatisfiableError(name, info.size)
        broken = len(content) // 2 if act == "break in the middle" else None
        return ScriptedDownload(info, part.start, content[part.start : part.stop], broken)

    async def head(self, name: ObjectName, *, receipt: Receipt | None) -> ObjectInfo:
        await self._act("head", name)
        return self._info(name)

    async def delete(self, name: ObjectName, *, receipt: Receipt | None) -> None:
        act = await self._act("delete", name)
        if act == "become a zombie":
            self.zombies.append(Zombie(lambda: self.objects.pop(name, None)))
            await asyncio.Event().wait()
        self.objects.pop(name, None)

    async def list(self, bucket: str, *, prefix: str, start_after: str, limit: int) -> Listing:
        await self._act("list", ObjectName(bucket, prefix))
        names = sorted(
            (n for n in self.objects if n.bucket == bucket and n.key.startswith(prefix)),
            key=lambda n: n.key.encode(),
        )
        names = [n for n in names if n.key.encode() > start_after.encode()]
        return Listing(tuple(self._listed(n) for n in names[:limit]), len(names) > limit)

    def pages(self, bucket: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        return pages_in_order(self, bucket)

    async def holds(self, name: ObjectName, fingerprint: Fingerprint, receipt: Receipt) -> bool:
        await self._act("holds", name)
        held = self.objects.get(name)
        return held is not None and hashlib.md5(held[0]).hexdigest() == fingerprint.md5

    async def shown(
        self, expected: Mapping[ObjectName, tuple[int, frozenset[str]]]
    ) -> frozenset[ObjectName]:
        await self._act("shown", ObjectName("", ""))
        infos = [self._info(name) for name in expected if name in self.objects]
        return frozenset(
            info.name
            for info in infos
            if info.size == expected[info.name][0] and info.etag in expected[info.name][1]
        )

    async def ensure_bucket(self, bucket: str) -> None:
        return

    async def aclose(self) -> None:
        return

    def _info(self, name: ObjectName) -> ObjectInfo:
        if name not in self.objects:
            raise NotFoundError(name)
        content, attributes = self.objects[name]
        etag = hashlib.md5(content).hexdigest()
        return ObjectInfo(name, len(content), etag, WRITTEN, attributes, whole=True)

    def _listed(self, name: ObjectName) -> ObjectInfo:
        """What a list says: no attributes."""
        return replace(self._info(name), attributes=Attributes(), whole=False)


class ScriptedProbe:
    """A probe that finds what `store` would do to a request just now."""

    def __init__(self, healthy: Callable[[], bool]) -> None:
        self._healthy = healthy
        self.checks = 0
        self.slow = 0.0
        """How long a check takes (seconds)."""

    async def check(self) -> CheckResult:
        self.checks += 1
        await asyncio.sleep(self.slow)
        if self._healthy():
            return CheckResult(ok=True, seconds=0.01)
        return CheckResult(ok=False, seconds=0.01, kind=FailureKind.CONNECTION, detail="refused")
