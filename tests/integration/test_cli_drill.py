"""`nobreak drill` on a running service before a real server."""

import asyncio
import json
import signal

import pytest
from tests.support.cli import Cli, s3_settings


@pytest.fixture
def cli(tmp_path, seaweed, bucket):
    commands = Cli(tmp_path, **s3_settings(seaweed, bucket))
    yield commands
    commands.close()


async def status(cli) -> dict:
    return json.loads((await cli.run("status", "--json")).out)


async def test_a_drill_is_an_outage_from_which_all_comes_back(cli, s3_store, bucket):
    await cli.serve()
    ended = await cli.run("drill", "--for", "2s", "--json")
    found = json.loads(ended.out)
    assert (ended.code, found["problems"], found["ok"]) == (0, [], True)
    assert found["writes"] >= 5
    assert found["reads"] == found["writes"]
    assert found["verified"] >= 4
    now = await status(cli)
    assert (now["current_mode"], now["override"]) == ("external", "auto")
    assert "drill" in (await cli.run("mode")).out
    left = await s3_store.list(bucket, prefix=".nobreak/drill-", start_after="", limit=10)
    assert left.objects == ()


async def test_it_refuses_when_it_would_not_be_safe(cli):
    ended = await cli.run("drill", "--for", "1s", NOBREAK_LANG="en")
    assert ended.code != 0
    assert "nobody monitors" in ended.err
    await cli.serve()
    await cli.run("mode", "local")
    await cli.run("cp", "-", "nb:k", stdin=b"x")
    ended = await cli.run("drill", "--for", "1s", NOBREAK_LANG="en")
    assert ended.code != 0
    assert "pinned by a person" in ended.err
    assert "1 writes still wait" in ended.err
    assert (await status(cli))["override"] == "local", "what a person chose stays"
    for nonsense in ("soon", "0s", "2h", "-1"):
        ended = await cli.run("drill", f"--for={nonsense}")
        assert (ended.code, "Traceback" in ended.err) == (2, False)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_a_drill_that_dies_gives_the_mode_back(cli, how):
    """I6: nobody is left in a pinned mode by a program that is gone."""
    await cli.serve()
    drill = cli.start("drill", "--for", "60s")

    async def mode() -> str:
        return (await status(cli))["current_mode"]

    async with asyncio.timeout(20):
        while await mode() != "local":
            await asyncio.sleep(0.1)
        drill.send_signal(how)
        while await mode() != "external":
            await asyncio.sleep(0.1)
    assert (await status(cli))["override"] == "auto"
