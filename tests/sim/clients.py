"""What clients do, and what they see of it: each operation is recorded for the model of the truth."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from tests.sim.driver import BUCKET
from tests.sim.plan import Op

from nobreak.demo.record import ABSENT, SOME, Action, Call, Outcome, Page, Recorder, Version
from nobreak.engine.completing import request_digest
from nobreak.engine.runtime import Engine
from nobreak.engine.store import Store
from nobreak.errors import (
    NobreakError,
    NotFoundError,
    OvertakenError,
    PreconditionFailedError,
    RefusedError,
    UnavailableError,
)
from nobreak.words import Attributes, ObjectInfo, ObjectName, Precondition

COPY_MARK = ".conflict-"
"""What the names of copies have that are kept beside an object in a conflict."""

Inside = Callable[[Awaitable[Any]], Awaitable[Any]]
"""Runs something in the process that serves the client; `ConnectionResetError` when that dies."""


@dataclass
class Clients:
    """All clients of a scenario. `strange` collects what no store may ever raise."""

    recorder: Recorder
    strange: list[str] = field(default_factory=list)
    _written: dict[str, Version] = field(default_factory=dict)
    _seen: dict[tuple[int, str], tuple[str, Version]] = field(default_factory=dict)
    """By client and key: the ETag that it was told last, and of what."""

    async def do(self, op: Op, engine: Engine, inside: Inside) -> None:
        """One operation, from its call to its return."""
        match op.kind:
            case "list":
                await self._list(op, engine.store, inside)
            case "get" | "head":
                await self._read(op, engine.store, inside)
            case "copy":
                await self._copy(op, engine.store, inside)
            case "upload":
                await self._upload(op, engine.store, inside)
            case _:
                await self._write(op, engine.store, inside)

    def version(self, etag: str) -> Version:
        """The version that has this ETag; one that nobody wrote is like no other."""
        return self._written.get(etag, Version(0, f"a stranger, {etag}"))

    async def _write(self, op: Op, store: Store, inside: Inside) -> None:
        needs, condition = None, None
        if op.kind == "create":
            needs, condition = ABSENT, Precondition(absent=True)
        elif op.kind == "replace" and (op.client, op.key) in self._seen:
            etag, needs = self._seen[op.client, op.key]
            condition = Precondition(frozenset({etag}))
        if op.kind == "delete":
            call = self._call(op, Action.DELETE)
            await self._end(op, call, inside(store.delete(_name(op))))
            return
        body = body_of(op)
        call = self._call(op, Action.PUT, self._about_to_write(body), needs)
        source = _fed(body, op.feed) if op.feed else body
        put = store.put(_name(op), source, precondition=condition)
        info = await self._end(op, call, inside(put))
        if info is not None:
            self._seen[op.client, op.key] = info.etag, Version.of(body)

    async def _read(self, op: Op, store: Store, inside: Inside) -> None:
        call = self._call(op, Action.READ)
        work: Any = store.head(_name(op)) if op.kind == "head" else _whole(store, _name(op))

        def done(found: ObjectInfo | tuple[ObjectInfo, bytes] | None) -> None:
            if found is None:
                call.done(ABSENT)
                return
            info = found[0] if isinstance(found, tuple) else found
            seen = Version.of(found[1]) if isinstance(found, tuple) else self.version(info.etag)
            self._seen[op.client, op.key] = info.etag, self.version(info.etag)
            call.done(seen)

        await self._end(op, call, inside(work), done)

    async def _list(self, op: Op, store: Store, inside: Inside) -> None:
        call = self._call(op, Action.LIST)

        def done(listing: Any) -> None:
            shown = {
                info.name.key: self.version(info.etag)
                for info in listing.objects
                if COPY_MARK not in info.name.key
            }
            call.listed(Page(shown))

        await self._end(op, call, inside(store.list(BUCKET)), done)

    async def _copy(self, op: Op, store: Store, inside: Inside) -> None:
        """A copy reads one key and writes another: two operations of the model.

        Which version it was about to write is known once it has read; before that it wrote nothing.
        """
        reading = self._call(op, Action.READ, key=op.source)
        writing: list[Call] = []

        async def copy() -> Any:
            # As `Store.copy` does it.
            source = ObjectName(BUCKET, op.source)
            content = await store.read(source)
            reading.done(Version.of(content))
            content += f"copy {op.number}".encode()  # it is to be told from what it is a copy of
            version = self._about_to_write(content)
            writing.append(self._call(op, Action.PUT, version))
            return await store.put(_name(op), content)

        try:
            async with asyncio.timeout(op.patience):
                await inside(copy())
        except Exception as error:  # noqa: BLE001 - whichever of the two it was
            if writing:
                self._failed(op, writing[0], error)
            elif isinstance(error, NotFoundError):
                reading.done(ABSENT)
            else:
                self._failed(op, reading, error)
        else:
            writing[0].done()

    async def _upload(self, op: Op, store: Store, inside: Inside) -> None:
        """A multipart upload of two parts; only its completion makes an object."""
        body, uploads = body_of(op), store.uploads
        half = len(body) // 2
        pieces = (body[:half], body[half:])
        try:
            async with asyncio.timeout(op.patience):
                upload = await inside(uploads.begin(_name(op), Attributes()))
                parts = []
                for number, piece in enumerate(pieces, 1):
                    sent = uploads.put_part(
                        upload, number, piece, size=len(piece), checksums=dict, known=True
                    )
                    parts.append(await inside(sent))
                    await asyncio.sleep(op.feed * 4)
        except (NobreakError, ConnectionResetError, TimeoutError):
            return
        digests = b"".join(hashlib.md5(piece).digest() for piece in pieces)
        etag = f"{hashlib.md5(digests).hexdigest()}-{len(pieces)}"
        self._written[etag] = Version.of(body)
        call = self._call(op, Action.PUT, Version.of(body))
        request = request_digest([(part.number, part.segment.md5) for part in parts])
        complete = uploads.complete(upload, parts, request, upload.attributes)
        await self._end(op, call, inside(complete))

    def _call(
        self,
        op: Op,
        action: Action,
        version: Version | None = None,
        needs: Version | None = None,
        key: str | None = None,
    ) -> Call:
        where = op.key if key is None else key
        if action is Action.LIST:
            where = ""
        return self.recorder.call(action, where, version, client=f"#{op.number}", needs=needs)

    def _about_to_write(self, body: bytes) -> Version:
        version = Version.of(body)
        self._written[hashlib.md5(body).hexdigest()] = version
        return version

    async def _end(
        self,
        op: Op,
        call: Call,
        work: Awaitable[Any],
        done: Callable[[Any], None] | None = None,
    ) -> Any:
        """Wait for what comes of a call, no longer than its client does, and record it."""
        try:
            async with asyncio.timeout(op.patience):
                result = await work
        except Exception as error:  # noqa: BLE001 - all of them are judged
            if isinstance(error, NotFoundError) and done is not None and op.kind != "list":
                done(None)
            else:
                self._failed(op, call, error)
            return None
        if done is not None:
            done(result)
        else:
            call.done()
        return result

    def _failed(self, op: Op, call: Call, error: Exception) -> None:
        match error:
            case PreconditionFailedError() | RefusedError(status=412) if call.needs is not None:
                call.condition_failed(SOME)
            case NotFoundError() | RefusedError(status=404) if call.needs is not None:
                call.condition_failed(ABSENT)
            case RefusedError():
                call.ended(Outcome.DENIED, str(error))
            case UnavailableError() | OvertakenError():
                call.ended(Outcome.REFUSED, str(error))
            case NobreakError() | ConnectionResetError() | TimeoutError():
                call.ended(Outcome.FAILED, repr(error))
            case _:
                call.ended(Outcome.FAILED, repr(error))
                self.strange.append(f"{op}: {error!r}")


def body_of(op: Op) -> bytes:
    """The bytes of this operation, which no other one writes."""
    return f"{op.number:05d}".encode() * (op.size // 5)


async def _whole(store: Store, name: ObjectName) -> tuple[ObjectInfo, bytes]:
    async with aclosing(await store.get(name)) as reading:
        return reading.info, b"".join([chunk async for chunk in reading.chunks()])


def _name(op: Op) -> ObjectName:
    return ObjectName(BUCKET, op.key)


async def _fed(value: bytes, pause: float) -> AsyncIterator[bytes]:
    half = len(value) // 2
    yield value[:half]
    await asyncio.sleep(pause)
    yield value[half:]
