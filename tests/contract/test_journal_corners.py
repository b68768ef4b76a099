"""What every journal promises in its rarer moments. `ledger` and `journal`: see conftest."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from nobreak.errors import OvertakenError
from nobreak.stores.interfaces import Draft, KeptBody
from nobreak.stores.sqlite.rows import prefix_end
from nobreak.words import EntryKind, EntryState, Fingerprint, ObjectName, Receipt

PUT, DELETE = EntryKind.PUT, EntryKind.DELETE
NOW = 1_700_000_000.0
RECEIPT = Receipt(remote="r", etag="e")


def put(key, size=3, *, bucket="b", **more):
    body = KeptBody(inline=b"x" * size)
    return Draft(
        ObjectName(bucket, key), PUT, fingerprint=Fingerprint(size, "0"), body=body, **more
    )


async def add(journal, draft, now=NOW):
    return (await journal.append(draft, now)).entry


def ready(journal, now=NOW, limit=100):
    return [entry.seq for entry in journal.ready(now, limit)]


async def settling(journal, key="k"):
    entry = await add(journal, put(key, doubtful=True))
    await journal.confirm(entry, RECEIPT, NOW, settle=30)
    return journal.get(entry.seq)


async def test_an_older_entry_that_is_confirmed_never_takes_a_newer_parked_one_with_it(journal):
    """I1: both were refused, the older one is taken at last; the newer one is still owed."""
    older, newer = await add(journal, put("k", 1)), await add(journal, put("k", 2))
    for entry in (older, newer):
        await journal.park(entry, not_before=NOW, error="HTTP 413")
    left = await journal.confirm(older, RECEIPT, NOW, settle=30)
    assert (left.gone, left.superseded) == (True, ())
    assert journal.newest(ObjectName("b", "k")).seq == newer.seq
    assert ready(journal) == [newer.seq]


async def test_a_write_after_a_parked_one_need_not_wait_for_it(journal):
    """I7."""
    refused = await add(journal, put("k", 1))
    await journal.park(refused, not_before=NOW + 60, error="HTTP 413")
    newer = await add(journal, put("k", 2))
    newest = await add(journal, put("k", 3))
    assert ready(journal) == [newer.seq], "and the next one waits for this one"
    await journal.confirm(newer, RECEIPT, NOW, settle=30)
    assert ready(journal) == [newest.seq]


async def test_a_settled_entry_that_must_be_sent_again_waits_like_any_other(journal):
    """I4: the second look found something else."""
    entry = await settling(journal)
    await journal.defer(entry, not_before=NOW + 1, error="overwritten", in_doubt=True)
    again = journal.get(entry.seq)
    assert (again.state, again.doubtful, again.error) == (EntryState.PENDING, True, "overwritten")
    assert ready(journal, NOW + 1) == [entry.seq]
    assert not (await journal.confirm(again, RECEIPT, NOW, settle=30)).gone
    assert journal.get(entry.seq).error == "", "what went wrong once is over"


async def test_only_what_settles_is_postponed(journal):
    waiting = await add(journal, put("waiting"))
    parked = await add(journal, put("parked"))
    await journal.park(parked, not_before=NOW + 60, error="HTTP 413")
    await settling(journal)
    await journal.postpone_settling(NOW + 500)
    assert ready(journal, NOW + 60) == [waiting.seq, parked.seq]


async def test_a_key_that_is_written_all_the_time_does_not_settle_for_ever(journal):
    """I4: each write takes over what is left of the doubt, and the last one leaves when it ends."""
    await settling(journal)
    for second in range(1, 30):
        entry = (await journal.append(put("k"), NOW + second)).entry
        assert entry.doubtful
        assert not (await journal.confirm(entry, RECEIPT, NOW + second, settle=30)).gone
    last = (await journal.append(put("k"), NOW + 29.5)).entry
    assert (await journal.confirm(last, RECEIPT, NOW + 30, settle=30)).gone


async def test_doubt_that_was_taken_over_is_postponed_as_what_settles_is(journal):
    """I4: an outage does not count."""
    await settling(journal)
    entry = (await journal.append(put("k"), NOW)).entry
    await journal.postpone_settling(NOW + 500)
    assert not (await journal.confirm(entry, RECEIPT, NOW + 499, settle=30)).gone
    assert journal.get(entry.seq).not_before == NOW + 500
    await journal.defer(entry, not_before=0, error="overwritten", in_doubt=True)
    assert not (await journal.confirm(entry, RECEIPT, NOW + 501, settle=30)).gone, "that is new"


async def test_doubt_begins_anew_when_the_server_was_away_while_an_entry_was_sent_or_looked_at(
    journal,
):
    """I4: it may have answered as it thawed; of an entry that is in no doubt nothing is feared."""
    settled = await settling(journal)
    for now in (NOW + 40, NOW + 80):
        assert not (await journal.confirm(settled, RECEIPT, now, settle=30, anew=True)).gone
        assert journal.get(settled.seq).not_before == now + 30
    taken = (await journal.append(put("k"), NOW)).entry
    await journal.confirm(taken, RECEIPT, NOW + 200, settle=30, anew=True)
    assert journal.get(taken.seq).not_before == NOW + 230
    sure = await add(journal, put("sure"))
    assert (await journal.confirm(sure, RECEIPT, NOW, settle=30, anew=True)).gone


async def test_doubt_of_a_superseded_entry_begins_anew_too(journal):
    refused = await add(journal, put("k", doubtful=True))
    await journal.park(refused, not_before=NOW + 60, error="HTTP 413")
    newer = await add(journal, put("k"))
    for now in (NOW, NOW + 40):
        assert not (await journal.confirm(newer, RECEIPT, now, settle=30, anew=now > NOW)).gone
    assert journal.get(newer.seq).not_before == NOW + 70
    await journal.defer(newer, not_before=0, error="connection refused", in_doubt=False)
    await journal.postpone_settling(NOW + 200)
    assert not (await journal.confirm(newer, RECEIPT, NOW + 150, settle=30)).gone


async def test_doubt_that_was_taken_over_ends_though_the_clock_was_set_back(journal):
    """I7."""
    await settling(journal)
    entry = (await journal.append(put("k"), NOW)).entry
    await journal.confirm(entry, RECEIPT, NOW - 10**6, settle=30)
    assert journal.get(entry.seq).not_before == NOW - 10**6 + 30


async def test_doubt_that_a_refused_entry_took_over_counts(journal):
    """I4: the newer one that supersedes it is as much in doubt."""
    await settling(journal)
    refused = (await journal.append(put("k"), NOW)).entry
    await journal.park(refused, not_before=NOW + 60, error="HTTP 413")
    newer = (await journal.append(put("k"), NOW + 2)).entry
    assert not (await journal.confirm(newer, RECEIPT, NOW + 3, settle=30)).gone
    assert journal.get(newer.seq).not_before == NOW + 30


async def test_the_doubt_goes_to_the_very_next_entry(journal):
    """I4: it is the next to be sent; from there it is handed on."""
    first = await add(journal, put("k", doubtful=True))
    second, third = await add(journal, put("k")), await add(journal, put("k"))
    await journal.confirm(first, RECEIPT, NOW, settle=30)
    assert [journal.get(entry.seq).doubtful for entry in (second, third)] == [True, False]
    await journal.confirm(second, RECEIPT, NOW, settle=30)
    assert not (await journal.confirm(third, RECEIPT, NOW, settle=30)).gone


async def test_a_doubt_that_came_up_meanwhile_counts(journal):
    """I4: whoever confirms may have looked at the entry a while ago."""
    entry = await add(journal, put("k"))
    await journal.defer(entry, not_before=0, error="", in_doubt=True)
    assert not entry.doubtful
    assert not (await journal.confirm(entry, RECEIPT, NOW, settle=30)).gone


async def test_what_ended_in_any_way_is_not_under_way_any_more(journal):
    """I4: a crash later casts no doubt on it."""
    parked = await add(journal, put("parked"))
    deferred = await add(journal, put("deferred"))
    begun = [parked, deferred]
    await journal.begin(begun)
    await journal.park(parked, not_before=NOW, error="HTTP 413")
    await journal.defer(deferred, not_before=NOW, error="refused", in_doubt=False)
    settled = await add(journal, put("settled", doubtful=True))
    await journal.begin([settled])
    await journal.confirm(settled, RECEIPT, NOW, settle=30)
    assert await journal.resume() == 0
    assert [journal.get(entry.seq).doubtful for entry in begun] == [False, False]


async def test_each_refusal_is_counted(journal):
    """So that the next try comes later."""
    entry = await add(journal, put("k"))
    for attempts in (1, 2):
        await journal.park(entry, not_before=NOW, error="HTTP 413")
        assert journal.get(entry.seq).attempts == attempts


async def test_an_entry_that_must_not_come_after_a_newer_one_is_not_made_then(journal):
    """I4: whoever appends may have looked at the journal a while ago."""
    first = await add(journal, put("k", only_after=0))
    second = await add(journal, put("k", only_after=first.seq))
    for seen in (0, first.seq):
        with pytest.raises(OvertakenError):
            await add(journal, put("k", only_after=seen))
    assert journal.newest(ObjectName("b", "k")) == second
    await settling(journal, "j")
    with pytest.raises(OvertakenError):
        await add(journal, put("j", only_after=0))
    assert journal.newest(ObjectName("b", "j")).state is EntryState.SETTLING


async def test_an_entry_can_begin_with_a_wait(journal):
    """I4: its own attempt is still under way."""
    entry = await add(journal, put("k", not_before=NOW + 30))
    assert ready(journal, NOW + 29) == []
    assert ready(journal, NOW + 30) == [entry.seq]


async def test_those_that_wait_longest_come_first_and_equals_in_ack_order(journal):
    late = await add(journal, put("a", not_before=NOW - 1))
    equals = [await add(journal, put(f"k{n}")) for n in range(5)]
    early = await add(journal, put("z", not_before=-1.0))
    expected = [early.seq, *(entry.seq for entry in equals), late.seq]
    assert ready(journal) == expected
    assert ready(journal, limit=3) == expected[:3]


async def test_nothing_waits_longer_than_it_should_when_the_clock_was_set_back(journal):
    """I7: by years, perhaps; what waits as it should is left as it is."""
    far, near = [await add(journal, put(key)) for key in ("far", "near")]
    await journal.park(far, not_before=NOW + 10**9, error="HTTP 413")
    await journal.defer(near, not_before=NOW + 60, error="HTTP 500", in_doubt=False)
    assert await journal.wait_at_most(NOW + 3600) == 1
    assert [journal.get(e.seq).not_before for e in (far, near)] == [NOW + 3600, NOW + 60]
    assert await journal.wait_at_most(NOW + 3600) == 0


async def test_buckets_have_nothing_to_do_with_each_other(journal):
    first = await add(journal, put("k", 1, bucket="one"))
    second = await add(journal, put("k", 2, bucket="two"))
    assert [entry.size for entry in journal.page("one", "", "", 9)] == [1]
    assert ready(journal) == [first.seq, second.seq]
    await journal.confirm(second, RECEIPT, NOW, settle=0)
    assert ready(journal) == [first.seq]


async def test_a_page_begins_where_its_prefix_begins(journal):
    for key in ("A", "a", "a/", "a/1", "a0", "b"):
        await add(journal, put(key))
    assert [e.name.key for e in journal.page("b", "a/", "", 9)] == ["a/", "a/1"]
    assert [e.name.key for e in journal.page("b", "a/", "A", 9)] == ["a/", "a/1"]
    assert [e.name.key for e in journal.page("b", "a/", "a/1", 9)] == []
    assert [e.name.key for e in journal.page("b", "a", "a/1", 9)] == ["a0"]


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        ("", None),
        ("a", "b"),
        ("a\ud7ff", "a\ue000"),
        ("a\U0010ffff", "b"),
        ("\U0010ffff", None),
        ("\U0010ffff\U0010ffff", None),
    ],
)
def test_a_prefix_ends_before_the_first_text_that_is_text(prefix, end):
    assert prefix_end(prefix) == end


async def test_a_confirmed_object_was_modified_when_it_was_acknowledged(ledger):
    """Its time does not jump when it is given back."""
    entry = await add(ledger.journal, put("k"), NOW)
    await ledger.journal.confirm(entry, RECEIPT, NOW + 999, settle=0)
    info, receipt = ledger.catalog.get(ObjectName("b", "k"))
    assert (info.modified, receipt) == (datetime.fromtimestamp(NOW, UTC), RECEIPT)


async def test_every_reader_sees_the_newest_notice(ledger):
    """I6: also what it has looked at before, and what changes back."""
    board = ledger.board
    for leader in (1, 2, 1):
        await board.update(lambda notice, leader=leader: (replace(notice, leader=leader), None))
        assert board.read().leader == leader
        assert board.read() is board.read()


async def test_many_at_once_keep_each_key_in_one_order(journal):
    """I4: whatever the interleaving, one entry of a key may go, and it is the oldest."""
    await asyncio.gather(*(journal.append(put(f"k{n % 5}", n), NOW) for n in range(50)))
    for _ in range(10):
        heads = journal.ready(NOW, 100)
        assert len({entry.name for entry in heads}) == len(heads) == 5
        for entry in heads:
            others = [e for e in journal.entries(parked=False, after=0, limit=100)
                      if e.name == entry.name]  # fmt: skip
            assert min(other.seq for other in others) == entry.seq
            await journal.confirm(entry, RECEIPT, NOW, settle=30)
    assert journal.tally().entries == 0
