"""The cache: copies of objects that the external store has, for reads in an outage.

A copy answers only while the external store is away, and only for the version that the catalog
knows (I2). Taking copies in never fails, slows or waits for a client's request: it goes on behind it, and
when too much goes on, or the disk has no room, a copy is left out. When a write needs the room, the cache
gives way.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from nobreak.engine.background import Background
from nobreak.engine.follower import Follower
from nobreak.engine.giving_way import GivingWay
from nobreak.errors import CorruptBodyError, NobreakError
from nobreak.reporting.events import EventKind, Reporter
from nobreak.stores.copies import CacheTally, Copies, Copy
from nobreak.stores.external.base import Traits
from nobreak.stores.interfaces import KeptBody
from nobreak.stores.local.bodies import BodyStore
from nobreak.stores.local.copies import CopyFiles
from nobreak.stores.local.kept import KeptBytes, KeptReader
from nobreak.stores.local.spool import Spool
from nobreak.words import Fingerprint, ObjectInfo, ObjectName, Receipt

LARGEST_SHARE = 0.25
"""An object larger than this part of the cache is not taken in."""
AT_ONCE = 32
"""So many copies are taken in at the same time; what comes beyond is left out."""
IN_MEMORY = 32 * 1024 * 1024
"""So many bytes may wait in memory to be written into copies."""
NOTHING = -1
"""As a limit: no copy stays, not even one of an empty object."""
TOLD_AFTER = 2.0
"""How long requests are counted before the table is told of them (seconds)."""


class Version(NamedTuple):
    """A version of an object. `mark` tells it from all others.

    `since`: of one that comes in, the cache's moment before it was read or written.
    """

    name: ObjectName
    mark: str
    size: int
    since: int = 0

    @classmethod
    def of(cls, info: ObjectInfo, receipt: Receipt, traits: Traits, since: int = 0) -> "Version":
        """The version that the catalog knows.

        Where the external store gives no ETag, ours is that of the bytes, as S3's are. Those of other
        servers may be made of size and time: there the moment of the write belongs to the mark.
        """
        if traits.etags_of_bytes or not receipt.etag:
            return cls(info.name, receipt.etag or info.etag, info.size, since)
        written = round(info.modified.timestamp() * 1000)
        return cls(info.name, f"{receipt.etag} {written}", info.size, since)


class Cache:
    """See the module. `limit` in bytes; 0: there is no cache. `is_newest`: what the catalog says of a version."""

    def __init__(
        self,
        copies: Copies,
        files: CopyFiles,
        bodies: BodyStore,
        background: Background,
        reporter: Reporter,
        limit: int,
        is_newest: Callable[["Version"], bool],
    ) -> None:
        self._copies = copies
        self._is_newest = is_newest
        self._files = files
        self._bodies = bodies
        self._background = background
        self._reporter = reporter
        self._limit = limit
        self._under_way = 0
        self._waiting = 0
        """Bytes in memory."""
        self._asked: Counter[ObjectName] = Counter()
        self._served = 0
        self._telling = False
        self.way = GivingWay(copies, files, background)
        """For writes that need room."""

    @property
    def enabled(self) -> bool:
        """Whether there is one."""
        return self._limit > 0

    @property
    def moment(self) -> int:
        """What to remember before a version is read or written that is to come in."""
        return self._copies.moment() if self.enabled else 0

    @property
    def relied_on(self) -> bool:
        """Whether any process may answer from copies, so that no write may go unseen by the catalog.

        A command may run with other settings than the service.
        """
        return self.enabled or self._copies.are_any()

    async def open(self, *, leads: bool) -> None:
        """Make the folder. Who may lead keeps to the limit or, without a cache, removes what was one.

        A disk that fails keeps nobody from starting: a copy without its file is none.
        """
        with suppress(NobreakError):
            if self.enabled:
                await self._files.open()
                if leads and self._copies.tally().bytes > self._limit:
                    await self._files.remove(await self._copies.shrink(self._limit))
            elif leads:
                await self._files.clear()
                if self._copies.are_any():
                    await self._copies.shrink(NOTHING)

    def tally(self) -> CacheTally:
        """Counts and bytes."""
        return self._copies.tally()

    # What is here

    def find(self, version: Version) -> Copy | None:
        """The copy of just this version."""
        copy = self._copies.find(version.name) if self.enabled else None
        if copy is None or (copy.version, copy.fingerprint.size) != (version.mark, version.size):
            return None
        return copy

    async def read(self, copy: Copy) -> KeptReader | None:
        """The bytes of a copy; None, and the copy is forgotten, when it is gone or damaged."""
        try:
            reader = await self._files.read(copy.file, copy.fingerprint)
        except CorruptBodyError as error:
            await self.spoilt(copy, error)
            return None
        self._served += 1
        self.asked(copy.name)
        return reader

    async def spoilt(self, copy: Copy, error: CorruptBodyError) -> None:
        """A copy is gone, or damaged: it counts as none (I2), and this is said (I7)."""
        self._reporter.emit(EventKind.COPY_CORRUPT, name=str(copy.name), reason=str(error))
        with suppress(NobreakError):
            await self._files.remove([copy.file])
            await self._copies.drop(copy)

    def asked(self, name: ObjectName) -> None:
        """A copy was asked for, though perhaps the external store answered."""
        self._asked[name] += 1
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_later(TOLD_AFTER, self._tell)

    def _tell(self) -> None:
        self._copies.asked_soon(self._asked, self._served)
        self._asked, self._served, self._telling = Counter(), 0, False

    async def outdated(self, name: ObjectName) -> None:
        """There is a newer version, and the catalog could not be told: no copy may answer, in no process.

        Raises `LocalStoreError` when that can't be done either: then nobody may be told of the newer one.
        """
        copy = self._copies.find(name) if self.relied_on else None
        if copy is not None:
            await self._files.remove([copy.file])

    async def forget(self, bucket: str) -> None:
        """Any object of this bucket may have changed, in a way that nobody here saw."""
        if self.relied_on:
            await self._remove(await self._copies.forget(bucket))

    # What comes in

    def take_spool(self, version: Version, spool: Spool) -> None:
        """A body was written through, and is confirmed."""
        if not self._has_place_for(version.size):
            return
        spool.share()
        fingerprint = spool.fingerprint
        if spool.path is not None and fingerprint is not None:
            self._start(self._linked(version, spool.path, fingerprint), spool)
        else:
            self._start(self._written(version, spool.chunks(), spool.size or 0), spool)

    async def hold(
        self, name: ObjectName, kept: KeptBody, fingerprint: Fingerprint
    ) -> KeptBytes | str | None:
        """Before the body of an entry is let go: what `take_held` makes a copy of.

        None where it is too large, or can't be had.
        """
        if not name.key or not self._has_place_for(fingerprint.size):
            return None
        with suppress(NobreakError):
            if kept.file is not None:
                return await self._files.link(self._bodies.path(kept.file))
            return await self._bodies.open_kept(kept, fingerprint)
        return None

    def take_held(self, version: Version, held: KeptBytes | str, fingerprint: Fingerprint) -> None:
        """The external store has it now."""
        if isinstance(held, str):
            self._admit(version, fingerprint, held)
        else:
            self._start(self._written(version, held.chunks(), 0), held)

    async def let_go(self, held: KeptBytes | str) -> None:
        """It was not confirmed after all."""
        with suppress(NobreakError):
            await (self._files.remove([held]) if isinstance(held, str) else held.aclose())

    def follow(self, version: Version, md5: str | None = None) -> Follower | None:
        """A whole object is being read: its bytes make a copy, unless there is one.

        `md5`: what the external store states of them.
        """
        if not self.enabled:
            return None
        if self.find(version) is not None:
            self.asked(version.name)
            return None
        if not self._has_place_for(version.size) or self._waiting >= IN_MEMORY:
            return None
        follower = Follower(self.wait_with, md5)
        self._start(self._written(version, follower.chunks(), 0, follower), follower)
        return follower

    def wait_with(self, count: int) -> bool:
        """So many more bytes are in memory (less, when negative); whether that is all right."""
        self._waiting += count
        return self._waiting <= IN_MEMORY

    def _has_place_for(self, size: int) -> bool:
        return (
            self.enabled
            and size <= self._limit * LARGEST_SHARE
            and self._under_way < AT_ONCE
            and self._files.has_room_for(size)
        )

    def _start(self, work: Coroutine[Any, Any, None], source: Any) -> None:
        self._under_way += 1
        self._background.start(self._until_over(work, source))

    async def _until_over(self, work: Coroutine[Any, Any, None], source: Any) -> None:
        try:
            with suppress(NobreakError):  # a copy is left out
                await work
        finally:
            self._under_way -= 1
            await source.aclose()

    async def _linked(self, version: Version, path: Path, fingerprint: Fingerprint) -> None:
        file = await self._files.link(path)
        self._admit(version, fingerprint, file)

    async def _written(
        self,
        version: Version,
        chunks: AsyncIterator[bytes],
        in_memory: int,
        follower: Follower | None = None,
    ) -> None:
        self.wait_with(in_memory)
        try:
            file, fingerprint = await self._files.write(chunks)
        finally:
            self.wait_with(-in_memory)
        right = fingerprint.size == version.size and (
            follower is None or follower.is_right(fingerprint)
        )
        if right:
            self._admit(version, fingerprint, file)
        else:
            await self._files.remove([file])

    def _admit(self, version: Version, fingerprint: Fingerprint, file: str) -> None:
        if not self._is_newest(version):
            self._remove_soon([file])  # it was overwritten while it came in
            return
        copy = Copy(version.name, version.mark, fingerprint, file)
        self._copies.admit_soon(copy, version.since, self._limit, self._remove_soon)

    def _remove_soon(self, files: Sequence[str]) -> None:
        if files:
            self._background.start(self._remove(files))

    async def _remove(self, files: Sequence[str]) -> None:
        with suppress(NobreakError):  # the sweep finds them
            await self._files.remove(files)

    async def sweep(self) -> None:
        """Remove files that a crash left behind."""
        await self._files.sweep(self._copies.needs)
