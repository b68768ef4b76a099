"""Confirmed, then forgotten (I3): how an entry leaves the journal."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from nobreak.engine.cache import Version
from nobreak.engine.context import Context
from nobreak.errors import ExternalError, NotFoundError, RefusedError
from nobreak.reporting.events import EventKind
from nobreak.stores.interfaces import Left
from nobreak.stores.local.kept import KeptBytes
from nobreak.words import Entry, Fingerprint, ObjectInfo, ObjectName, Receipt

FORBIDDEN = 403


async def holds(context: Context, entry: Entry, receipt: Receipt) -> bool:
    """Whether the external store is now as this entry wants it. Raises `ExternalError`.

    It is asked only after the entry's own request was answered with success.
    """
    external = context.external
    if not entry.name.key:
        return True  # of a bucket, that success is all that can be known
    if entry.fingerprint is not None:
        fingerprint = _with_segments(context, entry, entry.fingerprint)
        return await external.holds(entry.name, fingerprint, receipt)
    if external.traits.chooses_names:
        return True  # the name is forgotten with the catalog's row: nobody can ask for it
    try:
        await external.head(entry.name, receipt=receipt)
    except NotFoundError:
        return True
    except RefusedError as error:
        # Who may not list a bucket gets 403 from AWS for a key that is not there. So this look
        # can't tell, and the success that the DELETE was answered with is all there will be.
        if error.status != FORBIDDEN:
            raise
        return True
    return False


def _with_segments(context: Context, entry: Entry, fingerprint: Fingerprint) -> Fingerprint:
    """The same, with the boundaries that reading it back needs."""
    if fingerprint.whole_md5 is not None:
        return fingerprint
    kept = context.journal.body(entry)
    segments = tuple(each.segment for each in kept.segments) if kept else ()
    return replace(fingerprint, segments=segments)


async def confirm(
    context: Context, entry: Entry, receipt: Receipt, *, settle: float, anew: bool = False
) -> Left:
    """The external store holds this version: let the entry go, or settle; `anew`: see `Journal`."""
    since, held = context.cache.moment, await _held_for_cache(context, entry)
    try:
        left = await context.journal.confirm(entry, receipt, context.now(), settle, anew=anew)
    except BaseException:
        if held is not None:
            await context.cache.let_go(held)
        raise
    if held is not None and entry.fingerprint is not None:
        version = _version(context, entry, entry.fingerprint, receipt, since)
        context.cache.take_held(version, held, entry.fingerprint)
    await clear_away(context, left)
    return left


def _version(
    context: Context, entry: Entry, fingerprint: Fingerprint, receipt: Receipt, since: int
) -> Version:
    """The version that the catalog knows once the entry was confirmed."""
    written = datetime.fromtimestamp(entry.acked_at, UTC)
    info = ObjectInfo(entry.name, fingerprint.size, fingerprint.etag, written)
    return Version.of(info, receipt, context.external.traits, since)


async def _held_for_cache(context: Context, entry: Entry) -> KeptBytes | str | None:
    if not context.cache.enabled or entry.fingerprint is None:
        return None
    kept = context.journal.body(entry)
    return None if kept is None else await context.cache.hold(entry.name, kept, entry.fingerprint)


async def clear_away(context: Context, left: Left) -> None:
    """Remove the bodies of what has left, and say what was superseded."""
    await context.bodies.release(left.files)
    for entry in left.superseded:
        context.reporter.emit(EventKind.ENTRY_SUPERSEDED, name=str(entry.name), seq=entry.seq)


async def discard_old(context: Context, name: ObjectName, old: Receipt, new: Receipt) -> None:
    """Where the server chooses names, an overwrite leaves the old file behind: delete it.

    At best: a server that fails or refuses keeps a file that nobody asks for any more.
    """
    if context.external.traits.chooses_names and old.remote and old.remote != new.remote:
        with suppress(ExternalError):
            await context.external.delete(name, receipt=old)
