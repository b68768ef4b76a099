"""Listings are paged as S3 pages them: compared with a model that sees all keys at once (I2)."""

import asyncio
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.errors import UnavailableError
from nobreak.faces.s3.folding import Fold, FoldedPage, Folding, fold_listing
from nobreak.stores.external.base import Listing
from nobreak.words import ObjectInfo, ObjectName

MODIFIED = datetime(2025, 10, 31, tzinfo=UTC)
texts = st.text("ab/-\U0010ffff", max_size=6)
keys = st.sets(st.text("ab/-\U0010ffff", min_size=1, max_size=6), max_size=25)
delimiters = st.sampled_from(["", "/", "//", "a", "-", "/-"])


def info(key):
    return ObjectInfo(ObjectName("b", key), 1, "etag", MODIFIED)


class Source:
    """A sorted list that gives pages of a size of its own, and counts what was read."""

    def __init__(self, keys, page_size=1000):
        self.keys = sorted(keys, key=str.encode)
        self.page_size = page_size
        self.read = 0
        self.calls = 0

    def page(self, prefix, start_after, limit):
        self.calls += 1
        after = start_after.encode()
        left = [key for key in self.keys if key.startswith(prefix) and key.encode() > after]
        shown = left[: min(limit, self.page_size)]
        self.read += len(shown)
        return Listing(tuple(map(info, shown)), truncated=len(left) > len(shown))

    def fold(self, fold):
        folding = Folding(fold)
        while folding.start_after is not None:
            folding.feed(self.page(fold.prefix, folding.start_after, folding.limit))
        return folding.page()


def element_of(key, prefix, delimiter):
    head, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
    return prefix + head + delimiter if found else key


def model(keys, fold):
    """The elements after the marker, and whether there are more than fit."""
    named = {key for key in keys if key.startswith(fold.prefix)}
    elements = sorted({element_of(key, fold.prefix, fold.delimiter) for key in named})
    left = [each for each in elements if each > fold.after]
    return left[: fold.max_keys], bool(fold.max_keys) and len(left) > fold.max_keys


def elements_of(page):
    return sorted([each.name.key for each in page.objects] + list(page.common_prefixes))


@given(keys, texts, delimiters, texts, st.integers(1, 7))
def test_a_page_is_what_the_model_says_for_every_number_of_keys(
    keys, prefix, delimiter, after, page_size
):
    prefix = prefix[:2]
    for max_keys in range(len(keys) + 2):
        fold = Fold(prefix, delimiter, after, max_keys)
        page = Source(keys, page_size).fold(fold)
        elements, truncated = model(keys, fold)
        assert elements_of(page) == elements
        assert page.truncated is truncated
        assert page.last == (elements[-1] if elements else "")


@given(keys, texts, delimiters, st.integers(1, 5), st.integers(1, 5))
def test_pages_one_after_the_other_give_each_element_once(
    keys, prefix, delimiter, max_keys, page_size
):
    prefix = prefix[:1]
    source, found, after, truncated = Source(keys, page_size), [], "", True
    while truncated:
        page = source.fold(Fold(prefix, delimiter, after, max_keys))
        found += elements_of(page)
        after, truncated = page.last, page.truncated
    assert found == model(keys, Fold(prefix, delimiter, "", 1000))[0]


def test_what_was_rolled_up_is_skipped_and_not_read_to_its_end():
    source = Source([f"big/{n:06}" for n in range(20_000)] + ["a", "big0", "z/1"])
    page = source.fold(Fold(delimiter="/"))
    assert elements_of(page) == ["a", "big/", "big0", "z/"]
    assert source.read < 2_100
    assert source.calls == 2


def test_a_marker_inside_of_a_prefix_skips_it_without_reading_it():
    source = Source([f"big/{n:06}" for n in range(5_000)] + ["big0"])
    for after in ("big/", "big/000003"):
        source.read = 0
        assert elements_of(source.fold(Fold(delimiter="/", after=after))) == ["big0"]
        assert source.read == 1


def test_keys_that_the_skip_can_not_pass_are_still_rolled_up_only_once():
    last = "\U0010ffff"
    long = "p" * 1022 + "/"
    source = Source(["a/" + last, "a/" + last * 2, "a/b", "b", long + "x", "q"], page_size=1)
    assert elements_of(source.fold(Fold(delimiter="/"))) == ["a/", "b", long, "q"]


def test_no_more_than_a_thousand_elements_fit_and_none_with_zero():
    source = Source([f"{n:05}" for n in range(1500)])
    page = source.fold(Fold(max_keys=5000))
    assert (len(page.objects), page.truncated, page.last) == (1000, True, "00999")
    source.calls = 0
    assert source.fold(Fold(max_keys=0)) == FoldedPage()
    assert source.calls == 0


def test_without_a_delimiter_no_more_is_read_than_is_shown_and_one():
    source = Source([f"{n:05}" for n in range(100)])
    assert source.fold(Fold(max_keys=10)).truncated
    assert source.read == 11


def test_a_listing_that_does_not_go_on_is_an_honest_error():
    folding = Folding(Fold())
    with pytest.raises(UnavailableError):
        folding.feed(Listing((), truncated=True))
    folding = Folding(Fold(after="b"))
    with pytest.raises(UnavailableError):
        folding.feed(Listing((info("a"),), truncated=True))


def test_a_listing_is_folded_from_pages_that_have_to_be_waited_for():
    source = Source(["a/1", "a/2", "b"])

    async def list_page(start_after, limit):
        await asyncio.sleep(0)
        return source.page("", start_after, limit)

    page = asyncio.run(fold_listing(Fold(delimiter="/"), list_page))
    assert elements_of(page) == ["a/", "b"]
