"""`nobreak serve` as a process: signals, settings that apply live, the other commands beside it."""

import asyncio
import json
import signal
import socket
import time
from pathlib import Path

import aiohttp
import pytest
from tests.support.cli import Cli, upload_settings
from tests.support.net import eventually

ESCAPE = "\x1b"


@pytest.fixture
def cli(tmp_path, upload):
    (tmp_path / "cli").mkdir()
    commands = Cli(tmp_path / "cli", **upload_settings(upload.port))
    yield commands
    commands.close()


async def got(cli: Cli, path: str) -> dict:
    """What the API answers."""
    url = f"http://127.0.0.1:{cli.port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
        return await response.json()


async def status(cli: Cli) -> dict:
    return json.loads((await cli.run("status", "--json")).out)


async def monitors(cli: Cli, *pids: int) -> list[str]:
    """What `ps aux | grep health_monitor` shows of these processes."""
    lines = (await cli.shell("ps aux | grep health_monitor")).out.splitlines()
    return [line.split(maxsplit=10)[10] for line in lines if int(line.split()[1]) in pids]


async def test_serve_monitors_answers_and_ends_within_seconds_of_sigterm(cli):
    server = await cli.serve()
    async with asyncio.timeout(10):
        while (await status(cli))["monitor"]["last_ok"] is None:
            await asyncio.sleep(0.1)
    api = await got(cli, "/api/storage-status")
    shown = await status(cli)
    for document in (api, shown):
        moving = {"last_check": "", "response_time": 0, "consecutive_successes": 0}
        document["monitor"] = {**document["monitor"], **moving}
        document["disk"]["free"] = 0
    assert shown == api
    began = time.monotonic()
    assert await cli.stop(server) == 0
    assert time.monotonic() - began < 5
    assert cli.says("👋 Encerrando (SIGTERM)")
    assert (await status(cli))["monitor"]["is_running"] is False


