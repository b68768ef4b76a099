"""`nobreak doctor` on a real SeaweedFS, and on everything that can be wrong with it."""

import json

import pytest
from tests.support.children import upload_server
from tests.support.cli import Cli, Ended, s3_settings, upload_settings
from tests.support.net import free_port

from nobreak.demo.seaweed import SeaweedServer


@pytest.fixture
def cli(tmp_path, seaweed, bucket):
    commands = Cli(tmp_path, **s3_settings(seaweed, bucket))
    yield commands
    commands.close()


def verdicts(ended: Ended) -> dict[str, str]:
    return {each["key"]: each["verdict"] for each in json.loads(ended.out)["findings"]}


async def test_a_good_server_is_examined_to_the_end_and_left_clean(cli, s3_store, bucket):
    ended = await cli.run("doctor", "--json")
    found = verdicts(ended)
    assert ended.code == 0
    assert found["writing"] == found["clock"] == found["if_none_match"] == "good"
    assert found["odd_keys"] == "worrying"  # SeaweedFS folds a//b
    assert found["monitor"] == "worrying"
    listing = await s3_store.list(bucket, prefix="", start_after="", limit=10)
    assert listing.objects == ()
    assert not cli.data.exists()


async def test_a_misspelt_setting_is_shown_with_the_one_that_was_meant(cli):
    cli.edit(HEALTH_MAX_FAILURE="3")
    ended = await cli.run("doctor")
    assert "HEALTH_MAX_FAILURE não existe → seria HEALTH_MAX_FAILURES?" in ended.out
    assert "\x1b" not in ended.out


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"NOBREAK_BUCKET": "absent-bucket"}, "bucket", "create it"),
        ({"EXTERNAL_STORAGE_SECRET_KEY": "wrong"}, "credentials", "EXTERNAL_STORAGE_ACCESS_KEY"),
        ({"EXTERNAL_STORAGE_URL": f"s3+http://127.0.0.1:{free_port()}"}, "tcp", "is the server up"),
        ({"EXTERNAL_STORAGE_URL": "s3+http://no.such.host.invalid"}, "dns", "address"),
        ({"NOBREAK_DATA_DIR": "/dev/shm/nobreak-doctor-test"}, "file_system", "use a disk"),
        ({"HEALTH_MAX_FAILURES": "many"}, "settings", "correct it"),
        ({"NOBREAK_API_LISTEN": "0.0.0.0:1"}, "api_exposure", "NOBREAK_API_TOKEN"),
    ],
)
async def test_what_is_wrong_is_named_with_advice_and_gives_exit_code_1(changes, key, words, cli):
    cli.edit(**changes)
    ended = await cli.run("doctor", "--json", NOBREAK_LANG="en")
    assert ended.code == 1
    bad = [each for each in json.loads(ended.out)["findings"] if each["verdict"] == "bad"]
    assert [each["key"] for each in bad] == [key]
    assert words in bad[0]["advice"]


async def test_a_frozen_server_does_not_hold_the_doctor_up(tmp_path):
    """I5: it accepts connections and never answers."""
    server = SeaweedServer(tmp_path / "seaweed")
    await server.start()
    cli = Cli(tmp_path, **s3_settings(server), HEALTH_CHECK_TIMEOUT="1")
    server.freeze()
    try:
        ended = await cli.run("doctor", "--json")
    finally:
        server.thaw()
        await server.kill()
    assert (ended.code, verdicts(ended)["tcp"], verdicts(ended)["check"]) == (1, "good", "bad")
    assert ended.seconds < 5


async def test_the_seeds_server_is_examined_too(tmp_path, upload_server_port):
    cli = Cli(tmp_path, **upload_settings(upload_server_port))
    ended = await cli.run("doctor", "--json")
    assert (ended.code, verdicts(ended)["writing"]) == (0, "good")


@pytest.fixture
async def upload_server_port(tmp_path):
    server = upload_server(tmp_path)
    await server.start()
    yield server.port
    await server.kill()
