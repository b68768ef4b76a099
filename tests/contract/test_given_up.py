"""What every list of what was given up promises: conflicts are told from our own late writes (I7)."""

from tests.support.net import eventually

from nobreak.stores.sqlite import given_up as sqlite
from nobreak.words import ObjectName

KEY = ObjectName("b", "k")


async def test_a_version_is_known_by_key_and_etag(given_up):
    given_up.note_soon(KEY, "v1")
    await eventually(lambda: given_up.has(KEY, "v1"))
    assert not given_up.has(KEY, "v2")
    assert not given_up.has(ObjectName("b", "other"), "v1")
    assert not given_up.has(KEY, "")


async def test_the_oldest_make_way(given_up, monkeypatch):
    monkeypatch.setattr(sqlite, "MOST", 3)
    for n in range(5):
        given_up.note_soon(KEY, f"v{n}")
    given_up.note_soon(KEY, "v2")
    await eventually(lambda: not given_up.has(KEY, "v1"))
    await eventually(lambda: given_up.has(KEY, "v2"))
    assert [n for n in range(5) if given_up.has(KEY, f"v{n}")] == [2, 3, 4]
