"""Conditional writes: who decides them, before, during and after an outage.

A key that the journal holds is decided by the journal, in the transaction that appends the write:
of rivals in any process one wins. Else the external store decides, with the write itself or, where
the write must go through the journal, by a look just before. When it can't be asked, what we last
saw of the key decides, and if we know nothing of it nobody does: 503 (I2).
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from nobreak.core.routing import Held, Link, Operation, Step, route
from nobreak.engine.context import Context
from nobreak.engine.holding import held_of
from nobreak.errors import NotFoundError, UndecidedError
from nobreak.stores.interfaces import Condition, Look
from nobreak.words import ObjectInfo, ObjectName, Precondition, Receipt, WritePolicy

Head = Callable[[ObjectName, Receipt | None], Awaitable[ObjectInfo]]
"""Asks the external store for an object, in bounded time."""


def step_of(context: Context, operation: Operation, name: ObjectName) -> Step:
    """Where a conditional write goes first. Only the external store may know: no write-back."""
    held = held_of(context, name)
    decides = context.external.traits.decides
    if held is Held.NOTHING and (not decides or context.doubts.unfenced(name)):
        held = Held.DOUBT
    return route(operation, context.link.state(), held, WritePolicy.THROUGH)


async def condition_here(
    context: Context, name: ObjectName, precondition: Precondition, head: Head
) -> Condition:
    """The condition of a write that goes to the journal, with a look at what that can't know.

    Raises what `head` raises, and `UndecidedError`.
    """
    if context.link.state() is not Link.OPEN or context.journal.newest(name) is not None:
        condition = Condition(precondition)
        check_row(context, name, condition)
        return condition
    known = context.catalog.get(name)
    row = None if known is None else etags_of(*known)
    try:
        found = await head(name, known[1] if known else None)
    except NotFoundError:
        return Condition(precondition, Look(None, row))
    etags = {found.etag}
    if row is not None and found.etag in row:
        etags |= row
    return Condition(precondition, Look(frozenset(etags), row))


def check_row(context: Context, name: ObjectName, condition: Condition | None) -> None:
    """Whether a condition can be decided by what was last seen, where the journal holds nothing.

    Raises `UndecidedError` when that is known to be behind.
    """
    if condition is None or condition.look is not None:
        return
    if context.doubts.is_row_behind(name) and context.journal.newest(name) is None:
        raise UndecidedError(name)


def as_they_know_it(context: Context, name: ObjectName, asked: Precondition) -> Precondition:
    """The condition with the external store's own ETag in place of the one that we gave out."""
    alias = context.catalog.alias(name)
    if alias is None or asked.etags is None or alias.ours not in asked.etags:
        return asked
    return replace(asked, etags=(asked.etags - {alias.ours}) | {alias.theirs})


def etags_of(info: ObjectInfo, receipt: Receipt) -> frozenset[str]:
    """All ETags that an object of the catalog is known by."""
    return frozenset(etag for etag in (info.etag, receipt.etag) if etag)
