"""What is typed and what it means: names of objects, places for downloads, file systems."""

import errno
from pathlib import Path

import click
import pytest

from nobreak.errors import SettingsError, UnavailableError
from nobreak.faces.cli.doctor.mounts import file_system_of
from nobreak.faces.cli.failing import CommandError, failed
from nobreak.faces.cli.follow import follow, last_lines
from nobreak.faces.cli.planning import _inside
from nobreak.faces.cli.remote import as_prefix, parse, shown
from nobreak.words import ObjectName


@pytest.mark.parametrize(
    ("typed", "bucket", "key"),
    [
        ("nb:a", "mine", "a"),
        ("nb:", "mine", ""),
        ("nb:a//b", "mine", "a//b"),
        ("nb:/a", "mine", "/a"),
        ("nb:../y", "mine", "../y"),
        ("nb://other/x/", "other", "x/"),
        ("nb://other//a", "other", "/a"),
        ("nb://other", "other", ""),
    ],
)
def test_a_name_keeps_its_key_exactly_and_is_shown_so_that_it_can_be_typed(typed, bucket, key):
    name = parse(typed, "mine")
    assert name == ObjectName(bucket, key)
    assert parse(shown(name, "mine"), "mine") == name


def test_a_key_that_would_look_like_a_bucket_is_shown_with_its_bucket():
    assert shown(ObjectName("mine", "//x/y"), "mine") == "nb://mine///x/y"


@pytest.mark.parametrize("typed", ["a", "/a", "s3://b/k", "nb:///k"])
def test_what_is_no_name_is_refused_with_the_syntax(typed):
    with pytest.raises(CommandError, match="nb:KEY, nb://BUCKET/KEY"):
        parse(typed, "mine")


def test_a_prefix_means_what_is_below_it_not_what_begins_alike():
    assert as_prefix(ObjectName("b", "a")).key == "a/"
    assert as_prefix(ObjectName("b", "a/")).key == "a/"
    assert as_prefix(ObjectName("b", "")).key == ""


@pytest.mark.parametrize(
    "key", ["../etc/passwd", "/etc/passwd", "a//b", "a/../../b", "x/", ".", ""]
)
def test_a_download_never_leaves_its_directory(key):
    with pytest.raises(CommandError):
        _inside(Path("/target"), key)


def test_a_download_keeps_its_place_below_the_directory():
    assert _inside(Path("/target"), "a/..b/c") == Path("/target/a/..b/c")


def test_the_file_system_is_that_of_the_innermost_and_last_mount(tmp_path):
    mounts = tmp_path / "mountinfo"
    folder = tmp_path / "with space" / "data"
    folder.mkdir(parents=True)
    escaped = str(tmp_path / "with space").replace(" ", "\\040")
    mounts.write_text(
        "1 0 8:1 / / rw - ext4 /dev/a rw\n"
        f"2 1 0:9 / {escaped} rw shared:1 - xfs /dev/b rw\n"
        f"3 2 0:9 / {escaped} rw - nfs4 server:/x rw\n"
        f"4 1 0:9 / {escaped}/dat rw - tmpfs none rw\n"
    )
    assert file_system_of(folder, mounts) == "nfs4"
    assert file_system_of(tmp_path, mounts) == "ext4"
    assert file_system_of(folder, tmp_path / "absent") == "?"


def test_the_last_lines_are_whole_and_of_a_long_file_only_the_end_is_read(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % n for n in range(50_000)) + b"torn")
    with path.open("rb") as file:
        assert last_lines(file, 2) == [b"line 49998\n", b"line 49999\n"]
        assert file.tell() == path.stat().st_size - len(b"torn")
        assert last_lines(file, 0) == []
        assert len(last_lines(file, 10**6)) == 50_000


def test_following_sees_every_line_across_rotation_truncation_and_torn_writes(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    file = path.open("rb")
    assert last_lines(file, 1) == [b"old\n"]
    lines = follow(lambda: path, file)
    with path.open("ab", buffering=0) as log:
        log.write(b"one\ntw")
        assert next(lines) == b"one\n"
        log.write(b"o\n")
        assert next(lines) == b"two\n"
        path.rename(tmp_path / "log.1")
        log.write(b"late\n")
        path.write_bytes(b"new\n")
    assert [next(lines), next(lines)] == [b"late\n", b"new\n"]
    path.write_bytes(b"")
    with path.open("ab", buffering=0) as log:
        log.write(b"x\n")
    assert next(lines) == b"x\n"
    lines.close()


def test_a_log_that_is_rotated_before_it_is_followed_is_followed_to_its_end(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"")
    lines = follow(lambda: path, path.open("rb"))
    path.rename(tmp_path / "log.1").write_bytes(b"late\n")
    assert next(lines) == b"late\n"
    lines.close()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (SettingsError("X: bad"), 2, "X: bad"),
        (ExceptionGroup("", [UnavailableError("away")]), 1, "away (tente mais tarde)"),
        (FileNotFoundError(errno.ENOENT, "No such file", "/a"), 1, "/a: No such file"),
        (BrokenPipeError(), 141, ""),
        (KeyboardInterrupt(), 130, ""),
        (click.NoSuchOption("--x"), 2, "opção desconhecida: --x"),
        (ValueError("a\nb"), 1, "erro inesperado: ValueError('a\\\\nb')"),
    ],
)
def test_every_error_becomes_an_exit_code_and_at_most_one_line(error, code, words):
    found, line = failed(error)
    assert found == code
    assert line.startswith(words)
    assert "\n" not in line
