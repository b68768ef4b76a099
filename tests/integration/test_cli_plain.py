"""The command line without a server: usage, languages, settings, exit codes, quick starts."""

import json
import os

import pytest
from tests.support.cli import Cli, upload_settings
from tests.support.net import free_port

ESCAPE = "\x1b"


@pytest.fixture
def cli(tmp_path):
    commands = Cli(tmp_path, **upload_settings(free_port()))
    yield commands
    commands.close()


async def test_help_names_every_command_in_both_languages(cli):
    pt, en = await cli.run("--help"), await cli.run("--help", NOBREAK_LANG="en")
    assert pt.code == en.code == 0
    assert "Uso: nobreak [OPÇÕES] COMANDO" in pt.out
    assert "Usage: nobreak [OPTIONS] COMMAND" in en.out
    for name in ("serve", "status", "check", "mode", "pending", "drain", "logs", "doctor", "demo"):
        for text in (pt.out, en.out):
            assert f"\n  {name} " in text


async def test_the_language_may_stand_in_the_env_file(cli):
    cli.edit(NOBREAK_LANG="en")
    assert "Show the mode" in (await cli.run("mode", "--help")).out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stauts"], "comando desconhecido: stauts (seria status?)"),
        (["status", "--jsn"], "opção desconhecida: --jsn (seria --json?)"),
        (["mode", "both"], "permitido: auto, local, external"),
        (["check", "--probe", "x"], "permitido: http, tcp, s3, deep"),
        (["pending", "--limit", "-1"], "um número, no mínimo 0"),
        (["cat"], "falta OBJETO..."),
        (["version", "x"], "argumento a mais: x"),
    ],
)
async def test_wrong_arguments_get_one_line_that_says_what_is_allowed(arguments, words, cli):
    ended = await cli.run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("command", ["serve", "status", "check", "ls", "drain", "logs", "mode"])
async def test_a_bad_setting_is_one_line_and_exit_code_2(command, cli):
    cli.edit(HEALTH_MAX_FAILURES="many")
    ended = await cli.run(command)
    assert ended.code == 2
    assert ended.err == (
        'nobreak: HEALTH_MAX_FAILURES="many": permitido: um número inteiro, de 1 a 1000\n'
    )


@pytest.mark.parametrize("command", [["status"], ["mode"], ["pending"], ["drain", "--wait"]])
async def test_looking_makes_no_data_directory_and_says_that_there_is_none(command, cli):
    ended = await cli.run(*command)
    assert ended.code == 1
    assert f"não há journal em {cli.data}" in ended.err
    assert ended.err.count("\n") == 1
    assert not cli.data.exists()


async def test_light_commands_start_quickly_and_without_an_http_client(cli):
    await cli.run("mode", "auto")
    for command in ("--version", "--help", "status", "pending", "mode"):
        ended = await cli.run(command, PYTHONPROFILEIMPORTTIME="1")
        assert ended.code == 0
        imported = {line.rpartition("|")[2].strip() for line in ended.err.splitlines()}
        assert "click" in imported
        assert imported.isdisjoint({"aiohttp", "fastapi", "rich"})


async def test_a_check_of_a_dead_server_is_the_seeds_line_and_exit_code_1(cli):
    ended = await cli.run("check")
    assert (ended.code, ended.out) == (1, "❌ External Storage: CONNECTION ERROR\n")
    document = json.loads((await cli.run("check", "--json", "--probe", "tcp")).out)
    assert (document["ok"], document["failure"], document["probes"]) == (
        False,
        "connection",
        ["tcp"],
    )


async def test_a_mode_chosen_before_the_first_start_waits_for_it(cli):
    ended = await cli.run("mode", "local")
    assert ended.code == 0
    assert "Modo Atual: LOCAL" in ended.out
    document = json.loads((await cli.run("mode", "--json")).out)
    assert document["override"] == "local"
    assert document["chosen_by"].startswith("cli:")
    assert document["is_running"] is False
    status = await cli.run("status", NOBREAK_LANG="en")
    assert "❌ Health Monitor: STOPPED" in status.out
    assert ESCAPE not in status.out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's directory")
@pytest.mark.parametrize("command", [["mode", "local"], ["rm", "nb:x"], ["pending", "--retry"]])
async def test_commands_that_write_refuse_another_users_data_directory(command, cli):
    """I1: the service could not read what root leaves behind in its directory."""
    await cli.run("mode", "auto")
    os.chown(cli.data, 65534, 65534)
    ended = await cli.run(*command)
    assert ended.code == 1
    assert "sudo -u nobody nobreak" in ended.err


async def test_without_a_log_the_command_says_where_it_looked(cli):
    ended = await cli.run("logs")
    assert (ended.code, ended.err) == (1, f"nobreak: ainda não há log em {cli.log}\n")


async def test_a_reader_that_goes_away_is_no_error(cli):
    cli.log.write_text("line\n" * 100_000)
    ended = await cli.shell("nobreak logs -n 100000 | head -1")
    assert (ended.out, ended.err) == ("line\n", "")
