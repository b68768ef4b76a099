"""What every journal promises, whatever it is made of."""

import asyncio
import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nobreak.stores.interfaces import Draft, KeptBody, KeptSegment
from nobreak.stores.sqlite.rows import prefix_end
from nobreak.words import (
    Attributes,
    EntryKind,
    EntryState,
    Fingerprint,
    ObjectName,
    Receipt,
    Segment,
)

PUT, DELETE = EntryKind.PUT, EntryKind.DELETE
NOW = 1_700_000_000.0
RECEIPT = Receipt(remote="r", etag="e")


def name(key, bucket="b"):
    return ObjectName(bucket, key)


def put(key, size=3, *, file=None, **more):
    body = KeptBody(file=file) if file else KeptBody(inline=b"x" * size)
    return Draft(
        name(key), PUT, Attributes({"content-type": "a/b"}, {"who": "José"}, {"x-amz-tagging": "a=b"}),
        Fingerprint(size, f"{size:032x}"), body, **more,
    )  # fmt: skip


async def add(journal, draft, now=NOW):
    return (await journal.append(draft, now)).entry


def ready(journal, now=NOW, limit=100):
    return [(entry.name.key, entry.seq) for entry in journal.ready(now, limit)]


async def test_an_entry_comes_back_as_it_was_written(journal):
    entry = await add(journal, put("k", 5))
    assert journal.newest(name("k")) == journal.get(entry.seq) == entry
    assert entry.attributes == put("k", 5).attributes
    assert (entry.kind, entry.size, entry.state) == (PUT, 5, EntryState.PENDING)
    assert entry.acked_at == NOW
    assert journal.body(entry) == KeptBody(inline=b"xxxxx")


def segmented(key, *files):
    segments = [
        KeptSegment(file, Segment(size, f"{size:032x}", {"x-amz-checksum-crc32": "AAAAAA=="}))
        for size, file in enumerate(files, 5)
    ]
    fingerprint = Fingerprint.of_segments(tuple(each.segment for each in segments))
    return Draft(name(key), PUT, Attributes(), fingerprint, KeptBody(segments=tuple(segments)))


async def test_a_body_in_segments_comes_back_and_leaves_with_all_its_files(journal):
    draft = segmented("k", "f1", "f2", "f3")
    entry = await add(journal, draft)
    assert entry.fingerprint == draft.fingerprint
    assert entry.fingerprint.etag.endswith("-3")
    assert entry.fingerprint.whole_md5 is None
    assert journal.body(entry) == draft.body
    assert journal.body(entry).files == ("f1", "f2", "f3")
    assert journal.tally().bytes == entry.size == 18
    assert [journal.needs(file) for file in ("f1", "f3", "f4")] == [True, True, False]
    left = await journal.confirm(entry, RECEIPT, NOW, 0.0)
    assert left.files == ("f1", "f2", "f3")
    assert not journal.needs("f1")
    assert journal.body(entry) is None


async def test_segments_that_settle_make_way_with_all_their_files(journal):
    """I4: so do parked ones that a newer entry supersedes."""
    doubtful = dataclasses.replace(segmented("k", "f1", "f2"), doubtful=True)
    await journal.confirm(await add(journal, doubtful), RECEIPT, NOW, 10.0)
    appended = await journal.append(segmented("k", "f3", "f4"), NOW)
    assert appended.files == ("f1", "f2")
    await journal.park(appended.entry, not_before=NOW, error="no")
    left = await journal.confirm(await add(journal, put("k")), RECEIPT, NOW, 0.0)
    assert left.files == ("f3", "f4")


async def test_a_delete_has_no_body(journal):
    entry = await add(journal, Draft(name("k"), DELETE))
    assert (entry.kind, entry.fingerprint) == (DELETE, None)
    assert journal.body(entry) == KeptBody()


@pytest.mark.parametrize("key", ["a//b", "x/", "../y", "ção/😀", " ", "%2F", "+", "a" * 1024])
async def test_keys_are_kept_exactly(journal, key):
    await add(journal, put(key))
    assert journal.newest(name(key)).name.key == key
    assert journal.newest(name(key + "x")) is None


async def test_the_newest_entry_of_a_key_is_what_reads_see(journal):
    """I2."""
    await add(journal, put("k", 1))
    await add(journal, put("k", 2))
    assert journal.newest(name("k")).size == 2
    await add(journal, Draft(name("k"), DELETE))
    assert journal.newest(name("k")).kind is DELETE
    assert (journal.count(name("k")), journal.count(name("j"))) == (3, 0)
    assert journal.newest(name("k", bucket="other")) is None


