"""Buckets: as the external store has them, with those that the journal makes and deletes laid over.

In the journal a bucket is an entry with an empty key. The drain makes it before anything goes into it,
and deletes it after everything that was to happen in it.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import Enum, auto

from nobreak.core.routing import Link
from nobreak.engine.attempt import read_within
from nobreak.engine.context import Context
from nobreak.errors import ExternalError, OutageError, UnavailableError
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.interfaces import Draft
from nobreak.words import BucketInfo, Entry, EntryKind, ObjectName

PAGE = 1000
READ_EVERY = 60.0
"""How often the leader reads the list of buckets: others make some, too (seconds)."""
OVERTAKEN_FOR = 0.5
"""When it is read again after a change came between (seconds)."""
FAILED_FOR = 2.0
"""When it is read again after the external store failed to answer (seconds)."""
AWAY = "the external store is away, and only it knows this bucket"


class Presence(Enum):
    """What we can say of a bucket without the external store."""

    THERE = auto()
    GONE = auto()
    UNKNOWN = auto()


class Buckets:
    """What can be done with buckets while the external store is away, or the journal holds some."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def pending(self, bucket: str) -> Entry | None:
        """The newest entry that makes or deletes this bucket, if the journal holds one."""
        return self._context.journal.newest(ObjectName(bucket, ""))

    def holds_any(self) -> bool:
        """Whether the journal makes or deletes any bucket."""
        return bool(self._context.journal.bucket_entries())

    def has_pending(self, bucket: str) -> bool:
        """Whether the journal holds anything of this bucket, or in it."""
        if self.pending(bucket) is not None:
            return True
        return bool(self._context.journal.page(bucket, "", "", 1))

    def presence(self, bucket: str) -> Presence:
        """What is known here of a bucket (I2)."""
        context, entry = self._context, self.pending(bucket)
        if entry is not None:
            return Presence.THERE if entry.kind is EntryKind.PUT else Presence.GONE
        if context.buckets.get(bucket) is not None or not isinstance(context.external, S3Store):
            return Presence.THERE  # other kinds have folders, which come and go with their objects
        sure = context.buckets.are_all() and bucket != context.writes.bucket  # we make that one
        return Presence.GONE if sure else Presence.UNKNOWN

    async def all(self) -> list[BucketInfo]:
        """All buckets, by name. Raises `UnavailableError` when they can't be known now (I2)."""
        by_name = {each.name: each for each in await self._below_the_journal()}
        for entry in self._context.journal.bucket_entries():
            if entry.kind is EntryKind.DELETE:
                by_name.pop(entry.name.bucket, None)
            else:
                by_name.setdefault(entry.name.bucket, self._made(entry.name.bucket, entry.acked_at))
        return [by_name[name] for name in sorted(by_name)]

    async def _below_the_journal(self) -> Sequence[BucketInfo]:
        context, known = self._context, self._context.buckets
        external = context.external
        if not isinstance(external, S3Store):
            return [self._made(context.writes.bucket, 0.0), *known.all()]
        if context.link.state() is not Link.OPEN:
            if not known.are_all():
                raise UnavailableError("the external store is away, and only it knows all buckets")
            return known.all()
        try:
            return await read_within(external.list_buckets(), context.writes.divert_after)
        except OutageError as error:
            context.link.failed(ObjectName("", ""), error)
            raise UnavailableError(f"the external store failed: {error}") from error

    async def make(self, bucket: str, *, doubtful: bool = False) -> None:
        """Take the making of a bucket into the journal (I1)."""
        draft = Draft(ObjectName(bucket, ""), EntryKind.PUT, doubtful=doubtful)
        await self._context.journal.append(draft, self._context.now())

    async def delete(self, bucket: str) -> None:
        """Take the deletion of a bucket, which must be known to be empty, into the journal."""
        draft = Draft(ObjectName(bucket, ""), EntryKind.DELETE)
        await self._context.journal.append(draft, self._context.now())

    def is_new(self, bucket: str) -> bool:
        """Whether the external store can't have any object of it: the journal alone makes it."""
        context, entry = self._context, self.pending(bucket)
        made_here = entry is not None and entry.kind is EntryKind.PUT and not entry.doubtful
        return made_here and context.buckets.are_all() and context.buckets.get(bucket) is None

    def holds_objects(self, bucket: str) -> bool:
        """Whether the journal puts any object into it."""
        after, more = "", True
        while more:
            page = self._context.journal.page(bucket, "", after, PAGE)
            if any(entry.kind is EntryKind.PUT for entry in page):
                return True
            more = len(page) == PAGE
            after = page[-1].name.key if page else ""
        return False

    async def note_made(self, bucket: str) -> None:
        """The external store has made this bucket just now."""
        await self._context.buckets.add(self._made(bucket, self._context.now()))

    def _made(self, bucket: str, at: float) -> BucketInfo:
        return BucketInfo(bucket, datetime.fromtimestamp(at, UTC))

    async def note_deleted(self, bucket: str) -> None:
        """The external store has deleted this bucket just now."""
        await self._context.buckets.remove(bucket)


class BucketReader:
    """Reads the list of buckets now and then, so that it can be had in an outage. The leader runs it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Read until cancelled."""
        external = self._context.external
        if not isinstance(external, S3Store):
            await asyncio.Event().wait()
            return
        while True:
            await asyncio.sleep(await self._read(external))

    async def _read(self, external: S3Store) -> float:
        """In how many seconds the list is to be read again.

        Soon when a bucket was made or deleted meanwhile, for then it is not to be believed.
        """
        known = self._context.buckets
        while self._context.link.state() is not Link.OPEN:
            await asyncio.sleep(0.5)
        version = known.version()
        try:
            found = await external.list_buckets()
        except OutageError:
            return FAILED_FOR  # an outage may come before the next minute
        except ExternalError:
            return READ_EVERY  # who may not list them, can't be told of them in an outage
        replaced = await known.replace(found, version, self._context.now())
        return READ_EVERY if replaced else OVERTAKEN_FOR
