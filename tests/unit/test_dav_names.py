"""Object names as WebDAV paths: exact, without collisions, and harmless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.stores.external.dav_names import (
    TEMPORARY_PREFIX,
    key_of,
    key_segments,
    pieces_of,
    segments_of,
    url_path,
)
from nobreak.words import ObjectName

CHARACTERS = st.one_of(
    st.sampled_from("%./\\ a2EF~\0\x1f\x7f\x85é😀\ufffe"), st.characters(exclude_categories=["Cs"])
)
KEYS = st.one_of(
    st.text(CHARACTERS),
    st.lists(
        st.sampled_from(["", ".", "..", "%", "%2E", "a", "é" * 200, "%" * 90]), min_size=1
    ).map("/".join),
    st.tuples(st.text(CHARACTERS, max_size=8), st.integers(40, 130)).map(lambda p: p[0] * p[1]),
)
SEGMENTS = st.lists(st.text(st.sampled_from("%./ a2Ftmp-é"), max_size=4), max_size=4).map(tuple)


@given(KEYS)
def test_a_path_gives_its_key_back(key):
    """DESIGN: a key is kept exactly; so no two keys share a path."""
    assert key_of(key_segments(key)) == key


@given(KEYS)
def test_no_segment_is_dangerous(key):
    for segment in key_segments(key):
        assert segment not in {"", ".", ".."}
        assert not segment.startswith(TEMPORARY_PREFIX)
        assert not set(segment) & set("/\\\0\n\r\x7f")
        assert not segment.endswith((".", " "))
        assert 0 < len(segment.encode()) <= 255


@given(SEGMENTS)
def test_a_path_has_a_key_only_if_it_is_the_path_of_that_key(segments):
    """What lies on the server and is not ours is never listed as an object."""
    key = key_of(segments)
    assert key is None or key_segments(key) == segments


@given(KEYS, KEYS)
def test_a_long_segments_folder_is_never_another_keys_file(one, other):
    """Only `a` beside `a/b` may clash, never what the escape itself makes."""
    first, second = key_segments(one), key_segments(other)
    if second[: len(first)] == first and len(second) > len(first):
        assert other.startswith(f"{one}/")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a/b.txt", "/nobreak/a/b.txt"),
        ("olá mundo+1.jpg", "/nobreak/ol%C3%A1%20mundo%2B1.jpg"),
        ("a//b", "/nobreak/a/%25/b"),
        ("x/", "/nobreak/x/%25"),
        ("/x", "/nobreak/%25/x"),
        ("../y", "/nobreak/%252E%252E/y"),
        (".", "/nobreak/%252E"),
        ("100%", "/nobreak/100%2525"),
        (".env", "/nobreak/%252Eenv"),
        ("v1.", "/nobreak/v1%252E"),
        ("a?b#c", "/nobreak/a%3Fb%23c"),
        ("%tmp-1", "/nobreak/%2525tmp-1"),
    ],
)
def test_ordinary_keys_are_plain_paths_and_others_are_escaped(key, path):
    assert url_path(segments_of(ObjectName("nobreak", key))) == path


def test_a_bucket_is_one_folder_whatever_its_name():
    assert pieces_of("..") == ("%2E%2E",)
    assert pieces_of("a/b") == ("a%2Fb",)


def test_a_long_segment_becomes_folders_that_file_systems_allow():
    pieces = key_segments("é" * 300)
    assert [piece.endswith("%") for piece in pieces] == [True, True, False]
    assert "".join(pieces).replace("%", "") == "é" * 300