async def test_one_key_is_replayed_in_order_and_keys_side_by_side(journal):
    """I4."""
    first = await add(journal, put("a", 1))
    second = await add(journal, put("a", 2))
    other = await add(journal, put("b", 1))
    assert ready(journal) == [("a", first.seq), ("b", other.seq)]
    assert (await journal.confirm(first, RECEIPT, NOW, settle=30)).gone
    assert ready(journal) == [("a", second.seq), ("b", other.seq)]
    assert ready(journal, limit=1) == [("a", second.seq)]


async def test_confirmed_is_forgotten_and_known_to_the_catalog(ledger):
    """I3."""
    journal, catalog = ledger.journal, ledger.catalog
    entry = await add(journal, put("k", 4, file="some-file"))
    left = await journal.confirm(entry, RECEIPT, NOW, settle=30)
    assert (left.gone, left.files, left.superseded) == (True, ("some-file",), ())
    assert journal.newest(name("k")) is None
    info, receipt = catalog.get(name("k"))
    assert (info.size, info.etag, receipt) == (4, f"{4:032x}", RECEIPT)
    assert info.attributes == entry.attributes
    delete = await add(journal, Draft(name("k"), DELETE))
    await journal.confirm(delete, Receipt(), NOW, settle=30)
    assert catalog.get(name("k")) is None


async def test_confirming_twice_does_no_harm(journal):
    entry = await add(journal, put("k"))
    assert (await journal.confirm(entry, RECEIPT, NOW, settle=0)).gone
    assert not (await journal.confirm(entry, RECEIPT, NOW, settle=0)).gone
    assert not (await journal.forget(entry)).gone


async def test_what_is_in_doubt_settles_before_it_is_forgotten(journal):
    """I4: an attempt of unknown outcome could still land."""
    entry = await add(journal, put("k", doubtful=True))
    assert not (await journal.confirm(entry, RECEIPT, NOW, settle=30)).gone
    settling = journal.newest(name("k"))
    assert (settling.state, settling.receipt) == (EntryState.SETTLING, RECEIPT)
    assert ready(journal, NOW + 29) == []
    assert ready(journal, NOW + 30) == [("k", entry.seq)]
    await journal.postpone_settling(NOW + 100)
    assert ready(journal, NOW + 99) == []
    assert (await journal.forget(settling)).gone
    assert journal.tally().entries == 0


async def test_doubt_passes_to_the_next_entry_of_the_key(journal):
    """I4: the old attempt could also overwrite what comes after."""
    first = await add(journal, put("k", 1, file="one", doubtful=True))
    await add(journal, put("k", 2))
    assert (await journal.confirm(first, RECEIPT, NOW, settle=30)).gone
    newest = journal.newest(name("k"))
    assert newest.doubtful
    assert not (await journal.confirm(newest, RECEIPT, NOW + 1, settle=30)).gone
    assert journal.newest(name("k")).not_before == NOW + 30, "the doubt is no younger for it"

    alone = await add(journal, put("j", 1, file="two", doubtful=True))
    await journal.confirm(alone, RECEIPT, NOW, settle=30)
    appended = await journal.append(put("j", 2), NOW)
    assert appended.entry.doubtful
    assert appended.files == ("two",)
    assert ready(journal) == [("j", appended.entry.seq)]
    assert (await journal.confirm(appended.entry, RECEIPT, NOW + 30, settle=30)).gone
    assert journal.tally().entries == 1


async def test_settle_zero_means_the_doubt_is_resolved(journal):
    entry = await add(journal, put("k", doubtful=True))
    assert (await journal.confirm(entry, RECEIPT, NOW, settle=0)).gone


async def test_what_was_begun_and_not_ended_is_in_doubt_after_a_crash(journal):
    """I4: the next process must know what the dead one had under way."""
    begun, ended, untouched = [await add(journal, put(key)) for key in "abc"]
    await journal.begin([begun, ended])
    await journal.defer(ended, not_before=0, error="", in_doubt=False)
    assert await journal.resume() == 1
    assert [journal.get(e.seq).doubtful for e in (begun, ended, untouched)] == [True, False, False]
    assert await journal.resume() == 0


