"""Python servers as a user starts them: real processes with an environment of their own."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.net import eventually, listening

from nobreak.demo.seaweed import DIE_WITH_PARENT

ROOT = Path(__file__).parents[2]


class Server:
    """`python -m MODULE ...` in a session of its own, so that its workers are found by group."""

    def __init__(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, port: int) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", DIE_WITH_PARENT, sys.executable, "-m", *self._arguments],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=self._environment,
                start_new_session=True,
            )
        await eventually(lambda: self.alive and listening(port), within=30)

    @property
    def alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()
        return True

    def titles(self) -> dict[int, str]:
        """What `ps` shows of the processes of this server, by process id."""
        assert self._process is not None
        shown = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "-g", str(self._process.pid)],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        pairs = (line.strip().partition(" ") for line in shown.splitlines())
        return {int(pid): title for pid, _, title in pairs}

    async def stop(self) -> None:
        """SIGTERM, as a supervisor does; SIGKILL to the whole group when that does not help."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(process.wait, 5)
            raise
