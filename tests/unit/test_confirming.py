"""Confirmed, then forgotten (I3): what counts as held, and which old files are deleted."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from tests.support.scripted import ScriptedStore, connection_refused

from nobreak.engine.confirming import discard_old, holds
from nobreak.errors import OutageError, RefusedError
from nobreak.stores.external.base import Traits
from nobreak.words import (
    Attributes,
    Entry,
    EntryKind,
    EntryState,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    Receipt,
)

ORDINARY = Traits(keeps_attributes=True, chooses_names=False, lists=True)
CHOOSING = Traits(keeps_attributes=False, chooses_names=True, lists=False)
NAME = ObjectName("b", "k")


def context(external):
    return SimpleNamespace(external=external)


def entry(kind, content=b""):
    md5 = "900150983cd24fb0d6963f7d28e17f72"  # of "abc"
    fingerprint = Fingerprint(len(content), md5) if kind is EntryKind.PUT else None
    return Entry(1, NAME, kind, EntryState.PENDING, fingerprint, Attributes(), acked_at=0.0)


async def test_a_put_is_held_when_the_bytes_are_there():
    external = ScriptedStore()
    put = entry(EntryKind.PUT, b"abc")
    assert not await holds(context(external), put, Receipt())
    external.objects[NAME] = (b"abd", Attributes())
    assert not await holds(context(external), put, Receipt())
    external.objects[NAME] = (b"abc", Attributes())
    assert await holds(context(external), put, Receipt())


async def test_a_delete_is_held_when_nothing_is_there():
    external = ScriptedStore()
    delete = entry(EntryKind.DELETE)
    assert await holds(context(external), delete, Receipt())
    external.objects[NAME] = (b"abc", Attributes())
    assert not await holds(context(external), delete, Receipt())
    external.always = connection_refused
    with pytest.raises(OutageError):
        await holds(context(external), delete, Receipt())


async def test_a_delete_where_the_server_chooses_names_needs_no_look():
    """Its file can't be found any more, and an object of that key may exist by another name."""
    external = ScriptedStore(traits=CHOOSING)

    async def head(name, *, receipt):
        return ObjectInfo(name, 3, "", datetime.now(UTC))

    external.head = head
    assert await holds(context(external), entry(EntryKind.DELETE), Receipt())


class Deleting(ScriptedStore):
    def __init__(self, traits, failure=None):
        super().__init__(traits=traits)
        self.deleted, self.failure = [], failure

    async def delete(self, name, *, receipt):
        self.deleted.append(receipt.remote)
        if self.failure:
            raise self.failure


@pytest.mark.parametrize(
    ("traits", "old", "new", "deleted"),
    [
        (CHOOSING, "old", "new", ["old"]),
        (CHOOSING, "same", "same", []),
        (CHOOSING, "", "new", []),
        (ORDINARY, "old", "new", []),
    ],
    ids=["another file", "the same file", "no old file", "a server that keeps our names"],
)
async def test_only_an_old_file_that_nothing_needs_is_deleted(traits, old, new, deleted):
    """I1: a server that gave the same name again would lose the new bytes."""
    external = Deleting(traits)
    await discard_old(context(external), NAME, Receipt(remote=old), Receipt(remote=new))
    assert external.deleted == deleted


async def test_an_old_file_that_cannot_be_deleted_is_nobodys_trouble():
    external = Deleting(CHOOSING, RefusedError(405, "MethodNotAllowed", ""))
    await discard_old(context(external), NAME, Receipt(remote="old"), Receipt(remote="new"))
    assert external.deleted == ["old"]
