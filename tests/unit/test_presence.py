"""Who works on a data directory, and who left it without a word (I4)."""

import os
from contextlib import ExitStack, contextmanager

from nobreak.engine import presence
from nobreak.engine.presence import RUNNING, find_the_dead, present


def crash(folder):
    """What a killed process leaves: its file, without its lock."""
    (folder / RUNNING).mkdir(exist_ok=True)
    path = folder / RUNNING / "left-by-a-dead-process"
    path.touch()
    return path


@contextmanager
def arriving(folder):
    """What each engine does when it opens; gives whether somebody crashed before."""
    dead = find_the_dead(folder)
    dead.bury()
    dead.let_go()
    with present(folder):
        yield bool(dead)


def files(folder):
    return sorted(path.name for path in (folder / RUNNING).iterdir())


def test_who_closes_leaves_nothing_behind(tmp_path):
    with arriving(tmp_path) as crashed:
        assert not crashed
        assert len(files(tmp_path)) == 1
    assert files(tmp_path) == []


def test_a_crash_is_noticed_by_one_and_only_once(tmp_path):
    path = crash(tmp_path)
    with arriving(tmp_path) as crashed:
        assert crashed
        assert not path.exists()
        with arriving(tmp_path) as again:
            assert not again
        assert len(files(tmp_path)) == 1, "who lives keeps its file"


def test_who_fails_inside_is_taken_for_dead(tmp_path):
    """It may have had something under way: the next one has to know."""
    try:
        with arriving(tmp_path):
            raise ZeroDivisionError  # noqa: TRY301
    except ZeroDivisionError:
        pass
    with arriving(tmp_path) as crashed:
        assert crashed


def test_a_file_that_is_not_locked_yet_is_no_crash(tmp_path):
    """A process that has just begun makes its file under a name that nobody looks at."""
    (tmp_path / RUNNING).mkdir()
    (tmp_path / RUNNING / ".beginning").touch()
    with arriving(tmp_path) as crashed:
        assert not crashed


def test_several_that_start_after_a_crash_do_not_trip_over_each_other(tmp_path, monkeypatch):
    """I6: all workers of a server find the same dead one; another may bury it first."""
    path = crash(tmp_path)
    real_open = os.open

    def open_too_late(target, *args, **kwargs):
        if target == path:
            path.unlink(missing_ok=True)
        return real_open(target, *args, **kwargs)

    monkeypatch.setattr(presence.os, "open", open_too_late)
    with arriving(tmp_path) as crashed:
        assert not crashed, "who buried it knows, and says so on the board"


def test_who_says_goodbye_while_we_look_is_not_taken_for_dead(tmp_path, monkeypatch):
    other = ExitStack()
    other.enter_context(arriving(tmp_path))
    flock = presence.fcntl.flock

    def flock_after_goodbye(descriptor, kind):
        if kind & presence.fcntl.LOCK_NB:
            other.close()
        flock(descriptor, kind)

    monkeypatch.setattr(presence.fcntl, "flock", flock_after_goodbye)
    with arriving(tmp_path) as crashed:
        assert not crashed


def test_who_was_not_buried_is_found_again(tmp_path):
    """I2, I4: whoever dies before it was noted, or can't note it on a full disk, leaves it to the next."""
    path = crash(tmp_path)
    dead = find_the_dead(tmp_path)
    assert dead
    assert not find_the_dead(tmp_path), "of several who look, one notes it"
    dead.let_go()
    assert path.exists()
    with arriving(tmp_path) as crashed:
        assert crashed
