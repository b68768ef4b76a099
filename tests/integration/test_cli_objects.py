"""`nobreak cp`, `ls`, `cat` and `rm` on real servers, and through an outage."""

import json
import os
import secrets

import pytest
from tests.support.cli import Cli, s3_settings, upload_settings

ESCAPE = "\x1b"


@pytest.fixture
def cli(tmp_path, seaweed, bucket):
    (tmp_path / "cli").mkdir()
    commands = Cli(tmp_path / "cli", **s3_settings(seaweed, bucket))
    yield commands
    commands.close()


@pytest.fixture
def fragile(tmp_path, upload):
    """Commands in front of a server of the seed's kind, which may be killed."""
    (tmp_path / "cli").mkdir()
    commands = Cli(tmp_path / "cli", **upload_settings(upload.port))
    yield commands
    commands.close()


async def test_a_file_goes_there_and_back_with_its_type(cli, bucket):
    body = secrets.token_bytes(300_000)
    (cli.folder / "photo.png").write_bytes(body)
    sent = await cli.run("cp", "photo.png", "nb:album/")
    assert (sent.code, sent.out, sent.err) == (0, "", "photo.png → nb:album/photo.png\n")
    listed = json.loads((await cli.run("ls", "--json", f"nb://{bucket}/album")).out)
    assert [(each["key"], each["size"], each["pending"]) for each in listed] == [
        ("album/photo.png", 300_000, False)
    ]
    back = await cli.run("cp", "nb:album/photo.png", "back.png")
    assert back.code == 0
    assert (cli.folder / "back.png").read_bytes() == body
    assert not list(cli.folder.glob(".nobreak-*"))


async def test_stdin_and_stdout_carry_bytes_and_nothing_else(cli):
    body = bytes(range(256)) * 10
    assert (await cli.run("cp", "-", "nb:raw", stdin=body)).code == 0
    ended = await cli.shell("nobreak cat nb:raw | md5sum; nobreak cp nb:raw - | md5sum")
    first, second = ended.out.splitlines()
    assert first == second
    assert len(set(ended.out.split())) == 2


async def test_a_directory_is_copied_listed_and_removed_as_a_whole(cli):
    tree = cli.folder / "tree"
    (tree / "deep" / "er").mkdir(parents=True)
    names = ["a.txt", "deep/b.txt", "deep/er/ç ã.txt"]
    for name in names:
        (tree / name).write_text(name)
    assert (await cli.run("cp", "-r", "tree", "nb:backup")).code == 0
    assert (await cli.run("cp", "nb:backup/a.txt", "nb:backup-of-a")).code == 0
    lines = (await cli.run("ls", "nb:backup/")).out.splitlines()
    assert [line.split("nb:")[1] for line in lines] == [f"backup/{name}" for name in names]
    assert (await cli.run("cp", "-r", "nb:backup", "restored")).code == 0
    for name in names:
        assert (cli.folder / "restored" / name).read_text() == name
    assert (await cli.run("rm", "-r", "nb:backup")).code == 0
    assert [line.split("nb:")[1] for line in (await cli.run("ls")).out.splitlines()] == [
        "backup-of-a"
    ]


async def test_a_whole_bucket_is_only_deleted_when_that_is_confirmed(cli):
    await cli.run("cp", "-", "nb:kept", stdin=b"x")
    refused = await cli.run("rm", "-r", "nb:")
    assert refused.code == 1
    assert "--yes" in refused.err
    assert "nb:kept" in (await cli.run("ls")).out
    assert (await cli.run("rm", "-r", "--yes", "nb:")).code == 0
    assert (await cli.run("ls")).out == ""
    assert json.loads((await cli.run("ls", "--json")).out) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cp", "a", "b"], "nb:KEY"),
        (["cp", ".", "nb:x"], "use -r"),
        (["cp", "-r", "-", "nb:x"], "-r"),
        (["cp", "absent", "nb:x"], "absent: No such file or directory"),
        (["cat", "nb:absent"], "absent does not exist"),
        (["cat", "plain"], "nb:KEY"),
        (["ls", "nb://no_such_bucket_here"], "NoSuchBucket"),
    ],
)
async def test_what_can_not_be_done_is_one_line_and_exit_code_1(arguments, words, cli):
    ended = await cli.run(*arguments)
    assert ended.code == 1
    assert words in ended.err
    assert ended.err.count("\n") == 1


