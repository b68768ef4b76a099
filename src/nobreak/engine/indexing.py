"""The index is kept: scans of the external store, and looks at what changed past us (I2).

A bucket is scanned when a person asks for it (`nobreak index`); from then on every write through
nobreak keeps its catalog complete. Whatever may have been missed (a crash, an answer that never came,
an operation that we don't know) makes it incomplete, and the leader scans it again.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from nobreak.core.routing import Link
from nobreak.engine.context import Context
from nobreak.engine.learning import learn_all, learn_some
from nobreak.engine.looking import look_at
from nobreak.errors import ExternalError, RefusedError, UnavailableError
from nobreak.stores.external.probes import CANARY_PREFIX
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.known import Indexed

LOOK_EVERY = 1.0
"""How often the leader looks for buckets to scan (seconds)."""
BETWEEN_PAGES = 0.02
"""What a scan leaves to others between two pages (seconds)."""
AFTER_FAILURE = 30.0
"""When a scan that failed is tried again (seconds)."""
LOOKS_AT_ONCE = 100
"""How many distrusted keys, and how many objects without attributes, the leader looks at in a row."""
OVERTAKEN = "this scan was overtaken by another one, or by a crash"


async def scan(context: Context, bucket: str, progress: Callable[[int], None] | None = None) -> int:
    """Read a whole bucket, and make its catalog complete; how many objects were seen.

    Raises `ExternalError` when the external store fails, and `UnavailableError` when another scan
    began meanwhile, or something was missed.
    """
    number = await context.index.begin_scan(bucket)
    try:
        return await _read(context, bucket, number, progress or (lambda _seen: None))
    except RefusedError as error:
        await (context.index.forget(bucket) if error.not_found else context.index.doubt(bucket))
        raise
    except BaseException:
        await context.index.abandon_scan(bucket, number)
        raise


async def _read(context: Context, bucket: str, number: int, progress: Callable[[int], None]) -> int:
    """The scan with this number, to its end."""
    index, seen = context.index, 0
    async for page in context.external.pages(bucket):
        objects = [each for each in page if not each.name.key.startswith(CANARY_PREFIX)]
        if not await index.take_page(bucket, number, objects):
            raise UnavailableError(f"{bucket}: {OVERTAKEN}")
        seen += len(page)
        progress(seen)
        await asyncio.sleep(BETWEEN_PAGES)
    if not await index.end_scan(bucket, number, context.now()):
        raise UnavailableError(f"{bucket}: {OVERTAKEN}")
    return seen


class Indexing:
    """What people ask of the index."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @property
    def needed(self) -> bool:
        """Whether the external store can list at all; else the catalog is complete by nature."""
        return self._context.external.traits.lists

    async def all_buckets(self) -> Sequence[str]:
        """The buckets of the external store. Raises `ExternalError`."""
        external = self._context.external
        if isinstance(external, S3Store):
            return [each.name for each in await external.list_buckets()]
        return (self._context.writes.bucket,)

    async def scan(self, bucket: str, progress: Callable[[int], None] | None = None) -> int:
        """See `scan`."""
        return await scan(self._context, bucket, progress)

    async def learn(self, bucket: str, progress: Callable[[int], None] | None = None) -> int:
        """Ask for the attributes that a scan does not give. See `learn_all`."""
        return await learn_all(self._context, bucket, progress or (lambda _asked: None))

    def buckets(self) -> Sequence[Indexed]:
        """What the index holds."""
        return self._context.index.buckets()


class Indexer:
    """Scans what is due while the external store is well. The leader runs it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._not_before: dict[str, float] = {}

    async def run(self) -> None:
        """Scan until cancelled; after each outage all buckets, since others may have written."""
        away = False
        while True:
            if self._context.link.state() is not Link.OPEN:
                away = True
            else:
                if away:
                    await self._context.index.revalidate()
                away = False
                await self._look_at_some()
                await self._scan_some()
                await self._learn_some()
            await asyncio.sleep(LOOK_EVERY)

    async def _look_at_some(self) -> None:
        for name in self._context.index.unsure(self._context.now(), LOOKS_AT_ONCE):
            await look_at(self._context, name)

    async def _learn_some(self) -> None:
        index = self._context.index
        for bucket in filter(index.is_complete, index.followed()):
            with suppress(ExternalError, UnavailableError):
                await learn_some(self._context, bucket, "", LOOKS_AT_ONCE)

    async def _scan_some(self) -> None:
        now = asyncio.get_running_loop().time()
        for bucket in self._context.index.due():
            if now < self._not_before.get(bucket, 0.0):
                continue
            try:
                await scan(self._context, bucket)
            except (ExternalError, UnavailableError):
                self._not_before[bucket] = now + AFTER_FAILURE
