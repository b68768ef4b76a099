"""Look at an object of the external store again: it may have changed past the catalog (I2)."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from nobreak.core.routing import Link
from nobreak.engine.attempt import read_within
from nobreak.engine.calm import settle_time
from nobreak.engine.context import Context
from nobreak.engine.reading import as_known
from nobreak.errors import ExternalError, LocalStoreError, NotFoundError, OutOfSpaceError
from nobreak.stores.external.s3 import S3Store
from nobreak.words import ObjectInfo, ObjectName

LOOKS = 3
"""How often a key is looked at again at once that others write meanwhile."""


async def look_at(context: Context, name: ObjectName) -> None:
    """An object may have changed past the catalog: see what it is now.

    Until that is known its key is distrusted: the leader looks again. Where nobody relies on the
    catalog to be complete, what it knew of the object is forgotten.
    """
    try:
        await _look_at(context, name)
    except asyncio.CancelledError:
        context.index.distrust_soon(name)
        raise


async def _look_at(context: Context, name: ObjectName) -> None:
    if not context.index.follows(name.bucket):
        if context.catalog.get(name) is not None:
            await context.catalog.remove(name)
        return
    for _ in range(LOOKS):
        await context.index.distrust(name)
        if context.link.state() is not Link.OPEN:
            return
        try:
            info: ObjectInfo | None = await look_whole(context, name)
        except NotFoundError:
            info = None
        except ExternalError:
            return
        if await context.index.looked(name, info):
            return
    await context.index.distrust(name)  # it changes all the time: look when that is over


async def look_later(context: Context, name: ObjectName) -> None:
    """As `look_at`, when a request of unknown outcome can't land any more (I4).

    That is waited for whatever the local disk can't do meanwhile.
    """
    try:
        with _untold(context, name):
            if not context.index.follows(name.bucket):
                await look_at(context, name)
            await context.index.distrust(name, context.now() + 2 * context.writes.settle)
        await settle_time(context, name)
    except asyncio.CancelledError:
        context.index.distrust_soon(name)
        raise
    with _untold(context, name):
        await look_at(context, name)


@contextmanager
def _untold(context: Context, name: ObjectName) -> Iterator[None]:
    """What can't be written of the key is written later: until then it is distrusted."""
    try:
        yield
    except (LocalStoreError, OutOfSpaceError):
        context.index.distrust_soon(name)


async def look_whole(context: Context, name: ObjectName) -> ObjectInfo:
    """An object with the ETag that the external store gives it, and with all attributes that a read has.

    Not `whole` when some of them are refused. Raises as the external store's `head`.
    """
    external, known = context.external, context.catalog.get(name)
    if isinstance(external, S3Store):
        looking = external.look_whole(name)
        return await read_within(looking, context.writes.divert_after)
    receipt = known[1] if known else None
    looking = external.head(name, receipt=receipt)
    info = await read_within(looking, context.writes.divert_after)
    attributes = as_known(info, known, external.traits).attributes
    return replace(info, attributes=attributes, whole=True)
