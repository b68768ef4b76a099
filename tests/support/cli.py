"""The real `nobreak` command as a subprocess, with its own directory, `.env` and data."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.net import eventually, free_port

from nobreak.demo.seaweed import DIE_WITH_PARENT, SeaweedServer

NOBREAK = str(Path(sys.executable).parent / "nobreak")
QUICK = {
    "USE_EXTERNAL_STORAGE": "true",
    "HEALTH_CHECK_INTERVAL": "0.5",
    "HEALTH_CHECK_TIMEOUT": "2",
    "HEALTH_FAST_INTERVAL": "0.1",
    "HEALTH_HOLD_DOWN": "0",
    "NOBREAK_SETTLE": "0.5",
    "NOBREAK_DIVERT_AFTER": "0.5",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float


class Cli:
    """Commands that share one `.env` and one data directory in `folder`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "health.log"
        self.port = free_port()
        self.settings = {
            **QUICK,
            "NOBREAK_DATA_DIR": str(self.data),
            "HEALTH_LOG_FILE": str(self.log),
            "NOBREAK_API_LISTEN": f"127.0.0.1:{self.port}",
            "NOBREAK_S3_LISTEN": "127.0.0.1:0",
            **settings,
        }
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
        if "PYTHONPATH" in os.environ:  # whoever tests another tree means its commands, too
            self.environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        self._children: list[subprocess.Popen[bytes]] = []
        self.edit()

    def edit(self, **changes: str) -> None:
        """Write `.env` anew, in the seed's format."""
        self.settings.update(changes)
        lines = [f'{name}="{value}"\n' for name, value in self.settings.items()]
        (self.folder / ".env").write_text("".join(lines))

    async def run(
        self, *arguments: str, stdin: bytes = b"", within: float = 30, **env: str
    ) -> Ended:
        """Run a command to its end."""
        return await self._ended(self._command(arguments), stdin, within, env)

    async def shell(self, script: str, within: float = 30) -> Ended:
        """Run a line of shell; `nobreak` is on its path."""
        path = f"{Path(NOBREAK).parent}:{self.environment['PATH']}"
        return await self._ended(["bash", "-c", script], b"", within, {"PATH": path})

    async def _ended(
        self, command: list[str], stdin: bytes, within: float, env: dict[str, str]
    ) -> Ended:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={**self.environment, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(within):
            out, err = await process.communicate(stdin)
        assert process.returncode is not None
        seconds = time.monotonic() - began
        return Ended(process.returncode, out.decode(), err.decode(), seconds)

    def start(self, *arguments: str, output: Path | None = None, **env: str) -> Any:
        """Start a command that goes on; `close` ends it."""
        with (output or self.folder / "started.log").open("ab") as log:
            process = subprocess.Popen(
                self._command(arguments),
                cwd=self.folder,
                env={**self.environment, **env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._children.append(process)
        return process

    async def serve(self, **env: str) -> Any:
        """`nobreak serve`, started and monitoring."""
        process = self.start("serve", **env)
        await eventually(lambda: self.says(f"(pid {process.pid},"), within=15)
        return process

    def says(self, text: str) -> bool:
        """Whether the health log has it."""
        return self.log.exists() and text in self.log.read_text()

    async def stop(self, process: Any, number: int = signal.SIGTERM, within: float = 10) -> int:
        """Send a signal and wait for the end: the exit code."""
        process.send_signal(number)
        code: int = await asyncio.to_thread(process.wait, within)
        return code

    def close(self) -> None:
        """End all that was started."""
        for process in self._children:
            if process.poll() is None:
                process.kill()
                process.wait(10)

    @staticmethod
    def _command(arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-c", DIE_WITH_PARENT, sys.executable, NOBREAK, *arguments]


def s3_settings(server: SeaweedServer, bucket: str = "nobreak") -> dict[str, str]:
    """What points to a SeaweedFS."""
    return {
        "EXTERNAL_STORAGE_URL": f"s3+{server.endpoint}",
        "EXTERNAL_STORAGE_ACCESS_KEY": server.access_key,
        "EXTERNAL_STORAGE_SECRET_KEY": server.secret_key,
        "NOBREAK_BUCKET": bucket,
    }


def upload_settings(port: int) -> dict[str, str]:
    """What points to a server of the seed's kind."""
    return {"EXTERNAL_STORAGE_HOST": "127.0.0.1", "EXTERNAL_STORAGE_PORT": str(port)}
