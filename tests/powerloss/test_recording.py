"""Recordings see everything that changes a file, or fail."""

import sys

import pytest
from tests.powerloss.recording import Kind, Reader, UnknownCallError, record


def recorded(folder, code):
    (folder / "disk").mkdir()
    (folder / "program.py").write_text(f"import os\nos.chdir({str(folder / 'disk')!r})\n{code}")
    assert record([sys.executable, "-I", "-S", str(folder / "program.py")], folder / "trace") == 0
    return Reader(folder / "disk", folder / "marks").events([folder / "trace"])


def test_what_a_program_does_to_its_files_is_recorded_byte_by_byte(tmp_path):
    disk = tmp_path / "disk"
    events = recorded(
        tmp_path,
        f"""
        path = {str(disk / "ã")!r}
        file = os.open(path, os.O_RDWR | os.O_CREAT)
        os.write(file, bytes(range(256)))
        os.write(file, b'quoted "text"')
        os.pwrite(file, b"x", 3)
        os.ftruncate(file, 260)
        os.fsync(file)
        os.rename(path, {str(disk / "b")!r})
        os.unlink({str(disk / "b")!r})
        os.fdatasync(file)
        """.replace("\n        ", "\n"),
    )
    writes = [(event.at, event.data) for event in events if event.kind is Kind.WRITE]
    assert writes == [(0, bytes(range(256))), (256, b'quoted "text"'), (3, b"x")]
    assert [event.kind for event in events] == [
        *(Kind.OPEN, Kind.WRITE, Kind.WRITE, Kind.WRITE, Kind.TRUNCATE, Kind.SYNC),
        *(Kind.RENAME, Kind.REMOVE, Kind.SYNC),
    ]
    assert (events[0].path, events[0].makes) == ("ã", True)
    assert (events[6].path, events[6].target) == ("ã", "b")


@pytest.mark.parametrize(
    "code",
    [
        "os.writev(file, [b'x'])",
        "os.link(path, path + '2')",
        "os.truncate(path, 3)",
        "os.posix_fallocate(file, 0, 10)",
        "os.sync()",
        "import mmap; os.ftruncate(file, 10); mmap.mmap(file, 10)",
        "os.open(path, os.O_WRONLY | os.O_APPEND)",
        "os.write(os.dup(file), b'x')",
    ],
)
def test_what_the_model_does_not_know_makes_a_recording_fail(tmp_path, code):
    path = tmp_path / "disk" / "a"
    opened = f"path = {str(path)!r}\nfile = os.open(path, os.O_RDWR | os.O_CREAT)\n"
    with pytest.raises(UnknownCallError):
        recorded(tmp_path, opened + code)
