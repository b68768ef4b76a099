"""Real servers as child processes that can be killed and frozen, by their process id only."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.net import eventually, free_port, listening

from nobreak.demo.seaweed import DIE_WITH_PARENT

BIN = Path(sys.executable).parent


class Child:
    """A server that listens on `port` of 127.0.0.1 and keeps its files in `files`."""

    def __init__(self, command: list[str], port: int, folder: Path) -> None:
        self.port = port
        self.files = folder / "files"
        self._command = command
        self._log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-c", DIE_WITH_PARENT, *self._command]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        await eventually(lambda: listening(self.port), within=20)

    def freeze(self) -> None:
        """SIGSTOP; on return all of its threads stand still."""
        pid = self._running().pid
        os.kill(pid, signal.SIGSTOP)
        os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        os.kill(self._running().pid, signal.SIGCONT)

    async def kill(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        await asyncio.to_thread(process.wait, 10)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process


def upload_server(folder: Path) -> Child:
    """The seed's server; files in `folder`/files."""
    port = free_port()
    module = [sys.executable, "-m", "nobreak.demo.upload_server"]
    arguments = ["--port", str(port), "--dir", str(folder / "files")]
    return Child([*module, *arguments], port, folder)


def rclone_webdav(
    folder: Path, *, user: str = "", password: str = "", flags: Sequence[str] = ()
) -> Child:
    """`rclone serve webdav` over `folder`/files."""
    port = free_port()
    files = folder / "files"
    files.mkdir()
    command = [str(BIN / "rclone"), "serve", "webdav", "--addr", f"127.0.0.1:{port}"]
    command += ["--config", os.devnull, *flags]
    if user:
        command += ["--user", user, "--pass", password]
    return Child([*command, str(files)], port, folder)


def nginx_webdav(
    folder: Path, *, methods: str = "PROPFIND OPTIONS", core: str = "PUT DELETE MKCOL COPY MOVE"
) -> Child:
    """nginx over `folder`/files; without `methods` it knows no PROPFIND."""
    port = free_port()
    for place in ("files", "temp"):
        (folder / place).mkdir()
    extended = f"dav_ext_methods {methods};" if methods else ""
    temporary = " ".join(
        f"{kind}_temp_path {folder}/temp/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "scgi", "uwsgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"""
        load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;
        user root;
        daemon off; master_process off; pid {folder}/nginx.pid; worker_processes 1;
        error_log {folder}/nginx.log;
        events {{}}
        http {{
            access_log off; {temporary}
            server {{
                listen 127.0.0.1:{port}; root {folder}/files; client_max_body_size 0;
                location / {{ dav_methods {core}; {extended} }}
            }}
        }}
        """
    )
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [nginx, "-e", f"{folder}/nginx.log", "-c", str(config)]
    return Child(command, port, folder)