async def test_sigint_ends_it_too_and_a_second_signal_ends_it_at_once(cli):
    assert await cli.stop(await cli.serve(), signal.SIGINT) == 0
    server = await cli.serve()
    _, writer = await asyncio.open_connection("127.0.0.1", cli.port)
    writer.write(b"PUT /files/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
    await writer.drain()
    await asyncio.sleep(0.3)
    server.send_signal(signal.SIGTERM)
    await eventually(lambda: cli.log.read_text().count("(SIGTERM)") == 1)
    assert server.poll() is None, "a request is under way"
    assert await cli.stop(server, signal.SIGTERM, within=1) == 128 + signal.SIGTERM
    writer.close()


async def test_ps_shows_the_monitor_and_its_mode_and_another_takes_over(cli, upload):
    """I6; seed: `ps aux | grep health_monitor`."""
    first = await cli.serve()
    second = cli.start("serve", NOBREAK_API_LISTEN="127.0.0.1:0")
    both = (first.pid, second.pid)
    await eventually(lambda: b"nobreak serve" in _title(second.pid))
    assert await monitors(cli, *both) == ["nobreak serve [health_monitor: EXTERNAL]"]
    assert _title(second.pid) == b"nobreak serve"
    await upload.kill()
    await eventually(lambda: cli.says("AUTO-FALLBACK COMPLETO"))
    await asyncio.sleep(0.6)
    assert await monitors(cli, *both) == ["nobreak serve [health_monitor: LOCAL]"]
    first.kill()
    await asyncio.sleep(1.5)
    assert await monitors(cli, second.pid) == ["nobreak serve [health_monitor: LOCAL]"]
    assert cli.says(f"assumido pelo pid {second.pid}")


def _title(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0")


async def test_a_busy_port_is_one_clear_line_and_exit_code_1(cli):
    with socket.create_server(("127.0.0.1", cli.port)):
        ended = await cli.run("serve")
    assert ended.code == 1
    assert f'NOBREAK_API_LISTEN="127.0.0.1:{cli.port}"' in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err


async def test_an_api_beyond_loopback_without_a_token_does_not_start(cli):
    ended = await cli.run("serve", NOBREAK_API_LISTEN="0.0.0.0:0")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert "NOBREAK_API_TOKEN" in ended.err
    assert not cli.data.exists()


async def test_systemd_is_told_when_it_serves_and_when_it_stops(cli, tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(10)
        server = cli.start("serve", NOTIFY_SOCKET=str(path))
        assert await asyncio.to_thread(told.recv, 100) == b"READY=1"
        assert (await got(cli, "/api/health"))["status"] == "ok"
        assert await cli.stop(server) == 0
        assert told.recv(100) == b"STOPPING=1"


async def test_an_edited_env_file_and_sighup_apply_without_a_restart(cli):
    """Seed: health settings and USE_EXTERNAL_STORAGE; both kinds of asking, one process."""
    server = await cli.serve()
    cli.edit(USE_EXTERNAL_STORAGE="false")
    await eventually(lambda: cli.says('USE_EXTERNAL_STORAGE agora é "false"'))
    assert (await status(cli))["current_mode"] == "local"
    cli.edit(USE_EXTERNAL_STORAGE="true", HEALTH_MAX_FAILURES="7")
    server.send_signal(signal.SIGHUP)
    await eventually(lambda: cli.says('USE_EXTERNAL_STORAGE agora é "true"'), within=2)
    api = await got(cli, "/api/storage-status")
    assert (api["current_mode"], api["monitor"]["max_failures"]) == ("external", 7)
    cli.edit(HEALTH_MAX_FAILURES="many")
    await eventually(lambda: cli.says('HEALTH_MAX_FAILURES="many"'))
    assert server.poll() is None


async def test_a_mode_chosen_by_hand_reaches_the_running_server_within_a_second(cli):
    await cli.serve()
    chosen = await cli.run("mode", "local")
    assert chosen.code == 0
    await eventually(lambda: cli.says("👤 Troca manual por cli:"), within=1)
    url = f"http://127.0.0.1:{cli.port}/files/a"
    async with aiohttp.ClientSession() as session, session.put(url, data=b"x") as response:
        assert response.status in {200, 201, 204}
    assert "nobreak/a" in (await cli.run("pending")).out
    await cli.run("mode", "auto")
    assert (await cli.run("drain", "--wait")).code == 0


async def test_an_outage_is_shown_in_the_seeds_words_and_the_server_drains_what_commands_left(
    cli, upload
):
    await cli.serve()
    await upload.kill()
    await eventually(lambda: cli.says("AUTO-FALLBACK COMPLETO"))
    shown = await cli.run("status")
    assert "✅ Health Monitor: ATIVO (pid " in shown.out
    assert "✅ Modo Atual: LOCAL (servidor externo offline)" in shown.out
    assert "reconectará automaticamente quando servidor voltar" in shown.out
    assert ESCAPE not in shown.out
    await cli.run("cp", "-", "nb:kept", stdin=b"x")
    assert "1 (1 B" in (await cli.run("status")).out
    waiting = cli.start("drain", "--wait", output=cli.folder / "drain.out")
    await asyncio.sleep(0.5)
    await upload.start()
    code = await asyncio.to_thread(waiting.wait, 15)
    lines = (cli.folder / "drain.out").read_text().splitlines()
    assert code == 0, lines
    assert lines[0] == "📤 faltam 1 (LOCAL: aguardando o servidor externo)"
    assert lines[-1] == "✅ DEVOLUÇÃO COMPLETA: nada pendente"


async def test_logs_shows_the_file_in_use_and_follows_it_across_rotation(cli):
    server = await cli.serve()
    assert "Health Monitor ATIVO" in (await cli.run("logs")).out
    assert len((await cli.run("logs", "-n", "1")).out.splitlines()) == 1
    seen = cli.folder / "followed"
    following = cli.start("logs", "-f", "-n", "1", output=seen)
    await eventually(lambda: seen.exists() and seen.read_text() != "")
    cli.log.rename(cli.folder / "health.log.1")
    await cli.run("mode", "local")
    await eventually(lambda: "auto → local" in seen.read_text(), within=5)
    await cli.run("mode", "auto")
    await eventually(lambda: "local → auto" in seen.read_text(), within=5)
    assert seen.read_text().count("auto → local") == 1
    assert await cli.stop(following, signal.SIGINT) == 130
    assert "Traceback" not in seen.read_text()
    assert await cli.stop(server) == 0


async def test_logs_finds_the_log_that_had_to_move_to_the_data_directory(cli):
    cli.edit(HEALTH_LOG_FILE="/proc/health.log")
    cli.log = cli.data / "health.log"
    server = await cli.serve()
    assert "Health Monitor ATIVO" in (await cli.run("logs")).out
    assert (await cli.run("ls", HEALTH_CHEK_INTERVAL="1")).err == "", "the server has said it"
    await cli.stop(server)
