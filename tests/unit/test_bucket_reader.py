"""engine.buckets: the list of buckets is read again soon when the external store failed to give it."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from nobreak.core.routing import Link
from nobreak.engine import buckets
from nobreak.engine.buckets import BucketReader
from nobreak.errors import OutageError, OutageKind, RefusedError
from nobreak.stores.external.s3 import S3Store
from nobreak.words import BucketInfo

FOUND = [BucketInfo("b", datetime(2026, 1, 2, tzinfo=UTC))]
BUSY = OutageError(OutageKind.TIMEOUT, "no answer in time", in_doubt=False)
FORBIDDEN = RefusedError(403, "AccessDenied", "no")


class Lists(S3Store):
    """One that gives these answers, one after the other, then the list."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def list_buckets(self):
        if self.answers:
            raise self.answers.pop(0)
        return FOUND


class Known:
    """What was put down; the first `overtaken` times a change came between."""

    def __init__(self, overtaken=0):
        self.overtaken = overtaken
        self.found = None

    def version(self):
        return 1

    async def replace(self, found, _version, _now):
        if self.overtaken:
            self.overtaken -= 1
            return False
        self.found = found
        return True


async def found_soon(external, known, monkeypatch):
    monkeypatch.setattr(buckets, "FAILED_FOR", 0.01)
    monkeypatch.setattr(buckets, "OVERTAKEN_FOR", 0.01)
    context = SimpleNamespace(
        external=external,
        buckets=known,
        link=SimpleNamespace(state=lambda: Link.OPEN),
        now=lambda: 0.0,
    )
    with suppress(TimeoutError):
        await asyncio.wait_for(BucketReader(context).run(), 0.3)
    return known.found


@pytest.mark.parametrize(
    ("answers", "overtaken", "found"),
    [((), 0, FOUND), ((BUSY, BUSY), 0, FOUND), ((), 2, FOUND), ((FORBIDDEN,), 0, None)],
    ids=["at once", "busy", "changed meanwhile", "not allowed"],
)
async def test_the_list_is_had_soon_but_not_asked_for_in_vain(
    monkeypatch, answers, overtaken, found
):
    """An outage may begin within a minute of the start: then nobody could be told of buckets."""
    assert await found_soon(Lists(*answers), Known(overtaken), monkeypatch) == found
