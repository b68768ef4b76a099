"""What every table of copies promises, whatever it is made of."""

import asyncio

from tests.support.net import eventually

from nobreak.stores.copies import CacheTally, Copy
from nobreak.words import Fingerprint, ObjectName


def copy(key, size=10, version="v1", file=None):
    return Copy(ObjectName("b", key), version, Fingerprint(size, "md5"), file or f"{key}-{version}")


async def admit(copies, *admitted, limit=100, since=None):
    """Take them in; the files that were not needed then."""
    gone = []
    for each in admitted:
        settled = asyncio.Event()

        def note(files, settled=settled):
            gone.extend(files)
            settled.set()

        copies.admit_soon(each, copies.moment() if since is None else since, limit, note)
        await settled.wait()
    return gone


async def test_a_copy_is_found_until_it_is_dropped(copies):
    assert copies.find(ObjectName("b", "k")) is None
    assert (copies.tally(), copies.are_any()) == (CacheTally(), False)
    assert await admit(copies, copy("k")) == []
    assert copies.find(ObjectName("b", "k")) == copy("k")
    assert copies.needs("k-v1")
    assert copies.are_any()
    await copies.drop(copy("k", file="another one by now"))
    assert copies.tally() == CacheTally(1, 10, 0)
    await copies.drop(copy("k"))
    assert (copies.find(ObjectName("b", "k")), copies.tally()) == (None, CacheTally())
    assert not copies.are_any()
    assert not copies.needs("k-v1")


async def test_a_new_version_takes_the_place_of_the_old_one(copies):
    assert await admit(copies, copy("k"), copy("k", 30, "v2")) == ["k-v1"]
    assert copies.find(ObjectName("b", "k")) == copy("k", 30, "v2")
    assert copies.tally() == CacheTally(1, 30, 0)


async def test_the_limit_holds_and_the_files_of_what_went_are_told(copies):
    gone = await admit(copies, *(copy(str(n)) for n in range(25)))
    assert gone == [f"{n}-v1" for n in range(15)]
    assert copies.tally() == CacheTally(10, 100, 0)


async def test_what_was_asked_for_stays(copies):
    await admit(copies, *(copy(str(n)) for n in range(5)))
    copies.asked_soon({ObjectName("b", "1"): 2, ObjectName("b", "never here"): 1}, 7)
    await eventually(lambda: copies.tally().served == 7)
    await admit(copies, *(copy(f"scan {n}") for n in range(50)))
    assert copies.find(ObjectName("b", "1")) is not None
    assert copies.find(ObjectName("b", "2")) is None


async def test_what_comes_back_is_remembered_as_popular(copies):
    await admit(copies, *(copy(str(n)) for n in range(15)))
    await admit(copies, copy("0", version="v2"))
    await admit(copies, *(copy(f"scan {n}") for n in range(50)))
    assert copies.find(ObjectName("b", "0")) == copy("0", version="v2")


async def test_it_shrinks_as_far_as_it_is_told(copies):
    await admit(copies, *(copy(str(n)) for n in range(10)))
    assert list(await copies.shrink(35)) == [f"{n}-v1" for n in range(7)]
    assert copies.tally() == CacheTally(3, 30, 0)
    assert len(await copies.shrink(0)) == 3
    assert copies.tally() == CacheTally()


async def test_a_bucket_can_be_forgotten(copies):
    other = Copy(ObjectName("other", "k"), "v1", Fingerprint(10, "md5"), "file")
    await admit(copies, copy("a"), copy("b"), other)
    assert sorted(await copies.forget("b")) == ["a-v1", "b-v1"]
    assert copies.find(other.name) == other
    assert copies.tally().copies == 1


async def test_what_was_on_its_way_when_its_bucket_was_forgotten_does_not_come_in(copies):
    """I2: its bytes were read before whatever changed the bucket."""
    before = copies.moment()
    await copies.forget("b")
    assert await admit(copies, copy("late"), since=before) == ["late-v1"]
    assert copies.find(ObjectName("b", "late")) is None
    assert copies.tally() == CacheTally()
    other = Copy(ObjectName("other", "k"), "v1", Fingerprint(10, "md5"), "file")
    assert await admit(copies, other, since=before) == []
    assert await admit(copies, copy("new")) == []
    assert copies.tally().copies == 2


async def test_the_oldest_are_told_and_stay(copies):
    """When the disk is so full that nothing can be written, their files go first."""
    await admit(copies, *(copy(str(n)) for n in range(5)))
    assert [each.name.key for each in copies.oldest(25)] == ["0", "1", "2"]
    assert list(copies.oldest(0)) == []
    assert copies.oldest(1000)[-1] == copy("4")
    assert copies.tally().copies == 5


async def test_with_no_room_at_all_not_even_the_empty_stay(copies):
    await admit(copies, copy("empty", 0))
    assert list(await copies.shrink(0)) == []
    assert list(await copies.shrink(-1)) == ["empty-v1"]


async def test_tallies_follow_moves_between_the_queues(copies):
    await admit(copies, copy("a", 60), copy("b", 30))
    copies.asked_soon({ObjectName("b", "a"): 1}, 0)
    await admit(copies, copy("c", 50))
    assert copies.tally().bytes == sum(
        found.fingerprint.size
        for key in "abc"
        if (found := copies.find(ObjectName("b", key))) is not None
    )
    assert copies.tally().bytes <= 100