async def test_a_download_that_fails_half_way_leaves_the_old_file_alone(cli):
    await cli.run("mode", "local")
    await cli.run("cp", "-", "nb:big", stdin=bytes(3_000_000))
    (blob,) = (path for path in (cli.data / "blobs").rglob("*") if path.is_file())
    with blob.open("r+b") as damaged:
        damaged.seek(-1, os.SEEK_END)
        damaged.write(b"x")
    (cli.folder / "here").write_text("old")
    assert (await cli.run("cp", "nb:big", "here")).code == 1
    assert (cli.folder / "here").read_text() == "old"
    assert not list(cli.folder.glob(".nobreak-*"))


async def test_one_bad_file_does_not_stop_the_others(cli):
    tree = cli.folder / "tree"
    tree.mkdir()
    os.mkfifo(tree / "a-pipe")
    (tree / "b").write_text("b")
    ended = await cli.run("cp", "-r", "tree", "nb:t")
    assert ended.code == 1
    assert "a-pipe" in ended.err
    assert (await cli.run("cat", "nb:t/b")).out == "b"


async def test_commands_work_in_an_outage_and_drain_gives_everything_back(fragile, upload):
    """Another process shares the journal; without a server, `drain --wait` does the work."""
    await fragile.run("cp", "-", "nb:before", stdin=b"outside")
    await upload.kill()
    kept = await fragile.run("cp", "-", "nb:during", stdin=b"here")
    assert kept.code == 0
    assert "💾" in kept.err
    assert kept.seconds < 3
    assert (await fragile.run("cat", "nb:during")).out == "here"
    away = await fragile.run("cat", "nb:before")
    assert (away.code, away.out) == (1, "")
    assert "tente mais tarde" in away.err
    assert (await fragile.run("ls")).out.splitlines()[1].endswith("nb:during 💾")
    undrained = await fragile.run("drain")
    assert undrained.code == 1
    assert "nobreak serve" in undrained.out
    timed_out = await fragile.run("drain", "--wait", "--timeout", "0.5")
    assert timed_out.code == 1
    await upload.start()
    drained = await fragile.run("drain", "--wait", NOBREAK_LANG="en")
    assert drained.code == 0
    assert drained.out.splitlines()[-1] == "✅ DRAIN COMPLETE: nothing pending"
    assert ESCAPE not in drained.out
    await fragile.run("cp", "nb:during", "back")
    assert (fragile.folder / "back").read_text() == "here"
    assert (await fragile.run("pending")).out == "✅ nada pendente\n"


async def test_a_frozen_server_delays_a_copy_only_by_the_divert_deadline(fragile, upload):
    """I5"""
    await fragile.run("cp", "-", "nb:warm", stdin=b"x")
    upload.freeze()
    try:
        kept = await fragile.run("cp", "-", "nb:slow", stdin=b"y")
    finally:
        upload.thaw()
    assert kept.code == 0
    assert kept.seconds < 6
    assert (await fragile.run("cat", "nb:slow")).out == "y"


async def test_parked_entries_are_named_by_drain_and_may_be_tried_again(cli):
    """I7: an entry that the server refuses is kept and shown, and blocks nobody."""
    await cli.run("mode", "local")
    await cli.run("cp", "-", "nb://bucket-to-be/refused", stdin=b"x")
    await cli.run("cp", "-", "nb:fine", stdin=b"y")
    pinned = await cli.run("drain", "--wait")
    assert pinned.code == 1
    assert "nobreak mode auto" in pinned.err
    await cli.run("mode", "auto")
    drained = await cli.run("drain", "--wait")
    assert drained.code == 1
    assert "   bucket-to-be/refused: HTTP 404 NoSuchBucket" in drained.out
    document = json.loads((await cli.run("pending", "--parked", "--json")).out)
    assert (document["total"], document["parked"]) == (1, 1)
    assert document["entries"][0]["state"] == "parked"
    assert document["entries"][0]["next_attempt"] is not None
    retried = json.loads((await cli.run("pending", "--retry", "--json")).out)
    assert retried["retried"] == 1
    assert retried["entries"][0]["next_attempt"] is None


async def test_pending_reads_only_what_it_shows(cli):
    await cli.run("mode", "local")
    for number in range(3):
        await cli.run("cp", "-", f"nb:k{number}", stdin=b"x")
    few = await cli.run("pending", "--limit", "2")
    assert [line.split("\t")[4].rpartition("/")[2] for line in few.out.splitlines()[:2]] == [
        "k0",
        "k1",
    ]
    assert "2 de 3" in few.out
    assert len(json.loads((await cli.run("pending", "--limit", "0", "--json")).out)["entries"]) == 3
