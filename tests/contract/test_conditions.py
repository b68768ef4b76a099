"""Conditional writes, and attributes that change: what every journal promises of them."""

import asyncio
from datetime import UTC, datetime

import pytest
from tests.contract.test_journal import NOW, RECEIPT, add, name, put, ready

from nobreak.errors import NotFoundError, PreconditionFailedError, UndecidedError
from nobreak.stores.interfaces import Condition, Draft, Look
from nobreak.stores.sqlite.database import Database
from nobreak.stores.sqlite.journal import SqliteJournal
from nobreak.words import Attributes, EntryKind, EntryState, ObjectInfo, Precondition, Receipt

ETAG = f"{3:032x}"
"""Of what `put` makes."""
ABSENT = Precondition(absent=True)
SAME, OTHER = Precondition(frozenset({ETAG})), Precondition(frozenset({"other"}))
ROW, THEIRS = Precondition(frozenset({"ours"})), Precondition(frozenset({"theirs"}))


def delete(key, **more):
    return Draft(name(key), EntryKind.DELETE, **more)


async def remember(catalog, key="k"):
    info = ObjectInfo(name(key), 3, "ours", datetime.now(UTC))
    await catalog.put(info, Receipt(etag="theirs"))


async def decided(journal, precondition, look=None):
    """The kind of refusal, or None; the same by a look and by an append, which leaves no trace."""
    condition, before = Condition(precondition, look), journal.tally()
    refusals = []
    for attempt in (lambda: journal.decide(name("k"), condition), None):
        try:
            if attempt:
                attempt()
            else:
                await journal.append(put("k", condition=condition), NOW)
        except (NotFoundError, PreconditionFailedError, UndecidedError) as error:
            refusals.append(type(error))
        else:
            refusals.append(None)
    assert refusals[0] is refusals[1]
    if refusals[0]:
        assert journal.tally() == before
    return refusals[0]


@pytest.mark.parametrize(
    ("precondition", "put_here", "deleted_here", "row", "nothing"),
    [
        (ABSENT, PreconditionFailedError, None, PreconditionFailedError, UndecidedError),
        (SAME, None, NotFoundError, PreconditionFailedError, UndecidedError),
        (OTHER, PreconditionFailedError, NotFoundError, PreconditionFailedError, UndecidedError),
        (ROW, PreconditionFailedError, NotFoundError, None, UndecidedError),
        (THEIRS, PreconditionFailedError, NotFoundError, None, UndecidedError),
    ],
    ids=["absent", "same", "other", "row", "theirs"],
)
@pytest.mark.parametrize("case", ["put_here", "deleted_here", "row", "nothing"])
async def test_the_newest_entry_decides_then_the_catalog_and_else_nobody(
    journal, catalog, case, precondition, put_here, deleted_here, row, nothing
):
    """I2: what nobody here can know is not guessed."""
    if case != "nothing":
        await remember(catalog)
    if case in {"put_here", "deleted_here"}:
        await add(journal, put("k"))
    if case == "deleted_here":
        await add(journal, delete("k"))
    assert await decided(journal, precondition) is locals()[case]


async def test_a_catalog_that_holds_all_knows_what_is_not_there(ledger):
    scan = await ledger.index.begin_scan("b")
    assert await decided(ledger.journal, ABSENT) is UndecidedError
    await ledger.index.end_scan("b", scan, NOW)
    assert await decided(ledger.journal, SAME) is NotFoundError
    await ledger.index.doubt("b")
    assert await decided(ledger.journal, ABSENT) is UndecidedError
    scan = await ledger.index.begin_scan("b")
    await ledger.index.end_scan("b", scan, NOW)
    assert await decided(ledger.journal, ABSENT) is None


async def test_a_look_at_the_external_store_decides_unless_somebody_wrote_since(journal, catalog):
    there, nothing = frozenset({"theirs"}), None
    assert await decided(journal, ABSENT, Look(there, None)) is PreconditionFailedError
    assert await decided(journal, THEIRS, Look(nothing, None)) is NotFoundError
    await remember(catalog)
    assert await decided(journal, ABSENT, Look(nothing, None)) is UndecidedError
    row = frozenset({"ours", "theirs"})
    assert await decided(journal, ABSENT, Look(nothing, row)) is None


async def test_of_rivals_in_two_processes_exactly_one_wins(journal, tmp_path):
    """`If-None-Match: *`: decided where the entry is made, and nowhere before."""
    other = await Database.open(tmp_path / "journal.db")
    await add(journal, delete("k"))
    condition = Condition(ABSENT)
    rivals = [journal, SqliteJournal(other)] * 10
    outcomes = await asyncio.gather(
        *(rival.append(put("k", condition=condition), NOW) for rival in rivals),
        return_exceptions=True,
    )
    lost = [each for each in outcomes if isinstance(each, PreconditionFailedError)]
    assert len(lost) == len(rivals) - 1
    assert journal.count(name("k")) == 2
    await other.aclose()


async def test_other_attributes_are_sent_in_place_of_the_first_ones(journal):
    first = await add(journal, put("k", 5))
    tagged = Attributes(s3={"x-amz-tagging": "c=d"})
    second = await journal.reattribute(first, tagged)
    assert second is not None
    assert journal.newest(name("k")) == second
    assert (second.attributes, second.acked_at, second.size) == (tagged, first.acked_at, 5)
    assert journal.body(second).inline == b"xxxxx"
    assert ready(journal) == [("k", second.seq)]
    assert journal.count(name("k")) == 1
    assert journal.tally().bytes == 5
    assert not second.doubtful
    assert await journal.reattribute(first, tagged) is None, "it has left"


async def test_whoever_sends_the_first_ones_confirms_nothing_by_that(journal):
    """I3, I4: the external store may get the old attributes last; the entry is sent and settles."""
    first = await add(journal, put("k"))
    await journal.begin([first])
    second = await journal.reattribute(first, Attributes())
    assert second.doubtful
    assert not (await journal.confirm(first, RECEIPT, NOW, 5.0)).gone
    assert journal.newest(name("k")) == second
    await journal.confirm(second, RECEIPT, NOW, 5.0)
    settling = journal.newest(name("k"))
    assert settling.state is EntryState.SETTLING
    third = await journal.reattribute(settling, Attributes())
    assert (third.state, third.doubtful) == (EntryState.PENDING, True)


async def test_only_the_newest_entry_of_a_key_gets_other_attributes(journal):
    first = await add(journal, put("k", file="one"))
    second = await add(journal, put("k", file="two"))
    assert await journal.reattribute(first, Attributes()) is None
    third = await journal.reattribute(second, Attributes())
    assert ready(journal) == [("k", first.seq)], "in their order"
    assert journal.body(third).file == "two"
    await journal.confirm(first, RECEIPT, NOW, 0.0)
    assert ready(journal) == [("k", third.seq)]


async def test_only_an_object_of_two_etags_has_an_alias(catalog):
    await remember(catalog)
    alias = catalog.alias(name("k"))
    assert (alias.ours, alias.theirs) == ("ours", "theirs")
    for ours, theirs in [("same", "same"), ("ours", "")]:
        info = ObjectInfo(name("k"), 3, ours, datetime.now(UTC))
        await catalog.put(info, Receipt(etag=theirs))
        assert catalog.alias(name("k")) is None
