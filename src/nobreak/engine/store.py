"""The store that an application sees: it works the same before, during and after an outage."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from nobreak.core.routing import Held, Link, Operation, Step, route
from nobreak.engine.attempt import read_within
from nobreak.engine.away import AWAY, get_away, head_away, is_sure_of
from nobreak.engine.conditional import condition_here, step_of
from nobreak.engine.context import Context
from nobreak.engine.holding import held_of
from nobreak.engine.journal_reading import read_here, reattribute_here, segments_here
from nobreak.engine.learning import absence_taught, teach
from nobreak.engine.listing import list_page
from nobreak.engine.names import checked
from nobreak.engine.outside import NewObject, Source, taken_in
from nobreak.engine.reading import ExternalReading, Reading, as_known
from nobreak.engine.uploads import Uploads
from nobreak.engine.writing import Writing, journalled
from nobreak.errors import (
    NobreakError,
    NotFoundError,
    OutageError,
    OutOfSpaceError,
    UnavailableError,
)
from nobreak.stores.external.base import Listing, Trailer
from nobreak.stores.interfaces import Condition
from nobreak.stores.local.spool import INLINE_MAX
from nobreak.words import (
    Attributes,
    EntryKind,
    ObjectInfo,
    ObjectName,
    Precondition,
    RangeRequest,
    Receipt,
    Segment,
)

T = TypeVar("T")

MAX_PAGE = 1000


class Store:
    """Put, get, head, delete, list and copy objects. Made by `nobreak.Engine`.

    All methods raise `InvalidRequestError` for names that can't be, `LocalStoreError` and
    `OutOfSpaceError` when this machine's disk fails, and `RefusedError` with the external
    store's own answer when it is none of the others (403, 413, ...).
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._doubts = context.doubts
        self._writing = Writing(context)
        self.uploads = Uploads(context, self._writing, self._way, self._look)
        """Multipart uploads."""

    async def put(
        self,
        name: ObjectName,
        source: Source,
        *,
        attributes: Attributes | None = None,
        size: int | None = None,
        md5: str | None = None,
        trailer: Trailer | None = None,
        precondition: Precondition | None = None,
    ) -> ObjectInfo:
        """Write an object; it is safe when this returns (I1).

        `source`: bytes, or chunks of bytes as they come. `size` in bytes and `md5` in
        hexadecimal, when they were announced: a body that differs is refused with
        `BodyMismatchError` and leaves no trace. `trailer`: one more attribute, for S3, that is
        known at the body's end.

        With a `precondition`, also raises `PreconditionFailedError`, `NotFoundError` when there
        is no object that it could hold for, `OvertakenError` when a rival won, and
        `UndecidedError`, a 503, when nobody can say now whether it holds.
        """
        checked(name)
        announced = len(source) if isinstance(source, bytes) else size
        new = NewObject(name, source, attributes or Attributes(), md5, trailer, precondition)
        through, condition = await self._way(Operation.PUT, name, precondition, announced)
        if trailer is not None and announced is not None and announced <= INLINE_MAX:
            new = await taken_in(new, announced)
        spool = self._context.bodies.spool(announced)
        try:
            if through:
                return await self._writing.put_through(new, spool)
            return await self._writing.put_here(new, spool, condition)
        except OutOfSpaceError as error:
            self._context.room.refused(error)
            raise
        finally:
            await spool.aclose()

    async def get(self, name: ObjectName, *, range_: RangeRequest | None = None) -> Reading:
        """Begin to read an object, or a range of it. Close the reading in all cases.

        Raises `NotFoundError`, `RangeNotSatisfiableError`, `CorruptBodyError`, and
        `UnavailableError` at once when only the external store has it and is away (I2, I5).
        """
        checked(name)
        while True:
            step = self._step(Operation.GET, name)
            if step is not Step.ANSWER_HERE:
                return await self._get_external(name, step, range_)
            reading = await read_here(self._context, name, range_)
            if reading is not None:
                return reading
            await asyncio.sleep(0)  # it has just left: one look at the journal serves a whole turn

    async def read(self, name: ObjectName) -> bytes:
        """A whole object at once. Raises what `get` raises."""
        async with aclosing(await self.get(name)) as reading:
            return b"".join([chunk async for chunk in reading.chunks()])

    async def head(self, name: ObjectName) -> ObjectInfo:
        """Look at an object. Raises what `get` raises."""
        checked(name)
        step = self._step(Operation.HEAD, name)
        newest = self._context.journal.newest(name) if step is Step.ANSWER_HERE else None
        if newest is not None and newest.kind is EntryKind.PUT:
            return journalled(newest)
        if step is Step.KNOWN:
            return head_away(self._context, name)
        self._refuse(name, step)
        known = self._context.catalog.get(name)
        with absence_taught(self._context, name, known):
            info = await self._look(name, known[1] if known else None)
        teach(self._context, name, known, info)
        return as_known(info, known, self._context.external.traits)

    async def delete(
        self, name: ObjectName, *, precondition: Precondition | None = None
    ) -> Mapping[str, str]:
        """Delete an object; one that is not there is a success. Safe when this returns (I1).

        Returns what the external store said of it (a version, ...), if it was asked. With a `precondition`, raises as `put`.
        """
        checked(name)
        through, condition = await self._way(Operation.DELETE, name, precondition, None)
        if through:
            return await self._writing.delete_through(name, precondition)
        await self._writing.delete_here(name, condition)
        return {}

    async def _way(
        self,
        operation: Operation,
        name: ObjectName,
        precondition: Precondition | None,
        announced: int | None,
    ) -> tuple[bool, Condition | None]:
        """Whether a write goes through to the external store, and what it then depends on here.

        A condition that fails already is refused before a large body comes; a small one comes
        in any case, so that its sender is there to hear the answer.
        """
        if precondition is None:
            return self._step(operation, name) is Step.TRY_EXTERNAL, None
        if step_of(self._context, operation, name) is Step.TRY_EXTERNAL:
            return True, None
        condition = await condition_here(self._context, name, precondition, self._look)
        if announced is None or announced > INLINE_MAX:
            self._context.journal.decide(name, condition)
        return False, condition

    async def _look(self, name: ObjectName, receipt: Receipt | None) -> ObjectInfo:
        return await self._ask(name, self._context.external.head(name, receipt=receipt))

    async def copy(
        self,
        source: ObjectName,
        target: ObjectName,
        *,
        attributes: Attributes | None = None,
        precondition: Precondition | None = None,
    ) -> ObjectInfo:
        """Copy an object; `attributes` replace the source's when given. Raises as get and put."""
        checked(target)
        async with aclosing(await self.get(source)) as reading:
            try:
                return await self.put(
                    target,
                    reading.chunks(),
                    attributes=reading.info.attributes if attributes is None else attributes,
                    size=reading.info.size,
                    precondition=precondition,
                )
            except OutageError as error:
                raise UnavailableError(f"{source}: {error}") from error

    async def list(
        self, bucket: str, *, prefix: str = "", start_after: str = "", limit: int = MAX_PAGE
    ) -> Listing:
        """At most `limit` objects in the byte order of their keys, journalled ones merged in.

        Raises `UnavailableError` while the external store is away, unless the catalog knows all (I2).
        """
        lists = self._context.external.traits.lists
        index = self._context.index
        complete = not lists or (index.is_complete(bucket) and index.is_sure(bucket, prefix))
        step = self._step(Operation.LIST, ObjectName(bucket, ""), complete=complete)
        if step is Step.REFUSE:
            raise UnavailableError("the external store is away, and only it knows all objects")
        try:
            listing = await list_page(
                self._context,
                bucket,
                prefix,
                start_after,
                max(1, min(limit, MAX_PAGE)),
                catalog=not lists or step is Step.CATALOG,
            )
        except OutageError as error:
            raise self._failed(ObjectName(bucket, prefix), error) from error
        return listing

    async def walk(self, bucket: str, *, prefix: str = "") -> AsyncIterator[ObjectInfo]:
        """All objects of a bucket, page by page. Raises what `list` raises."""
        start_after = ""
        while True:
            page = await self.list(bucket, prefix=prefix, start_after=start_after)
            for info in page.objects:
                yield info
            if not page.truncated or not page.objects:
                return
            start_after = page.objects[-1].name.key

    async def reattribute(
        self, name: ObjectName, change: Callable[[Attributes], Attributes]
    ) -> None:
        """Change the attributes of a journalled object; durable when this returns.

        Raises `NotFoundError`, and `UnavailableError` when it left the journal just now.
        """
        await reattribute_here(self._context, name, change)

    def segments(self, name: ObjectName) -> tuple[Segment, ...]:
        """The parts that a journalled object came in; none for one that came whole."""
        return segments_here(self._context, name)

    @property
    def _patience(self) -> float:
        return self._context.writes.divert_after

    def _step(self, operation: Operation, name: ObjectName, *, complete: bool = False) -> Step:
        """Ask the routing table."""
        held = held_of(self._context, name)
        if held is Held.NOTHING and name in self._doubts:
            held = Held.DOUBT
        state, policy = self._context.link.state(), self._context.writes.policy
        if operation in {Operation.GET, Operation.HEAD} and state is not Link.OPEN:
            complete = is_sure_of(self._context, name)
        return route(operation, state, held, policy, complete=complete)

    async def _ask(self, name: ObjectName, work: Coroutine[Any, Any, T]) -> T:
        """Ask the external store for no longer than our patience; any answer is one (I8)."""
        try:
            result = await read_within(work, self._patience)
        except OutageError as error:
            raise self._failed(name, error) from error
        except NobreakError:
            self._context.link.answered()
            raise
        self._context.link.answered()
        return result

    def _failed(self, name: ObjectName, error: OutageError) -> UnavailableError:
        """A read failed: suspect an outage, and tell the client to come again."""
        self._context.link.failed(name, error)
        return UnavailableError(f"{name}: the external store failed: {error}")

    @staticmethod
    def _refuse(name: ObjectName, step: Step) -> None:
        if step is Step.NOT_FOUND:
            raise NotFoundError(name)
        if step is Step.REFUSE:
            raise UnavailableError(f"{name}: {AWAY}")

    async def _get_external(
        self, name: ObjectName, step: Step, range_: RangeRequest | None
    ) -> Reading:
        if step is Step.KNOWN:
            raise get_away(self._context, name)
        self._refuse(name, step)
        known = self._context.catalog.get(name)
        receipt = known[1] if known else None
        external, asked_at = self._context.external, asyncio.get_running_loop().time()
        with absence_taught(self._context, name, known):
            download = await self._ask(name, external.get(name, range_=range_, receipt=receipt))
        teach(self._context, name, known, download.info)
        info = as_known(download.info, known, external.traits)
        return ExternalReading(download, info, self._context.link, self._patience, asked_at)
