"""What is known of the external store's buckets (I2)."""

from datetime import UTC, datetime

from nobreak.stores.interfaces import Draft
from nobreak.words import BucketInfo, EntryKind, ObjectName, Receipt

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def names(buckets):
    return [each.name for each in buckets.all()]


async def test_nobody_knows_all_before_the_list_was_read(buckets):
    assert not buckets.are_all()
    await buckets.add(BucketInfo("b", WHEN))
    assert not buckets.are_all()
    assert await buckets.replace([BucketInfo("c", WHEN)], buckets.version(), 5.0)
    assert buckets.are_all()
    assert names(buckets) == ["c"]
    assert buckets.get("c") == BucketInfo("c", WHEN)
    assert buckets.get("b") is None


async def test_a_list_that_was_overtaken_is_not_believed(buckets):
    version = buckets.version()
    await buckets.add(BucketInfo("new", WHEN))
    assert not await buckets.replace([], version, 5.0)
    assert names(buckets) == ["new"]
    version = buckets.version()
    await buckets.remove("new")
    assert not await buckets.replace([BucketInfo("new", WHEN)], version, 5.0)
    assert names(buckets) == []


async def test_what_the_drain_makes_and_deletes_is_known(ledger):
    name, journal = ObjectName("b", ""), ledger.journal
    for kind, known in ((EntryKind.PUT, ["b"]), (EntryKind.DELETE, [])):
        entry = (await journal.append(Draft(name, kind), 1.0)).entry
        await journal.confirm(entry, Receipt(), 2.0, 0.0)
        assert names(ledger.buckets) == known
