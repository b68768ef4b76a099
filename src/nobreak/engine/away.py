"""What can be answered while the external store is away: by what the catalog is sure of (I2)."""

from nobreak.engine.context import Context
from nobreak.engine.names import is_odd
from nobreak.errors import NotFoundError, UnavailableError
from nobreak.words import ObjectInfo, ObjectName

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
