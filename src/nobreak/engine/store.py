"""The store that an application sees: it works the same before, during and after an outage."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import TypeVar

from nobreak.core.routing import Held, Operation, Step, route
from nobreak.engine.conditional import condition_here, step_of
from nobreak.engine.context import Context
from nobreak.engine.doubts import Hold
from nobreak.engine.holding import held_of, hold_directly
from nobreak.engine.journal_reading import reattribute_here, segments_here
from nobreak.engine.listing import list_page
from nobreak.engine.names import checked
from nobreak.engine.object_reads import ObjectReads
from nobreak.engine.outside import NewObject, Source, taken_in
from nobreak.engine.reading import Reading
from nobreak.engine.uploads import Uploads
from nobreak.engine.writing import Writing
from nobreak.errors import (
    OutageError,
    OutOfSpaceError,
    OvertakenError,
    UnavailableError,
)
from nobreak.stores.external.base import Listing, Trailer
from nobreak.stores.local.spool import INLINE_MAX
from nobreak.words import (
    Attributes,
    ObjectInfo,
    ObjectName,
    Precondition,
    RangeRequest,
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
        self._reads = ObjectReads(context)
        self.uploads = Uploads(context, self._writing, self._way, self._reads.look)
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
        with await self._way(Operation.PUT, name, precondition, announced) as hold:
            if trailer is not None and announced is not None and announced <= INLINE_MAX:
                new = await taken_in(new, announced)
            spool = self._context.bodies.spool(announced)
            try:
                if hold.direct:
                    return await self._writing.put_through(new, spool)
                return await self._writing.put_here(new, spool, hold)
            except OutOfSpaceError as error:
                self._context.room.refused(error)
                raise
            finally:
                await spool.aclose()

    async def get(
        self, name: ObjectName, *, range_: RangeRequest | None = None, tried: bool = False
    ) -> Reading:
        """Begin to read an object, or a range of it. Close the reading in all cases.

        `tried`: the external store has just failed to answer this.

        Raises `NotFoundError`, `RangeNotSatisfiableError`, `CorruptBodyError`, and
        `UnavailableError` at once when only the external store has it and is away (I2, I5).
        """
        return await self._reads.get(checked(name), range_, tried=tried)

    async def read(self, name: ObjectName) -> bytes:
        """A whole object at once. Raises what `get` raises."""
        async with aclosing(await self.get(name)) as reading:
            return b"".join([chunk async for chunk in reading.chunks()])

    async def head(self, name: ObjectName, *, tried: bool = False) -> ObjectInfo:
        """Look at an object. Raises what `get` raises, for which `tried` is the same."""
        return await self._reads.head(checked(name), tried=tried)

    def answers(self, operation: Operation, name: ObjectName) -> bool:
        """Whether a read that the external store has just failed to answer can be answered here."""
        return self._reads.is_known(operation, name)

    async def delete(
        self, name: ObjectName, *, precondition: Precondition | None = None
    ) -> Mapping[str, str]:
        """Delete an object; one that is not there is a success. Safe when this returns (I1).

        Returns what the external store said of it (a version, ...), if it was asked. With a `precondition`, raises as `put`.
        """
        checked(name)
        with await self._way(Operation.DELETE, name, precondition, None) as hold:
            if hold.direct:
                return await self._writing.delete_through(name, precondition)
            await self._writing.delete_here(name, hold)
            return {}

    async def _way(
        self,
        operation: Operation,
        name: ObjectName,
        precondition: Precondition | None,
        announced: int | None,
    ) -> Hold:
        """Hold the key for a write, which goes to the external store, or to the journal.

        There, a condition that fails already is refused before a large body comes; a small one
        comes in any case, so that its sender is there to hear the answer. And while a write is
        under way that may yet be acknowledged, nobody can tell whether a condition holds.
        """
        fenced = precondition is not None
        step = step_of(self._context, operation, name) if fenced else self._step(operation, name)
        direct = step is Step.TRY_EXTERNAL
        if direct and (hold := hold_directly(self._context, name, fenced=fenced)) is not None:
            return hold
        hold = self._doubts.behind(name)
        if precondition is None:
            return hold
        try:
            if hold.rival and self._context.journal.newest(name) is None:
                raise OvertakenError(name)  # noqa: TRY301 - the hold is given back in one place
            look = self._reads.look
            hold.condition = await condition_here(self._context, name, precondition, look)
            if announced is None or announced > INLINE_MAX:
                self._context.journal.decide(name, hold.condition)
        except BaseException:
            hold.release()
            raise
        return hold

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
                    attributes=_copied(reading.info.attributes)
                    if attributes is None
                    else attributes,
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
        whole = ObjectName(bucket, "")
        told = not self._doubts.is_row_behind(whole)
        known = index.is_complete(bucket) and index.is_sure(bucket, prefix)
        step = self._step(Operation.LIST, whole, complete=told and (known or not lists))
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
            raise self._reads.failed(ObjectName(bucket, prefix), error) from error
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

    def _step(self, operation: Operation, name: ObjectName, *, complete: bool = False) -> Step:
        """Ask the routing table."""
        held, state = held_of(self._context, name), self._context.link.state()
        if held is Held.NOTHING and self._doubts.near(name):
            held = Held.DOUBT
        policy = self._context.writes.policy
        return route(operation, state, held, policy, complete=complete)


def _copied(attributes: Attributes) -> Attributes:
    """The attributes of a copy: a checksum of checksums, of an object that came in parts, is not its."""
    s3 = attributes.s3
    if s3.get("x-amz-checksum-type") != "COMPOSITE":
        return attributes
    kept = {name: text for name, text in s3.items() if not name.startswith("x-amz-checksum-")}
    return replace(attributes, s3=kept)
