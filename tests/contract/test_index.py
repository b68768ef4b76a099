"""What every index promises (I2): a scan makes the catalog complete, and live writes win over it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.net import eventually

from nobreak.stores.interfaces import Draft, KeptBody
from nobreak.words import Attributes, EntryKind, Fingerprint, ObjectInfo, ObjectName, Receipt

WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def seen(key, etag="theirs", size=1):
    return ObjectInfo(ObjectName("b", key), size, etag, WHEN)


def keys(catalog):
    return [info.name.key for info, _ in catalog.page("b", "", "", 100)]


async def scanned(index, *objects):
    number = await index.begin_scan("b")
    assert await index.take_page("b", number, objects)
    assert await index.end_scan("b", number, 5.0)


async def test_a_bucket_is_complete_only_after_its_scan(index, catalog):
    assert not index.is_complete("b")
    assert not index.follows("b")
    number = await index.begin_scan("b")
    assert index.follows("b")
    await index.take_page("b", number, [seen("k")])
    assert not index.is_complete("b"), "the scan may yet be interrupted"
    await index.end_scan("b", number, 5.0)
    assert index.is_complete("b")
    assert not index.is_complete("other")
    (row,) = index.buckets()
    assert (row.bucket, row.scanned_at, row.due, row.scanning, row.objects) == (
        "b",
        5,
        False,
        False,
        1,
    )
    assert catalog.get(ObjectName("b", "k")) == (seen("k"), Receipt(etag="theirs"))


async def test_what_a_scan_did_not_see_is_gone(index, catalog):
    await catalog.put(seen("old"), Receipt(etag="theirs"))
    await scanned(index, seen("k"))
    assert keys(catalog) == ["k"]


async def test_what_the_catalog_knew_of_the_same_version_stays(index, catalog):
    ours = replace(seen("k"), etag="ours")
    await catalog.put(ours, Receipt("remote", "theirs"))
    await scanned(index, seen("k"))
    assert catalog.get(ours.name) == (ours, Receipt("remote", "theirs"))
    await scanned(index, seen("k", etag="changed", size=7))
    assert catalog.get(ours.name) == (seen("k", "changed", 7), Receipt(etag="changed"))


async def test_live_writes_win_over_what_the_scan_saw_before(index, catalog):
    await catalog.put(seen("deleted"), Receipt(etag="theirs"))
    await catalog.put(seen("kept"), Receipt(etag="theirs"))
    number = await index.begin_scan("b")
    await catalog.put(seen("new", "ours"), Receipt(etag="ours"))
    await catalog.put(seen("kept", "ours"), Receipt(etag="ours"))
    await catalog.remove(ObjectName("b", "deleted"))
    await catalog.remove(ObjectName("b", "never known"))
    page = [seen("deleted"), seen("kept"), seen("never known"), seen("other")]
    await index.take_page("b", number, page)
    await index.end_scan("b", number, 5.0)
    assert keys(catalog) == ["kept", "new", "other"]
    assert catalog.get(ObjectName("b", "kept"))[0].etag == "ours"


async def test_a_live_write_after_the_page_wins_too(index, catalog):
    number = await index.begin_scan("b")
    await index.take_page("b", number, [seen("deleted"), seen("kept")])
    await catalog.remove(ObjectName("b", "deleted"))
    await catalog.put(seen("kept", "ours"), Receipt(etag="ours"))
    await index.end_scan("b", number, 5.0)
    assert [catalog.page("b", "", "", 9)[0][0].etag, *keys(catalog)] == ["ours", "kept"]


async def test_what_the_drain_confirms_during_a_scan_wins(ledger):
    journal, index, catalog = ledger.journal, ledger.index, ledger.catalog
    number = await index.begin_scan("b")
    for kind, key in ((EntryKind.PUT, "put"), (EntryKind.DELETE, "deleted")):
        put = kind is EntryKind.PUT
        draft = Draft(
            ObjectName("b", key),
            kind,
            fingerprint=Fingerprint(1, "ours") if put else None,
            body=KeptBody(inline=b"x") if put else None,
        )
        entry = (await journal.append(draft, 1.0)).entry
        await journal.confirm(entry, Receipt(etag="ours"), 2.0, 0.0)
    await index.take_page("b", number, [seen("deleted"), seen("put", "older")])
    await index.end_scan("b", number, 5.0)
    assert [(info.name.key, info.etag) for info, _ in catalog.page("b", "", "", 9)] == [
        ("put", "ours")
    ]


async def test_a_later_scan_ends_an_earlier_one(index):
    first = await index.begin_scan("b")
    second = await index.begin_scan("b")
    assert not await index.take_page("b", first, [seen("k")])
    assert not await index.end_scan("b", first, 5.0)
    assert await index.end_scan("b", second, 5.0)


async def test_after_a_doubt_nothing_is_complete_until_another_scan(index):
    await scanned(index, seen("k"))
    number = await index.begin_scan("b")
    await index.doubt("other")
    assert index.is_complete("b")
    await index.doubt()
    assert not index.is_complete("b")
    assert list(index.due()) == ["b"]
    assert not await index.end_scan("b", number, 5.0), "what was missed may have been missed by it"
    await scanned(index, seen("k"))
    assert index.is_complete("b")
    assert list(index.due()) == []


async def test_it_stays_complete_while_it_is_looked_through_again(index):
    await scanned(index, seen("k"))
    await index.revalidate()
    assert list(index.due()) == ["b"]
    assert index.is_complete("b")
    await index.begin_scan("b")
    assert index.is_complete("b")


async def test_a_bucket_that_is_gone_leaves_nothing(index, catalog):
    await scanned(index, seen("k"))
    await index.forget("b")
    assert (keys(catalog), index.is_complete("b"), list(index.buckets())) == ([], False, [])


@pytest.mark.parametrize("bucket", ["b", "never heard of"])
async def test_a_doubt_about_what_nobody_scans_is_nothing(index, bucket):
    await index.doubt(bucket)
    assert list(index.buckets()) == []


async def test_a_distrusted_key_is_unsure_until_somebody_looked(index, catalog):
    await scanned(index, seen("a/k"), seen("b"))
    await index.distrust(ObjectName("b", "a/k"), 7.0)
    assert index.is_complete("b"), "all other keys are as they were"
    assert [index.is_sure("b", prefix) for prefix in ("", "a/", "a/k", "b", "a/k/")] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert index.unsure(6.0, 10) == []
    assert index.unsure(7.0, 10) == [ObjectName("b", "a/k")]
    assert await index.looked(ObjectName("b", "a/k"), seen("a/k", etag="new", size=9))
    assert catalog.get(ObjectName("b", "a/k"))[0].size == 9
    assert index.is_sure("b", "")
    assert not await index.looked(ObjectName("b", "a/k"), None), "nobody distrusts it any more"
    assert keys(catalog) == ["a/k", "b"]


async def test_a_look_that_found_nothing_takes_the_object_out(index, catalog):
    await scanned(index, seen("k"))
    index.distrust_soon(ObjectName("b", "k"))
    await index.distrust(ObjectName("b", "k"))
    assert await index.looked(ObjectName("b", "k"), None)
    assert keys(catalog) == []


async def test_a_look_keeps_what_is_known_of_the_same_version(index, catalog):
    await scanned(index)
    ours = replace(seen("k"), etag="ours")
    await catalog.put(ours, Receipt("remote", "theirs"))
    await index.distrust(ours.name)
    assert await index.looked(ours.name, seen("k"))
    assert catalog.get(ours.name) == (ours, Receipt("remote", "theirs"))


@pytest.mark.parametrize("removed", [False, True])
async def test_a_write_that_came_into_a_look_wins_over_it(index, catalog, removed):
    """Else a list in an outage would show an object that was deleted, or an older version (I2)."""
    await scanned(index)
    name = ObjectName("b", "k")
    await index.distrust(name)
    await catalog.put(seen("k", etag="newer"), Receipt(etag="newer"))
    if removed:
        await catalog.remove(name)
    assert not await index.looked(name, seen("k", etag="older"))
    assert keys(catalog) == ([] if removed else ["k"])
    assert removed or catalog.get(name)[0].etag == "newer"


async def test_a_look_wins_over_a_scan_that_is_under_way(index, catalog):
    number = await index.begin_scan("b")
    await index.distrust(ObjectName("b", "k"))
    assert await index.looked(ObjectName("b", "k"), None)
    assert await index.take_page("b", number, [seen("k")])
    await index.end_scan("b", number, 5.0)
    assert keys(catalog) == []


async def test_a_scan_leaves_what_only_the_catalog_knows_where_the_server_gives_no_etag(
    index, catalog
):
    """Metadata on a WebDAV server, for one."""
    known = replace(seen("k", etag="ours"), attributes=Attributes(metadata={"a": "b"}))
    await catalog.put(known, Receipt())
    await scanned(index, seen("k", etag="of the server"))
    assert catalog.get(known.name) == (known, Receipt())


async def test_what_settled_is_remembered_again(index, journal, catalog):
    """A write that came before it may have been told to the catalog after it."""
    name = ObjectName("b", "k")
    draft = Draft(name, EntryKind.PUT, fingerprint=Fingerprint(3, "new"), body=KeptBody(b"new"))
    entry = (await journal.append(replace(draft, doubtful=True), 1.0)).entry
    await journal.confirm(entry, Receipt(etag="new"), 2.0, 5.0)
    await catalog.put(seen("k", etag="old"), Receipt(etag="old"))
    await journal.forget(journal.newest(name))
    assert catalog.get(name)[0].etag == "new"
    assert journal.newest(name) is None


def whole(key, etag="theirs", **attributes):
    return replace(seen(key, etag), attributes=Attributes(attributes), whole=True)


def partial(index, after=""):
    return [info.name.key for info in index.partial("b", after, 100)]


async def test_what_only_a_list_has_shown_is_to_be_asked_for(index, catalog):
    await catalog.put(whole("known", etag="theirs", a="1"), Receipt(etag="theirs"))
    await scanned(index, seen("known"), seen("a"), seen("b"), seen("c"))
    assert partial(index) == ["a", "b", "c"]
    assert partial(index, "a") == ["b", "c"]
    assert index.buckets()[0].partial == 3
    assert catalog.get(ObjectName("b", "known"))[0].attributes == Attributes({"a": "1"})
    (row,) = index.partial("b", "", 1)
    assert await index.learn(row, whole("a", b="2"))
    assert catalog.get(row.name) == (
        replace(whole("a", b="2"), modified=WHEN),
        Receipt(etag="theirs"),
    )
    assert partial(index) == ["b", "c"]
    assert list(index.followed()) == ["b"]


async def test_only_the_version_that_was_asked_for_is_learnt(index, catalog):
    """I2: what a HEAD has found may be of an older version, or said before it was changed."""
    await scanned(index, seen("k"))
    (row,) = index.partial("b", "", 1)
    assert not await index.learn(row, whole("k", etag="another"))
    later = replace(row, modified=WHEN.replace(hour=1))
    assert not await index.learn(later, whole("k"))
    await index.distrust(row.name)
    assert not await index.learn(row, whole("k"))
    assert await index.looked(row.name, whole("k", a="1"))
    assert not await index.learn(row, whole("k", a="old"))
    assert catalog.get(row.name)[0].attributes == Attributes({"a": "1"})


async def test_a_newer_version_in_a_list_is_to_be_asked_for_again(index, catalog):
    objects = [whole(key, a="1") for key in ("same", "changed", "written again", "just now")]
    for each in objects:
        await catalog.put(each, Receipt(etag="theirs"))
    moments = {"written again": 2.0, "just now": 0.9}
    listed = [
        replace(
            seen(each.name.key, etag="new" if each.name.key == "changed" else "theirs"),
            modified=WHEN + timedelta(seconds=moments.get(each.name.key, 0.0)),
        )
        for each in objects
    ]
    await scanned(index, *listed)
    assert partial(index) == ["changed", "written again"]
    moved = catalog.get(ObjectName("b", "written again"))[0].modified
    assert moved == WHEN + timedelta(seconds=2)


async def test_a_distrusted_row_has_to_be_asked_for_again(index, catalog):
    await scanned(index)
    for bucket in ("b", "not followed"):
        name = ObjectName(bucket, "k")
        await catalog.put(replace(whole("k", a="1"), name=name), Receipt(etag="theirs"))
        await index.distrust(name)
        assert not catalog.get(name)[0].whole
    assert await index.looked(ObjectName("b", "k"), whole("k", a="2"))
    found = catalog.get(ObjectName("b", "k"))[0]
    assert (found.whole, found.attributes) == (True, Attributes({"a": "2"}))


async def test_what_was_refused_waits_for_a_person_or_another_version(index):
    await scanned(index, seen("a"), seen("b"))
    for key in ("a", "b"):
        await index.refused(ObjectName("b", key))
    assert (partial(index), index.buckets()[0].partial) == ([], 2)
    await scanned(index, seen("a", etag="new"), seen("b"))
    assert partial(index) == ["a"]
    await index.ask_again("b")
    assert partial(index) == ["a", "b"]


async def test_what_somebody_else_has_learnt_meanwhile_is_learnt(index, catalog):
    """A read teaches what the leader asks for at the same time: there is nothing to doubt."""
    await scanned(index, seen("k"))
    (row,) = index.partial("b", "", 1)
    for _ in range(2):
        assert await index.learn(row, whole("k", a="1"))
    assert not await index.learn(row, whole("k", a="2")), "one of them is wrong"
    assert catalog.get(row.name)[0].attributes == Attributes({"a": "1"})


@pytest.mark.parametrize(
    "change", [{"etag": "other"}, {"size": 7}, {"modified": WHEN + timedelta(seconds=1)}, {}]
)
async def test_only_the_row_that_was_read_is_outdated(index, catalog, change):
    """I2: by then a write of ours may have put another one in its place."""
    for key in ("k", "other"):
        await catalog.put(whole(key), Receipt(etag="theirs"))
    await index.outdate(replace(whole("k"), **change))
    (info, receipt) = catalog.get(ObjectName("b", "k"))
    assert info.whole is bool(change)
    assert (replace(info, whole=True), receipt) == (whole("k"), Receipt(etag="theirs"))
    assert catalog.get(ObjectName("b", "other"))[0].whole


async def test_what_is_learnt_soon_is_learnt(index, catalog):
    await scanned(index, seen("k"))
    (row,) = index.partial("b", "", 1)
    index.learn_soon(row, whole("k", a="1"))
    await eventually(lambda: catalog.get(row.name)[0].whole)
