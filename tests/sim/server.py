"""The external server of a scenario, and the network that leads to it."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.sim.faults import FaultKind

from nobreak.errors import ExternalError, NotFoundError, OutageError, OutageKind, RefusedError
from nobreak.words import Attributes, ObjectInfo, ObjectName, Precondition, Segment, Verdict

if TYPE_CHECKING:
    from tests.sim.world import World

SILENT_FOR = 30.0
LATE_SHARE = 0.9
"""A request lands within this part of the settle time of a healthy server; or when it thaws, when nobody
has seen that it was frozen. What lands later is outside of the promise."""
STUCK = 0.5
"""A request that takes longer than this (seconds) is held by the server, or by what stands before it:
while that is frozen it gets no further."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object on the server. `at`: seconds since the epoch."""

    content: bytes
    etag: str
    attributes: Attributes
    at: float


@dataclass
class Fate:
    """What becomes of a request: how long it takes there and back (seconds), and how it ends."""

    there: float
    back: float
    executes: int = 1
    answers: bool = True
    failure: Exception | None = None
    broken_at: float | None = None


@dataclass
class Server:
    """The external server. `log`: when it did what to which key, for who looks into a failure."""

    world: "World"
    objects: dict[ObjectName, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[int, tuple[bytes, Segment]]] = field(default_factory=dict)
    begun: int = 0
    requests: int = 0
    waiting: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    """What arrives when it thaws, and how much of its way was left when it froze (seconds)."""

    def info(self, name: ObjectName) -> ObjectInfo:
        if name not in self.objects:
            raise NotFoundError(name)
        held = self.objects[name]
        modified = datetime.fromtimestamp(held.at, UTC)
        return ObjectInfo(name, len(held.content), held.etag, modified, held.attributes)

    def put(
        self,
        name: ObjectName,
        content: bytes,
        attributes: Attributes,
        precondition: Precondition | None = None,
        etag: str | None = None,
    ) -> str:
        self._check(name, precondition)
        etag = etag or hashlib.md5(content).hexdigest()
        self.world.tell(f"SERVER {name.key} is now {content[:5]!r}")
        self.objects[name] = Stored(content, etag, attributes, self.world.now())
        return etag

    def delete(self, name: ObjectName, precondition: Precondition | None = None) -> None:
        self._check(name, precondition)
        self.world.tell(f"SERVER {name.key} is gone")
        self.objects.pop(name, None)

    def _check(self, name: ObjectName, precondition: Precondition | None) -> None:
        held = self.objects.get(name)
        verdict = (precondition or Precondition()).verdict({held.etag} if held else None)
        if verdict is Verdict.NO_OBJECT:
            raise RefusedError(404, "NoSuchKey", "there is no such object")
        if verdict is Verdict.FAILS:
            raise RefusedError(412, "PreconditionFailed", "it is another one")

    def begin_upload(self) -> str:
        self.begun += 1
        self.uploads[f"upload-{self.begun}"] = {}
        return f"upload-{self.begun}"

    def put_part(self, upload_id: str, number: int, content: bytes) -> str:
        segment = Segment(len(content), hashlib.md5(content).hexdigest(), {})
        self._upload(upload_id)[number] = (content, segment)
        return segment.md5

    def complete(
        self,
        name: ObjectName,
        upload_id: str,
        numbers: Mapping[int, str],
        precondition: Precondition | None,
    ) -> str:
        parts = self._upload(upload_id)
        if any(n not in parts or parts[n][1].md5 != etag for n, etag in numbers.items()):
            raise RefusedError(400, "InvalidPart", "there is no such part")
        chosen = [parts[number] for number in numbers]
        digests = b"".join(bytes.fromhex(segment.md5) for _, segment in chosen)
        etag = f"{hashlib.md5(digests).hexdigest()}-{len(chosen)}"
        content = b"".join(content for content, _ in chosen)
        self.put(name, content, Attributes(), precondition, etag)
        del self.uploads[upload_id]
        return etag

    def _upload(self, upload_id: str) -> dict[int, tuple[bytes, Segment]]:
        if upload_id not in self.uploads:
            raise RefusedError(404, "NoSuchUpload", "there is no such upload")
        return self.uploads[upload_id]

    async def ask(self, what: str, effect: Callable[[], Any], *, changes: bool) -> Any:  # noqa: C901 - its two callbacks
        """One request over the network, with whatever may happen to it; `what` names its luck."""
        world, rng = self.world, self.world.luck(f"network {what}")
        self.requests += 1
        if world.fault(FaultKind.DOWN):
            await asyncio.sleep(0.002)
            raise OutageError(OutageKind.CONNECTION, "refused", in_doubt=False)
        loop = world.loop
        reply: asyncio.Future[Any] = loop.create_future()
        fate, sent = self._fate(what, changes=changes), world.elapsed

        def arrive() -> None:
            if frozen := world.fault(FaultKind.FREEZE):
                left = sent + fate.there - max(frozen.at, sent) if fate.there > STUCK else 0.0
                self.waiting.append((left, arrive))
                return
            if world.fault(FaultKind.DOWN) and fate.executes and rng.random() < 0.5:
                tell(None, OutageError(OutageKind.BROKEN, "reset", in_doubt=changes))
                return
            result, error = None, fate.failure
            for time in range(fate.executes):
                try:
                    done = effect()
                except (NotFoundError, ExternalError) as answer:
                    error = answer if time == 0 else error
                else:
                    result = done if time == 0 else result
            if fate.answers:
                loop.call_later(fate.back, tell, result, error, context=loop.world)

        def tell(result: Any, error: BaseException | None) -> None:
            if reply.done():
                return
            if error is not None:
                reply.set_exception(error)
            else:
                reply.set_result(result)

        loop.call_later(fate.there, arrive, context=loop.world)
        if fate.broken_at is not None:
            error = OutageError(OutageKind.BROKEN, "reset", in_doubt=changes)
            loop.call_later(fate.broken_at, tell, None, error, context=loop.world)
        try:
            async with asyncio.timeout(SILENT_FOR):
                return await reply
        except TimeoutError as silent:
            raise OutageError(OutageKind.TIMEOUT, "silent", in_doubt=changes) from silent

    def _fate(self, what: str, *, changes: bool) -> Fate:
        world, rng = self.world, self.world.luck(f"network {what}")
        fate = Fate(rng.uniform(0.001, 0.02), rng.uniform(0.001, 0.02))
        late = LATE_SHARE * world.plan.settle
        if slow := world.fault(FaultKind.SLOW):
            fate.back += slow.extra
        if failure := self._failure(rng, changes=changes):
            fate.failure, fate.executes = failure[0], int(failure[1])
        if (fault := world.fault(FaultKind.LATE)) and rng.random() < fault.part * 0.7:
            if rng.random() < 0.7:
                fate.there = rng.uniform(0, late)
            else:
                fate.back += rng.uniform(0, late)
        if (lossy := world.fault(FaultKind.LOSSY)) and rng.random() < lossy.part * 0.5:
            kind = rng.choice(["lost", "unanswered", "late", "zombie", "twice"])
            fate.executes = {"lost": 0, "twice": 2}.get(kind, 1)
            fate.answers = kind in {"late", "twice"}
            if kind in {"late", "zombie"}:
                fate.there = rng.uniform(0, late)
            if not fate.answers and rng.random() < 0.5:
                fate.broken_at = rng.uniform(0.001, 0.5)
        if isinstance(fate.failure, RefusedError):
            fate.executes = 0  # however often it comes, and whenever
        return fate

    def _failure(self, rng: Any, *, changes: bool) -> tuple[Exception, bool] | None:
        """An answer that is no success, and whether the request was executed all the same."""
        world = self.world
        status = OutageError(OutageKind.STATUS, "HTTP 500", in_doubt=changes, status=500)
        if changes and world.fault(FaultKind.FORBID):
            return RefusedError(403, "AccessDenied", "no"), False
        if changes and world.fault(FaultKind.READ_ONLY):
            return status, rng.random() < 0.2
        if (fault := world.fault(FaultKind.ERRORS)) and rng.random() < fault.part:
            return status, rng.random() < 0.4
        return None

    def thaw(self, *, seen: bool) -> None:
        """`seen`: nobreak knows that it was away, so that all of the settle time is still to come."""
        loop = self.world.loop
        waiting, self.waiting = self.waiting, []
        for left, arrive in waiting:
            if seen and left > 0:
                loop.call_later(left, arrive, context=loop.world)
            else:
                arrive()
