"""Lists never lie (I2): any external list under any journal, in pages of any size."""

from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nobreak.engine.listing import Overlay, list_page, merge
from nobreak.stores.external.base import Listing, Traits
from nobreak.words import (
    Attributes,
    Entry,
    EntryKind,
    EntryState,
    Fingerprint,
    Mode,
    ObjectInfo,
    ObjectName,
)

WHEN = datetime(2026, 1, 2, tzinfo=UTC)
THEIRS, OURS = 1, 2
"""Sizes that tell where an object came from."""

keys = st.text(alphabet="ab/é😀\uffff", min_size=1, max_size=3)
limits = st.integers(1, 5)


def info(key):
    return ObjectInfo(ObjectName("b", key), THEIRS, "etag", WHEN)


def entry(key, kind):
    fingerprint = Fingerprint(OURS, "md5") if kind is EntryKind.PUT else None
    return Entry(
        0, ObjectName("b", key), kind, EntryState.PENDING, fingerprint, Attributes(), acked_at=1.0
    )


def ordered(found):
    return sorted(found, key=str.encode)


def naive(external, journal):
    """What a list of everything would be: the size under each key."""
    found = dict.fromkeys(external, THEIRS)
    for key, kind in journal.items():
        if kind is EntryKind.PUT:
            found[key] = OURS
        else:
            found.pop(key, None)
    return [(key, found[key]) for key in ordered(found)]


def external_page(external, after, limit):
    left = [key for key in ordered(external) if key.encode() > after.encode()]
    return Listing(tuple(info(key) for key in left[:limit]), truncated=len(left) > limit)


def journal_page(journal, after, limit):
    left = [key for key in ordered(journal) if key.encode() > after.encode()]
    return [entry(key, journal[key]) for key in left[:limit]]


def shown(page):
    return [(found.name.key, found.size) for found in page.objects]


worlds = st.tuples(
    st.sets(keys, max_size=9), st.dictionaries(keys, st.sampled_from(EntryKind), max_size=9)
)


@given(worlds, limits)
@example((set("abé"), {"a": EntryKind.DELETE, "b": EntryKind.DELETE}), 1)
@example((set(), {"a": EntryKind.DELETE}), 1)
@example((set("ab"), {"c": EntryKind.PUT}), 2)
def test_a_merged_page_is_true_as_far_as_it_speaks(world, limit):
    external, journal = world
    entries = journal_page(journal, "", limit)
    overlay = Overlay(entries, truncated=len(entries) == limit)
    page, reached = merge(external_page(external, "", limit), overlay, limit)
    expected = naive(external, journal)
    assert len(page.objects) <= limit
    if page.truncated:
        expected = [(key, size) for key, size in expected if key.encode() <= reached.encode()]
    assert shown(page) == expected
    for found in page.objects:
        assert found.mode is (Mode.LOCAL if found.size == OURS else Mode.EXTERNAL)


@dataclass
class Store:
    """An external store and a journal, as `list_page` sees them."""

    external: set
    journal: dict
    lists: bool = True

    def context(self):
        async def list_external(_bucket, *, prefix, start_after, limit):
            return external_page(having(self.external, prefix), start_after, limit)

        def catalog_page(_bucket, prefix, after, limit):
            page = external_page(having(self.external, prefix), after, limit)
            return [(found, None) for found in page.objects]

        return SimpleNamespace(
            journal=SimpleNamespace(
                page=lambda _bucket, prefix, after, limit: journal_page(
                    {key: self.journal[key] for key in having(self.journal, prefix)}, after, limit
                )
            ),
            catalog=SimpleNamespace(page=catalog_page, get=lambda _name: None),
            external=SimpleNamespace(
                traits=Traits(keeps_attributes=True, chooses_names=False, lists=self.lists),
                list=list_external,
            ),
            link=SimpleNamespace(answered=lambda: None),
            writes=SimpleNamespace(divert_after=5.0),
        )


def having(names, prefix):
    return {key for key in names if key.startswith(prefix)}


async def pages(context, prefix, limit):
    after, found = "", []
    for _ in range(100):
        page = await list_page(
            context, "b", prefix, after, limit, catalog=not context.external.traits.lists
        )
        assert len(page.objects) <= limit
        assert page.objects or not page.truncated, "a truncated page is never empty"
        found += shown(page)
        if not page.truncated:
            return found
        after = page.objects[-1].name.key
    pytest.fail("the pages never end")


@given(worlds, limits, st.sampled_from(["", "a", "a/", "é", "\uffff"]), st.booleans())
async def test_page_after_page_is_the_whole_list_and_each_key_comes_once(
    world, limit, prefix, lists
):
    external, journal = world
    store = Store(external, journal, lists)
    expected = [(key, size) for key, size in naive(external, journal) if key.startswith(prefix)]
    assert await pages(store.context(), prefix, limit) == expected


@pytest.mark.parametrize("early", [False, True])
async def test_what_is_given_back_between_the_two_looks_is_shown_once(early):
    """I2: the journal is looked at first, else a drained object would be in neither."""
    store = Store({"a", "c"}, {"b": EntryKind.PUT})
    context = store.context()
    list_external = context.external.list

    async def drained_meanwhile(bucket, **more):
        before = await list_external(bucket, **more)
        store.journal.clear()
        store.external.add("b")
        return before if early else await list_external(bucket, **more)

    context.external.list = drained_meanwhile
    page = await list_page(context, "b", "", "", 10, catalog=not context.external.traits.lists)
    assert [key for key, _ in shown(page)] == ["a", "b", "c"]
    assert not page.truncated
