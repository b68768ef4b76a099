"""What can be answered while the external store is away: by what the catalog is sure of (I2)."""

from functools import partial

from nobreak.engine.cache import Version
from nobreak.engine.context import Context
from nobreak.engine.names import is_odd
from nobreak.engine.reading import LocalReading
from nobreak.errors import (
    CorruptBodyError,
    NotFoundError,
    RangeNotSatisfiableError,
    UnavailableError,
)
from nobreak.stores.copies import Copy
from nobreak.words import ByteRange, ObjectInfo, ObjectName, RangeRequest

AWAY = "the external store is away, and only it has this object"


def is_sure_of(context: Context, name: ObjectName) -> bool:
    """Whether the catalog knows if there is such an object, and which version of it is the newest.

    It does where it holds all objects of the bucket. Of a key that some servers keep under another
    name a list proves nothing. Where the server chooses names, no object can be reached but through
    the catalog.
    """
    if context.external.traits.chooses_names:
        return True
    index = context.index
    return (
        not is_odd(name.key)
        and index.is_complete(name.bucket)
        and index.is_sure(name.bucket, name.key)
    )


def copy_of_newest(context: Context, name: ObjectName) -> Copy | None:
    """The copy in the cache, if it is of the newest version that anybody here knows of.

    That of a key which the catalog knows is enough: with a cache, each write is in the catalog before
    it is acknowledged. A key that waits to be looked at (its row is not whole) is not, nor one that
    servers may keep under another name.
    """
    cache, index = context.cache, context.index
    if not cache.enabled or index.lacks(name.bucket):
        return None
    if is_odd(name.key) and not context.external.traits.chooses_names:
        return None
    known = context.catalog.get(name)
    if known is None or not known[0].whole:
        return None
    return cache.find(Version.of(*known, context.external.traits))


def head_of_copy(context: Context, name: ObjectName) -> ObjectInfo:
    """The object that the cache has a copy of. Raises `UnavailableError`."""
    known = context.catalog.get(name)
    if known is None:
        raise UnavailableError(f"{name}: {AWAY}")
    return known[0]


async def read_away(
    context: Context, name: ObjectName, range_: RangeRequest | None
) -> LocalReading:
    """Read from the cache. Raises `RangeNotSatisfiableError`, and `UnavailableError` without a good copy."""
    while (copy := copy_of_newest(context, name)) is not None:
        info = context.catalog.get(name)
        size = copy.fingerprint.size
        part = ByteRange(0, size) if range_ is None else range_.resolve(size)
        if part is None:
            raise RangeNotSatisfiableError(name, size)
        reader = await context.cache.read(copy)
        if reader is None or info is None:
            break
        if copy_of_newest(context, name) == copy:
            return LocalReading(info[0], reader, part, partial(_spoilt, context, copy))
        await reader.aclose()  # overwritten meanwhile
    raise UnavailableError(f"{name}: {AWAY}")


def _spoilt(context: Context, copy: Copy, error: CorruptBodyError) -> None:
    """Damaged, as the end of a large copy has shown: its reader may ask again, and is not told it is whole."""
    context.background.start(context.cache.spoilt(copy, error))
    raise UnavailableError(f"{copy.name}: {AWAY}") from error


def head_away(context: Context, name: ObjectName) -> ObjectInfo:
    """An object as the catalog, which is sure of it, knows it.

    Raises `NotFoundError`, and `UnavailableError` where its attributes are not known.
    """
    known = context.catalog.get(name)
    if known is None:
        raise NotFoundError(name)
    if not known[0].whole:
        raise UnavailableError(f"{name}: the external store is away, and only it knows its headers")
    return known[0]


def get_away(context: Context, name: ObjectName) -> UnavailableError | NotFoundError:
    """Why an object that the catalog is sure of can't be read now."""
    if context.catalog.get(name) is None:
        return NotFoundError(name)
    return UnavailableError(f"{name}: {AWAY}")
