"""Claims: what one process is writing, all others see (I4)."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from nobreak.engine.doubts import Doubts
from nobreak.errors import LocalStoreError, OutOfSpaceError
from nobreak.stores.interfaces import Notice
from nobreak.stores.local import claims as claims_module
from nobreak.stores.local.claims import ALONE, FENCED, FREE, LANDS, SHARED, Claims
from nobreak.words import ObjectName

KEY, OTHER = ObjectName("b", "k"), ObjectName("b", "other")


class Board:
    crashed = False

    def read(self):
        return Notice(crashed=self.crashed)


@pytest.fixture
def processes(tmp_path):
    """Two of one data directory, as far as the kernel can tell."""
    claims = [Claims(tmp_path), Claims(tmp_path)]
    yield [Doubts(Board(), each) for each in claims]
    for each in claims:
        each.close()


def test_of_two_processes_one_sends_and_the_other_goes_behind(processes):
    one, two = processes
    with one.direct(KEY) as hold:
        assert hold.direct
        assert KEY in two
        assert two.direct(KEY) is None
        assert two.direct(KEY, fenced=True) is None
        assert two.direct(OTHER) is not None
        behind = two.behind(KEY)
        assert behind.doubtful
        assert behind.rival
        behind.release()
    assert KEY not in two
    assert two.direct(KEY).direct


def test_nobody_sends_past_a_write_on_its_way_into_the_journal(processes):
    one, two = processes
    with one.behind(KEY) as hold, two.behind(KEY) as beside:
        assert [hold.doubtful, beside.doubtful, beside.rival] == [False] * 3
        assert one.direct(KEY) is None
        assert two.direct(KEY) is None
    assert two.direct(KEY) is not None


def test_conditional_writes_go_side_by_side_and_others_behind_them(processes):
    one, two = processes
    with one.direct(KEY, fenced=True), two.direct(KEY, fenced=True), one.direct(KEY, fenced=True):
        assert one.direct(KEY) is None
        assert KEY in one
        assert not one.unfenced(KEY)
        with two.behind(KEY) as behind:
            assert behind.doubtful
            assert not behind.rival
    with one.direct(KEY, fenced=True):
        assert KEY in two
        assert two.behind(KEY).doubtful
    assert KEY not in one


def test_what_was_given_up_is_feared_by_all_until_it_is_over(processes):
    one, two = processes
    with one.direct(KEY):
        one.begin(KEY)
    for each in processes:
        assert KEY in each
        assert each.direct(KEY) is None
        with each.behind(KEY) as behind:
            assert behind.doubtful
    with one.behind(KEY) as behind:
        assert not behind.rival  # nobody will be told that it was done
    one.end(KEY)
    assert KEY not in two
    assert two.direct(KEY) is not None


def test_a_conditional_write_given_up_beside_another_one_is_feared_by_all(processes):
    """I4: it can't have the key alone then; nobody may take it for over."""
    one, two = processes
    with two.direct(KEY, fenced=True), one.direct(KEY, fenced=True):
        one.begin(KEY)
    for each in (two, one):  # what the one does next may make it good
        assert KEY in each
        assert each.under_way(KEY)
        assert each.direct(KEY) is None
        with each.behind(KEY) as behind:
            assert behind.doubtful
    one.end(KEY)
    assert KEY not in two
    assert not one._here
    assert two.direct(KEY) is not None


def test_the_dead_claim_nothing(tmp_path):
    """The kernel takes it back; that somebody died is written down elsewhere."""
    dying, living = Claims(tmp_path), Claims(tmp_path)
    place, seen = dying.place("b", "k"), living.place("b", "k")
    assert dying.take(place, ALONE, LANDS)
    assert not living.take(seen, SHARED, LANDS)
    assert not living.is_free(seen, SHARED, LANDS)
    dying.close()
    assert living.take(seen, ALONE, LANDS)
    assert living.take(seen, FREE, LANDS)
    living.close()


def test_nothing_is_left_of_what_is_over(processes):
    one, two = processes
    for fenced in (False, True):
        one.direct(KEY, fenced=fenced).release()
        one.behind(KEY).release()
    one.begin(KEY)
    one.end(KEY)
    assert not one._here
    assert all(two._claims.is_free(two._claims.place("b", "k"), ALONE, byte) for byte in (0, 1))


def test_after_a_crash_every_key_is_doubted(processes):
    one, _two = processes
    with one.behind(OTHER) as hold:
        assert not hold.doubtful
        one._board.crashed = True
        assert hold.doubtful
        assert KEY in one


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def all_fail(code):
    def fail(*_arguments):
        raise OSError(code, os.strerror(code))

    return fail


def test_a_system_without_such_locks_says_so_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "fcntl", all_fail(errno.EINVAL))
    with pytest.raises(LocalStoreError, match="Invalid argument"):
        Claims(tmp_path)


@pytest.mark.parametrize(
    ("code", "error"), [(errno.EROFS, LocalStoreError), (errno.ENOSPC, OutOfSpaceError)]
)
def test_files_that_cannot_be_made_are_said_at_the_start(tmp_path, monkeypatch, code, error):
    opened, before = os.open, descriptors()

    def last_fails(path, *more):
        if path.name == f"{claims_module.FILES - 1:x}":
            all_fail(code)()
        return opened(path, *more)

    monkeypatch.setattr(claims_module.os, "open", last_fails)
    with pytest.raises(error):
        Claims(tmp_path)
    assert descriptors() == before


def test_a_lock_that_fails_is_none_and_holds_nothing(processes, monkeypatch):
    """Writes go through the journal then, and are in doubt."""
    one, two = processes
    with monkeypatch.context() as patched:
        patched.setattr(fcntl, "fcntl", all_fail(errno.ENOLCK))
        assert one.direct(KEY) is None
        assert one.direct(KEY, fenced=True) is None
        assert not one._here
    with one.direct(KEY) as hold:
        assert hold.direct
    assert two._claims.is_free(two._claims.place("b", "k"), ALONE, FENCED)
