"""What objects are, beyond what a list says: their attributes, for HEAD in an outage.

A scan gives size, ETag and time. The rest is asked for, object by object, after the scan and
whenever the leader finds an object whose attributes are not known; what is left to ask stands in the
catalog, so it goes on after any interruption. Reads that the external store answers teach it, too.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from nobreak.engine.context import Context
from nobreak.engine.holding import is_being_written
from nobreak.engine.looking import look_at, look_whole
from nobreak.engine.names import is_odd
from nobreak.engine.reading import as_known, is_same
from nobreak.errors import LocalStoreError, NotFoundError, OutOfSpaceError, RefusedError
from nobreak.words import ObjectInfo, ObjectName, Receipt

AT_ONCE = 8
"""How many objects are asked for at the same time."""
PAGE = 200


async def learn_all(context: Context, bucket: str, progress: Callable[[int], None]) -> int:
    """Ask for all attributes that the catalog lacks of this bucket; of how many objects.

    `progress` hears how many have been asked for. Raises `OutageError` when the external store is
    away: what was learnt stays.
    """
    await context.index.ask_again(bucket)
    asked, after = 0, ""
    while page := await learn_some(context, bucket, after, PAGE):
        asked += len(page)
        after = page[-1].name.key
        progress(asked)
    return asked


async def learn_some(context: Context, bucket: str, after: str, limit: int) -> Sequence[ObjectInfo]:
    """Ask for the attributes of at most `limit` objects with keys above `after`; which these were.

    Raises as `learn_all`.
    """
    page = context.index.partial(bucket, after, limit)
    waiting = iter(page)
    workers = (_learn_each(context, waiting) for _ in range(AT_ONCE))
    for failure in await asyncio.gather(*workers, return_exceptions=True):
        if failure is not None:
            raise failure
    return page


async def _learn_each(context: Context, waiting: Iterator[ObjectInfo]) -> None:
    try:
        for seen in waiting:
            await _learn(context, seen)
    finally:
        for _ in waiting:  # after a failure, nobody asks for the rest
            pass


async def _learn(context: Context, seen: ObjectInfo) -> None:
    """Ask for one object, of which the catalog's row says `seen`."""
    name = seen.name
    try:
        info = await look_whole(context, name)
    except NotFoundError:
        # Some servers keep such a key under another name: their list is right, all the same.
        await (context.index.refused(name) if is_odd(name.key) else look_at(context, name))
    except RefusedError:
        await context.index.refused(name)
    else:
        if not info.whole:
            await context.index.refused(name)
        elif not await context.index.learn(seen, info):
            await look_at(context, name)


async def teach(
    context: Context,
    name: ObjectName,
    known: tuple[ObjectInfo, Receipt] | None,
    info: ObjectInfo | None,
) -> None:
    """A read was answered by the external store: what that says of the catalog's row.

    `known`: the row before the read; `info`: the object with the external store's own ETag, None where
    there is none. If somebody wrote meanwhile it says nothing, but that the version of `known` is over:
    when this returns no copy of it can answer, in no process, after what its reader is told (I2).
    """
    same = info is not None and known is not None and is_same(info, *known)
    if known is not None and known[0].whole and not same and context.cache.relied_on:
        await _outdate(context, known[0])
    if is_odd(name.key) or not context.index.follows(name.bucket):
        return
    if info is not None and known is not None and same:
        if info.whole and not known[0].whole:
            attributes = as_known(info, known, context.external.traits).attributes
            context.index.learn_soon(known[0], replace(info, attributes=attributes))
    elif (info, known) != (None, None) and _is_quiet(context, name, known):
        context.index.distrust_soon(name)


async def _outdate(context: Context, seen: ObjectInfo) -> None:
    """The read goes on when the catalog can't be told, if at least the copy can be removed."""
    try:
        await context.index.outdate(seen)
    except (LocalStoreError, OutOfSpaceError):
        context.index.missed(seen.name.bucket, for_good=True)
        await context.cache.outdated(seen.name)


def _is_quiet(context: Context, name: ObjectName, known: tuple[ObjectInfo, Receipt] | None) -> bool:
    """Whether no write through nobreak explains that the row is not what was read."""
    return not is_being_written(context, name) and context.catalog.get(name) == known
