"""deploy/ is tried, not believed: a real supervisord, systemd's own checker, a real logrotate."""

import asyncio
import getpass
import grp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.children import upload_server
from tests.support.cli import NOBREAK, Cli, upload_settings
from tests.support.net import eventually

from nobreak.faces.cli.stopping import STOP_WITHIN

DEPLOY = Path(__file__).parents[2] / "deploy"
BIN = Path(sys.executable).parent
INSTALLED = "/opt/nobreak/bin/nobreak"


@pytest.fixture
async def backend(tmp_path):
    """`/app/backend` of the seed: an `.env`, and its external server."""
    server = upload_server(tmp_path)
    await server.start()
    folder = tmp_path / "backend"
    folder.mkdir()
    cli = Cli(folder, **upload_settings(server.port))
    yield cli
    cli.close()
    await server.kill()


class Supervisor:
    """supervisord with our `supervisor.conf`, its places moved below `folder`."""

    def __init__(self, folder: Path, backend: Path) -> None:
        self._folder = folder
        self._config = folder / "supervisord.conf"
        program = (DEPLOY / "supervisor.conf").read_text()
        moved = {
            INSTALLED: f"{sys.executable} {NOBREAK}",
            "directory=/app/backend": f"directory={backend}",
            "user=nobreak\n": "",
            "/var/log/supervisor/": f"{folder}/",
        }
        for installed, here in moved.items():
            assert installed in program
            program = program.replace(installed, here)
        self._config.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile={folder}/supervisord.log\n"
            f"pidfile={folder}/supervisord.pid\nidentifier=nobreak-test\n"
            f"[unix_http_server]\nfile={folder}/s.sock\n"
            f"[supervisorctl]\nserverurl=unix://{folder}/s.sock\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"{program}"
        )
        with (folder / "out").open("wb") as out:
            self._process = subprocess.Popen(
                [BIN / "supervisord", "-c", self._config],
                stdout=out,
                stderr=out,
                env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            )

    async def ctl(self, *arguments: str) -> str:
        """`supervisorctl ...`: what it says."""
        command = [BIN / "supervisorctl", "-c", self._config, *arguments]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        async with asyncio.timeout(40):
            said, _ = await process.communicate()
        return said.decode()

    async def running(self) -> bool:
        return "RUNNING" in await self.ctl("status", "backend")

    async def given_up(self) -> bool:
        """Not served, and no more tried than at first."""
        said = await self.ctl("status", "backend")
        return any(state in said for state in ("BACKOFF", "FATAL", "EXITED"))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)


async def shows(cli: Cli, text: str) -> None:
    """Until a monitor runs, and the status says so and this."""

    async def shown() -> bool:
        out = (await cli.run("status")).out
        return "Health Monitor: ATIVO" in out and text in out

    await eventually(shown, within=20, every=0.2)


async def test_the_seeds_supervisor_flow_changes_the_mode_and_back(backend, tmp_path):
    """Seed: "Forçar troca manual para LOCAL" and "para EXTERNO": edit .env, restart backend."""
    supervisor = Supervisor(tmp_path, backend.folder)
    try:
        await eventually(supervisor.running, within=20, every=0.2)
        await shows(backend, "Modo Atual: EXTERNO ")
        for value, mode in (("false", "LOCAL"), ("true", "EXTERNO")):
            backend.edit(USE_EXTERNAL_STORAGE=value)
            said = await supervisor.ctl("restart", "backend")
            assert said.splitlines() == ["backend: stopped", "backend: started"]
            await shows(backend, f"Modo Atual: {mode} ")
        assert "👋 Encerrando (SIGTERM)" in (tmp_path / "nobreak.log").read_text()
        await supervisor.ctl("stop", "backend")
        assert "Health Monitor: PARADO" in (await backend.run("status")).out
    finally:
        supervisor.close()


async def test_a_wrong_setting_is_told_by_supervisor_in_one_line(backend, tmp_path):
    backend.edit(HEALTH_MAX_FAILURES="many")
    supervisor = Supervisor(tmp_path, backend.folder)
    log = tmp_path / "nobreak.log"
    try:
        await eventually(lambda: log.exists() and log.read_text() != "", within=20)
        line = log.read_text().splitlines()[0]
        assert line.startswith('nobreak: HEALTH_MAX_FAILURES="many"')
        await eventually(supervisor.given_up, within=20, every=0.2)
    finally:
        supervisor.close()


def test_systemd_finds_nothing_to_complain_about_in_the_unit(tmp_path):
    unit = tmp_path / "nobreak.service"
    text = (DEPLOY / "nobreak.service").read_text()
    assert INSTALLED in text
    unit.write_text(text.replace(INSTALLED, NOBREAK))
    verified = systemd_analyze("verify", "--man=no", str(unit))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    exposure = systemd_analyze("security", "--offline=yes", "--threshold=20", str(unit))
    assert exposure.returncode == 0, exposure.stdout


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_TARGET": "console"},
    )


def test_the_time_that_supervisors_allow_is_longer_than_ours():
    """Else the end in good order would be cut short by SIGKILL."""
    supervisor = (DEPLOY / "supervisor.conf").read_text()
    unit = (DEPLOY / "nobreak.service").read_text()
    for pattern, text in ((r"stopwaitsecs=(\d+)", supervisor), (r"TimeoutStopSec=(\d+)", unit)):
        found = re.search(pattern, text)
        assert found is not None
        assert int(found[1]) > STOP_WITHIN


async def test_logrotate_takes_the_log_away_and_no_line_is_lost(backend, tmp_path):
    logrotate = shutil.which("logrotate") or "/usr/sbin/logrotate"
    user, group = getpass.getuser(), grp.getgrgid(os.getgid()).gr_name
    config = tmp_path / "logrotate"
    text = (DEPLOY / "logrotate").read_text()
    text = text.replace("/var/log/nobreak/health_monitor.log", str(backend.log))
    config.write_text(text.replace("nobreak nobreak", f"{user} {group}"))
    config.chmod(0o600)
    backend.edit(NOBREAK_LOG_MAX_BYTES="0")
    backend.folder.chmod(0o700)
    server = await backend.serve()
    await backend.run("mode", "local")
    await eventually(lambda: backend.says("auto → local"))
    subprocess.run([logrotate, "-f", "-s", tmp_path / "state", config], check=True, timeout=30)
    await backend.run("mode", "auto")
    await eventually(lambda: backend.says("local → auto"))
    assert await backend.stop(server) == 0
    rotated = Path(f"{backend.log}.1").read_text()
    assert "auto → local" in rotated
    assert "local → auto" not in rotated
    assert "auto → local" not in backend.log.read_text()
