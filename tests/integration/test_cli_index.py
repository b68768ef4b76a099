"""`nobreak index` on a real server, and the lists that it makes possible in an outage."""

import asyncio
import json
import signal

import pytest
from tests.support.cli import Cli, s3_settings, upload_settings
from tests.support.net import eventually
from tests.support.s3_lister import KEYS, server_in_byte_order


@pytest.fixture
def cli(tmp_path, seaweed, bucket):
    commands = Cli(tmp_path, **s3_settings(seaweed, bucket))
    yield commands
    commands.close()


async def test_lists_are_answered_in_an_outage_once_they_were_read(cli, bucket, s3_store):
    for key in ("a/1", "a-1", "ü"):
        await cli.run("cp", "-", f"nb:{key}", stdin=b"x")
    await cli.run("mode", "local")
    assert (await cli.run("ls")).code != 0
    await cli.run("mode", "auto")
    ended = await cli.run("index", bucket)
    assert ended.code == 0
    assert f"✅ {bucket}: 3 objetos, completo" in ended.out
    cli.edit(EXTERNAL_STORAGE_URL="s3+http://127.0.0.1:1")
    await cli.run("mode", "local")
    await cli.run("cp", "-", "nb:b", stdin=b"x")
    listed = json.loads((await cli.run("ls", "--json")).out)
    assert [each["key"] for each in listed] == ["a-1", "a/1", "b", "ü"]


async def test_it_says_what_is_complete_and_what_cannot_be(cli, bucket):
    ended = await cli.run("index", "--status", NOBREAK_LANG="en")
    assert (ended.code, ended.out) == (1, "no bucket is indexed: `nobreak index`\n")
    ended = await cli.run("index", "no-such-bucket", NOBREAK_LANG="en")
    assert ended.code == 1
    assert "NoSuchBucket" in ended.err
    assert "Traceback" not in ended.err
    ended = await cli.run("index", "--json")
    assert ended.code == 0
    (row,) = (row for row in json.loads(ended.out) if row["bucket"] == bucket)
    assert (row["complete"], row["objects"]) == (True, 0)


async def test_a_scan_that_was_killed_makes_nothing_complete_and_can_be_begun_again(cli):
    """I2: SIGKILL in the middle, with a page already in the catalog."""
    asked, go_on = [], asyncio.Event()
    async with server_in_byte_order(asked, most=2, go_on=go_on) as endpoint:
        cli.edit(EXTERNAL_STORAGE_URL=f"s3+{endpoint}")
        scan = cli.start("index", "b")
        await eventually(
            lambda: any("continuation-token" in each.query for each in asked), within=15
        )
        await cli.stop(scan, signal.SIGKILL)
        ended = await cli.run("index", "--status", "--json")
        (row,) = json.loads(ended.out)
        assert (ended.code, row["complete"], row["objects"]) == (1, False, 2)
        await cli.run("mode", "local")
        assert (await cli.run("ls", "nb://b/")).code != 0
        go_on.set()
        ended = await cli.run("index", "b", "--json")
        (row,) = json.loads(ended.out)
        assert (ended.code, row["complete"], row["objects"]) == (0, True, len(KEYS))
        listed = json.loads((await cli.run("ls", "nb://b/", "--json")).out)
        assert [each["key"] for each in listed] == KEYS


async def test_a_server_that_cannot_list_needs_none(tmp_path, upload):
    commands = Cli(tmp_path, **upload_settings(upload.port))
    ended = await commands.run("index")
    assert (ended.code, ended.out[:1]) == (0, "✅")