async def test_what_is_begun_may_not_be_begun_again_and_what_is_withdrawn_is_not_in_doubt(journal):
    """I4: an entry that was never sent need not settle."""
    sent, never_sent, untouched = [await add(journal, put(key)) for key in "abc"]
    await journal.begin([sent, never_sent])
    assert ready(journal) == [("c", untouched.seq)]
    await journal.withdraw([never_sent])
    assert ready(journal) == [("b", never_sent.seq), ("c", untouched.seq)]
    assert await journal.resume() == 1
    assert [journal.get(e.seq).doubtful for e in (sent, never_sent)] == [True, False]
    assert len(ready(journal)) == 3


async def test_a_deferred_entry_waits_its_turn_and_keeps_its_doubt(journal):
    entry = await add(journal, put("k"))
    await journal.defer(entry, not_before=NOW + 5, error="HTTP 500", in_doubt=True)
    await journal.defer(entry, not_before=NOW + 5, error="HTTP 500", in_doubt=False)
    again = journal.get(entry.seq)
    assert (again.attempts, again.error, again.doubtful) == (2, "HTTP 500", True)
    assert ready(journal, NOW + 4) == []
    assert ready(journal, NOW + 5) == [("k", entry.seq)]


async def test_a_parked_entry_blocks_nobody(journal):
    """I7: not the other keys, not even newer entries of its own."""
    refused = await add(journal, put("k", 1))
    newer = await add(journal, put("k", 2))
    other = await add(journal, put("z"))
    await journal.park(refused, not_before=NOW + 60, error="HTTP 413")
    assert ready(journal) == [("k", newer.seq), ("z", other.seq)]
    assert [e.error for e in journal.entries(parked=True, after=0, limit=9)] == ["HTTP 413"]
    assert journal.tally().parked == 1
    assert ready(journal, NOW + 60)[-1] == ("k", refused.seq)
    assert await journal.retry_parked() == 1
    assert ("k", refused.seq) in ready(journal)


@pytest.mark.parametrize("doubtful", [False, True])
async def test_a_newer_entry_that_is_confirmed_supersedes_parked_ones(journal, doubtful):
    """I4: the refused write may never come after the newer one."""
    refused = await add(journal, put("k", 1, file="old"))
    newer = await add(journal, put("k", 2, doubtful=doubtful))
    await journal.park(refused, not_before=NOW, error="HTTP 413")
    left = await journal.confirm(newer, RECEIPT, NOW, settle=30)
    assert [entry.seq for entry in left.superseded] == [refused.seq]
    assert left.files == ("old",)
    assert journal.tally().parked == 0


async def test_a_parked_entry_that_fails_again_stays_parked(journal):
    """I4: it would come after a newer one, which did not wait for it."""
    refused = await add(journal, put("k", 1))
    newer = await add(journal, put("k", 2))
    await journal.park(refused, not_before=NOW, error="HTTP 403")
    await journal.park(newer, not_before=NOW, error="HTTP 403")
    await journal.defer(refused, not_before=NOW + 5, error="HTTP 500", in_doubt=False)
    left = await journal.confirm(newer, RECEIPT, NOW, settle=30)
    assert [entry.seq for entry in left.superseded] == [refused.seq]
    assert journal.tally().entries == 0


async def test_what_supersedes_a_parked_entry_in_doubt_settles(journal):
    """I4: the older request may still land."""
    refused = await add(journal, put("k", 1))
    newer = await add(journal, put("k", 2))
    await journal.park(refused, not_before=NOW, error="HTTP 403")
    await journal.defer(refused, not_before=NOW, error="HTTP 500", in_doubt=True)
    left = await journal.confirm(newer, RECEIPT, NOW, settle=30)
    assert ([entry.seq for entry in left.superseded], left.gone) == ([refused.seq], False)
    assert ready(journal, NOW + 29) == []
    assert ready(journal, NOW + 30) == [("k", newer.seq)]


async def test_a_page_shows_the_newest_of_each_key_in_byte_order(journal):
    for key in ["b", "a/2", "a/1", "é", "a/1", "z", "😀", "\uffff"]:
        await add(journal, put(key, 1))
    await add(journal, Draft(name("z"), DELETE))
    page = journal.page("b", "", "", 100)
    keys = [entry.name.key for entry in page]
    assert keys == sorted({"b", "a/2", "a/1", "é", "z", "😀", "\uffff"}, key=str.encode)
    assert [e.kind for e in page if e.name.key == "z"] == [DELETE]
    assert [e.name.key for e in journal.page("b", "a/", "", 100)] == ["a/1", "a/2"]
    assert [e.name.key for e in journal.page("b", "a/", "a/1", 100)] == ["a/2"]
    assert [e.name.key for e in journal.page("b", "", "b", 2)] == ["z", "é"]
    assert journal.page("nowhere", "", "", 100) == []


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(prefix=st.text(min_size=1, max_size=3), rest=st.text(max_size=3))
def test_a_prefix_finds_what_begins_with_it(prefix, rest):
    if any("\ud800" <= c <= "\udfff" for c in prefix + rest):
        return
    end = prefix_end(prefix)
    assert end is None or prefix.encode() <= (prefix + rest).encode() < end.encode()


