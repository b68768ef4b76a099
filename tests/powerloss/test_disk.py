"""The model of a disk: strict where file systems differ, and only there."""

import pytest
from tests.powerloss.cuts import CHANCES, Cut, Way, left_by
from tests.powerloss.disk import SECTOR, Disk
from tests.powerloss.recording import Event, Kind


class Run:
    """Events as a recording has them, one after the other."""

    def __init__(self):
        self.disk = Disk()
        self.place = 0
        self.handle = 0

    def do(self, kind, **fields):
        self.place += 1
        self.disk.follow(Event(kind, self.place, self.place, **fields))

    def open(self, path, **flags):
        self.handle += 1
        self.do(Kind.OPEN, path=path, handle=self.handle, **flags)
        return self.handle

    def file(self, path, content=b"", *, synced=False):
        handle = self.open(path, makes=True)
        if content:
            self.do(Kind.WRITE, handle=handle, data=content)
        if synced:
            self.do(Kind.SYNC, handle=handle)
        return handle

    def sync(self, path):
        self.do(Kind.SYNC, handle=self.open(path))

    def left(self, way=Way.NOTHING, seed=0):
        return left_by(self.disk, Cut(self.place, way, seed)).files

    def ever_left(self, count=300):
        """What files may hold after a cut, by what chance has shown."""
        return [self.left(way, seed) for seed in range(1, count) for way in CHANCES]


@pytest.fixture
def run():
    return Run()


def test_an_fsync_of_a_file_says_nothing_of_its_name(run):
    run.file("a", b"bytes", synced=True)
    assert run.left() == {}
    run.sync(".")
    assert run.left() == {"a": b"bytes"}


def test_an_fsync_of_a_folder_says_nothing_of_the_bytes_in_its_files(run):
    run.file("a", b"bytes")
    run.sync(".")
    assert run.left() == {"a": b""}
    assert run.left(Way.EVERYTHING) == {"a": b"bytes"}
    assert run.left(Way.SIZES) == {"a": bytes(5)}


def test_a_file_is_as_durable_as_the_folders_above_it(run):
    run.do(Kind.MAKE_FOLDER, path="folder")
    run.file("folder/a", b"bytes", synced=True)
    run.sync("folder")
    assert run.left() == {}
    run.sync(".")
    assert run.left() == {"folder/a": b"bytes"}


def test_a_rename_is_atomic_and_durable_with_the_folder_that_it_goes_to(run):
    run.do(Kind.MAKE_FOLDER, path="new")
    run.file("a", b"old", synced=True)
    run.sync(".")
    run.do(Kind.RENAME, path="a", target="new/b")
    assert run.left() == {"a": b"old"}
    assert {tuple(files) for files in run.ever_left()} == {("a",), ("new/b",)}
    run.sync(".")
    assert run.left() == {"a": b"old"}
    run.sync("new")
    assert run.left() == {"new/b": b"old"}


def test_a_removed_file_may_be_there_again(run):
    run.file("a", b"bytes", synced=True)
    run.sync(".")
    run.do(Kind.REMOVE, path="a")
    assert run.left() == {"a": b"bytes"}
    assert run.left(Way.EVERYTHING) == {}
    run.sync(".")
    assert run.left() == {}


def test_writes_are_reordered_and_torn_but_never_within_a_sector(run):
    handle = run.file("a", b"0" * 3 * SECTOR, synced=True)
    run.sync(".")
    for digit in (b"1", b"2"):
        run.do(Kind.WRITE, handle=handle, data=digit * 3 * SECTOR)
    seen = {files["a"] for files in run.ever_left(2000)}
    sectors = {tuple(content[n * SECTOR :][:SECTOR] for n in range(3)) for content in seen}
    assert all(each in {d * SECTOR for d in (b"0", b"1", b"2")} for of in sectors for each in of)
    assert len(sectors) == 27, "each sector may hold any of the three"


def test_what_is_written_while_an_fsync_is_under_way_is_not_covered(run):
    handle = run.file("a", synced=True)
    run.sync(".")
    run.do(Kind.WRITE, handle=handle, data=b"late")
    run.disk.follow(Event(Kind.SYNC, run.place, run.place + 1, handle=handle))
    assert run.left() == {"a": b""}


def test_a_truncation_is_a_write_like_any_other(run):
    handle = run.file("a", b"bytes", synced=True)
    run.sync(".")
    run.do(Kind.TRUNCATE, handle=handle, at=2)
    assert run.left() == {"a": b"bytes"}
    assert run.left(Way.EVERYTHING) == {"a": b"by"}
    run.do(Kind.TRUNCATE, handle=handle, at=4)
    assert run.left(Way.EVERYTHING) == {"a": b"by\0\0"}


def test_what_is_written_far_behind_the_end_leaves_zeros_before_it(run):
    handle = run.file("a")
    run.do(Kind.WRITE, handle=handle, at=3, data=b"x")
    assert run.left(Way.EVERYTHING) == {"a": b"\0\0\0x"}
