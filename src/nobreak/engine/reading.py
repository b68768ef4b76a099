"""Answers to GET: the bytes come from the journal or from the external store."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace

from nobreak.engine.follower import Follower
from nobreak.engine.link import Link
from nobreak.errors import CorruptBodyError, OutageError, OutageKind
from nobreak.stores.external.base import Download, Traits
from nobreak.stores.local.kept import KeptBytes
from nobreak.words import Attributes, ByteRange, ObjectInfo, Receipt

LEAST = 0.05
"""What the first bytes get in any case (seconds): they may be here, waiting to be taken."""


class LocalReading:
    """The bytes of a journalled object, or of a range of it. A `Download`.

    `on_corrupt` hears of bytes that turn out to be damaged while they are read (I7).
    """

    def __init__(
        self,
        info: ObjectInfo,
        kept: KeptBytes,
        part: ByteRange,
        on_corrupt: Callable[[CorruptBodyError], None],
    ) -> None:
        self.info = info
        self.start = part.start
        self.length = part.length
        self._kept = kept
        self._on_corrupt = on_corrupt

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The bytes, once. Raises `CorruptBodyError` before damaged bytes are complete."""
        try:
            async for chunk in self._kept.chunks(self.start, self.start + self.length):
                yield chunk
        except CorruptBodyError as error:
            self._on_corrupt(error)
            raise

    async def aclose(self) -> None:
        """Close the body. May be called twice."""
        await self._kept.aclose()


class ExternalReading:
    """The bytes of an object that the external store sends. A `Download`.

    A server that stops sending is given up after `patience` seconds: the reader sees the
    answer end early and can ask again, it never hangs (I5). The first bytes have what is left
    of those seconds since `asked_at`, on the event loop's clock. `follower`: takes all bytes along.
    """

    def __init__(
        self,
        download: Download,
        info: ObjectInfo,
        link: Link,
        patience: float,
        asked_at: float,
        follower: Follower | None = None,
    ) -> None:
        self.info = info
        self.start = download.start
        self.length = download.length
        self._download = download
        self._link = link
        self._patience = patience
        self._asked_at = asked_at
        self._follower = follower

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The bytes, once. Raises `OutageError` when the external store fails in the middle."""
        chunks, loop = self._download.chunks(), asyncio.get_running_loop()
        deadline = max(self._asked_at + self._patience, loop.time() + LEAST)
        try:
            while True:
                try:
                    async with asyncio.timeout_at(deadline):
                        chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
                if self._follower is not None:
                    self._follower.take(chunk)
                yield chunk
                deadline = loop.time() + self._patience
        except TimeoutError as error:
            outage = OutageError(OutageKind.TIMEOUT, "no more bytes in time", in_doubt=False)
            self._link.failed(self.info.name, outage)
            raise outage from error
        except OutageError as error:
            self._link.failed(self.info.name, error)
            raise
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Release the connection. May be called twice."""
        if self._follower is not None:
            self._follower.end()
        await self._download.aclose()


Reading = LocalReading | ExternalReading
"""An answer to GET. Read `chunks()` once, and close it in all cases."""


def as_known(
    info: ObjectInfo, known: tuple[ObjectInfo, Receipt] | None, traits: Traits
) -> ObjectInfo:
    """What the external store said of an object, with what the catalog alone remembers.

    While the object is still the one that the catalog saw, it keeps the ETag that its writer was
    given, and the attributes where the external store can't keep them.
    """
    if known is None:
        return info
    seen, receipt = known
    unchanged = is_same(info, seen, receipt)
    etag = seen.etag if unchanged else info.etag or seen.etag
    remembered = seen.whole or seen.attributes != Attributes()
    alone = unchanged and remembered and not traits.keeps_attributes
    return replace(info, etag=etag, attributes=seen.attributes if alone else info.attributes)


def is_same(info: ObjectInfo, seen: ObjectInfo, receipt: Receipt) -> bool:
    """Whether what the external store says is of the version that the catalog saw."""
    return receipt.etag in {"", info.etag} and seen.size == info.size