async def test_the_tally_counts_entries_bytes_and_parked_ones(journal):
    assert journal.tally().oldest_acked_at is None
    first = await add(journal, put("a", 10), NOW)
    second = await add(journal, put("b", 5), NOW + 9)
    tally = journal.tally()
    assert (tally.entries, tally.bytes, tally.parked, tally.oldest_acked_at) == (2, 15, 0, NOW)
    await journal.park(second, not_before=0, error="x")
    await journal.park(second, not_before=0, error="x")
    assert journal.tally().parked == 1
    await journal.confirm(first, RECEIPT, NOW, settle=0)
    await journal.confirm(second, RECEIPT, NOW, settle=0)
    tally = journal.tally()
    assert (tally.entries, tally.bytes, tally.parked, tally.oldest_acked_at) == (0, 0, 0, None)


async def test_entries_are_numbered_in_ack_order_and_never_reused(journal):
    first = await add(journal, put("a"))
    await journal.confirm(first, RECEIPT, NOW, settle=0)
    second = await add(journal, put("b"))
    assert second.seq > first.seq
    assert [e.seq for e in journal.entries(parked=False, after=0, limit=9)] == [second.seq]
    assert journal.entries(parked=False, after=second.seq, limit=9) == []


async def test_many_writers_share_commits_and_none_is_lost(journal):
    entries = await asyncio.gather(*(add(journal, put(f"k{n}", n)) for n in range(200)))
    assert len({entry.seq for entry in entries}) == 200
    assert journal.tally().entries == 200
    assert len(journal.ready(NOW, 1000)) == 200


async def test_it_knows_which_files_are_needed(journal):
    entry = await add(journal, put("k", file="f1"))
    assert journal.needs("f1")
    assert not journal.needs("f2")
    await journal.confirm(entry, RECEIPT, NOW, settle=0)
    assert not journal.needs("f1")


def bucket(kind):
    return Draft(ObjectName("b", ""), kind)


def due(journal):
    return [(entry.name.key, entry.kind.value) for entry in journal.ready(1e9, 100)]


async def test_a_bucket_is_made_before_anything_goes_into_it(journal):
    """I4: and other buckets don't wait for it."""
    made = (await journal.append(bucket(EntryKind.PUT), 1.0)).entry
    await journal.append(Draft(ObjectName("b", "k"), EntryKind.DELETE), 2.0)
    await journal.append(Draft(ObjectName("other", "k"), EntryKind.DELETE), 3.0)
    assert due(journal) == [("", "put"), ("k", "delete")]
    await journal.confirm(made, Receipt(), 4.0, 0.0)
    assert due(journal) == [("k", "delete"), ("k", "delete")]


async def test_a_bucket_is_deleted_after_all_that_was_to_happen_in_it(journal):
    """I4: and what comes later waits for that."""
    first = (await journal.append(Draft(ObjectName("b", "k"), EntryKind.DELETE), 1.0)).entry
    deleted = (await journal.append(bucket(EntryKind.DELETE), 2.0)).entry
    made = (await journal.append(bucket(EntryKind.PUT), 3.0)).entry
    await journal.append(Draft(ObjectName("b", "k"), EntryKind.DELETE), 4.0)
    assert due(journal) == [("k", "delete")]
    await journal.confirm(first, Receipt(), 5.0, 0.0)
    assert due(journal) == [("", "delete")]
    await journal.confirm(deleted, Receipt(), 6.0, 0.0)
    assert due(journal) == [("", "put")]
    assert [entry.kind for entry in journal.bucket_entries()] == [EntryKind.PUT]
    await journal.confirm(made, Receipt(), 7.0, 0.0)
    assert due(journal) == [("k", "delete")]
    assert journal.bucket_entries() == []


async def test_a_bucket_that_was_refused_blocks_nobody(journal):
    """I7: its objects are refused in their turn, with a reason of their own."""
    made = (await journal.append(bucket(EntryKind.PUT), 1.0)).entry
    await journal.append(Draft(ObjectName("b", "k"), EntryKind.DELETE), 2.0)
    await journal.park(made, not_before=1e12, error="refused")
    assert due(journal) == [("k", "delete")]
