"""Requests that write to the external store, and the bodies that they take along."""

from collections.abc import AsyncIterable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, cast

from nobreak.engine.conditional import as_they_know_it
from nobreak.engine.context import Context
from nobreak.errors import BodyMismatchError
from nobreak.stores.external.base import DecidingStore, Trailer
from nobreak.stores.local.spool import Spool
from nobreak.words import Attributes, Fingerprint, ObjectName, Precondition, Receipt

Source = bytes | AsyncIterable[bytes]


@dataclass(frozen=True, slots=True)
class NewObject:
    """A PUT. `md5` in hexadecimal, if it was announced. `trailer` belongs to the attributes."""

    name: ObjectName
    source: Source
    attributes: Attributes
    md5: str | None = None
    trailer: Trailer | None = None
    precondition: Precondition | None = None

    @property
    def complete(self) -> Attributes:
        """All attributes, once the body has come to its end."""
        trailer = self.trailer
        if trailer is None:
            return self.attributes
        further = {**self.attributes.s3, trailer.name: trailer.value()}
        return replace(self.attributes, s3=further)


def put_outside(context: Context, new: NewObject, spool: Spool) -> Coroutine[Any, Any, Receipt]:
    """The request that writes an object, with its condition as the external store knows it."""
    precondition = new.precondition
    if not context.external.traits.decides or (precondition is None and new.trailer is None):
        return context.external.put(new.name, spool, new.attributes)
    external = cast("DecidingStore", context.external)
    if precondition is not None:
        precondition = as_they_know_it(context, new.name, precondition)
    return external.put(
        new.name, spool, new.attributes, precondition=precondition, trailer=new.trailer
    )


def delete_outside(
    context: Context, name: ObjectName, receipt: Receipt | None, precondition: Precondition | None
) -> Coroutine[Any, Any, Receipt | None]:
    """The request that deletes an object, with its condition as the external store knows it."""
    if precondition is None:
        return context.external.delete(name, receipt=receipt)
    external = cast("DecidingStore", context.external)
    precondition = as_they_know_it(context, name, precondition)
    return external.delete(name, receipt=receipt, precondition=precondition)


async def taken_in(new: NewObject, announced: int) -> NewObject:
    """The same PUT with its small body here and its trailer among the attributes.

    As a header every server takes a checksum; as a trailer, not every one does. Raises
    `BodyMismatchError`, and whatever the source raises.
    """
    if isinstance(new.source, bytes):
        return replace(new, attributes=new.complete, trailer=None)
    body = bytearray()
    async for chunk in new.source:
        body += chunk
        if len(body) > announced:
            raise BodyMismatchError(f"the body is longer than the announced {announced} bytes")
    return replace(new, source=bytes(body), attributes=new.complete, trailer=None)


async def fill(spool: Spool, source: Source, md5: str | None) -> Fingerprint:
    """Take a whole body in. Raises `BodyMismatchError` and whatever `source` raises."""
    if isinstance(source, bytes):
        await spool.write(source)
    else:
        async for chunk in source:
            await spool.write(chunk)
    return await spool.finish(md5)
