"""nobreak as a real process of its own, for the demo and for tests that kill it."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from nobreak.demo.seaweed import DIE_WITH_PARENT, HOST, SeaweedServer, is_free
from nobreak.errors import NobreakError

SERVE = (sys.executable, "-m", "nobreak", "serve")
OURS = ("NOBREAK_", "HEALTH_", "EXTERNAL_STORAGE_", "USE_EXTERNAL_STORAGE")
LOWEST_PORT, HIGHEST_PORT = 22_500, 32_000
"""Below the ports of outgoing connections, so that it is still free after a restart."""
LOOK_EVERY = 0.005


class ServeError(NobreakError):
    """`nobreak serve` did not start, or ended by itself."""


class NobreakProcess:
    """`nobreak serve` in front of a SeaweedFS, all its files in `folder`.

    `settings`: further variables; of this process's own environment it gets none of ours.
    """

    def __init__(
        self, folder: Path, external: SeaweedServer, settings: Mapping[str, str] | None = None
    ) -> None:
        api, s3 = pick_ports(2)
        self.external = external
        self.settings = dict(settings or {})
        self.base = f"http://{HOST}:{api}"
        self.s3 = f"http://{HOST}:{s3}"
        self.health_log = folder / "health_monitor.log"
        self._folder = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            "EXTERNAL_STORAGE_URL": f"s3+{external.endpoint}",
            "EXTERNAL_STORAGE_ACCESS_KEY": external.access_key,
            "EXTERNAL_STORAGE_SECRET_KEY": external.secret_key,
            "HEALTH_LOG_FILE": str(self.health_log),
            "NOBREAK_API_LISTEN": f"{HOST}:{api}",
            "NOBREAK_S3_LISTEN": f"{HOST}:{s3}",
            "NOBREAK_BUCKET": external.buckets[0],
            "NOBREAK_DATA_DIR": str(folder / "data"),
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_file(self) -> Path:
        """What it says on its own."""
        return self._folder / "nobreak.log"

    @property
    def pid(self) -> int:
        """The process id. Raises `ServeError` when it does not run."""
        return self._running().pid

    @property
    def running(self) -> bool:
        """Whether it was started, and has not been ended here."""
        return self._process is not None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal. Raises `ServeError` when it does not run."""
        self._running().send_signal(number)

    async def command(self, *arguments: str) -> int:
        """Run `nobreak` with these arguments beside it, with its settings; the exit code."""
        with self.log_file.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *SERVE[:-1],
                *arguments,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
            return await process.wait()

    async def start(self, *, within: float = 15.0, prefix: tuple[str, ...] = ()) -> float:
        """Start it; the seconds from exec to the first request that it answered.

        `prefix`: a command to run it under. Raises `ServeError` with the end of its log.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        self._process = self._spawn(prefix)
        timeout = aiohttp.ClientTimeout(total=2.0)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while not await _answers(session, self.base):
                ended = self._process.poll() is not None
                if ended or time.monotonic() - began > within:
                    await self.kill()
                    said = self.log_file.read_text(errors="replace")[-2000:]
                    raise ServeError(f"nobreak serve did not start:\n{said}")
                await asyncio.sleep(LOOK_EVERY)
        return time.monotonic() - began

    async def kill(self) -> None:
        """SIGKILL, and wait for the end. Nothing happens when it does not run."""
        await self._end(signal.SIGKILL, within=10.0)

    async def stop(self) -> None:
        """SIGTERM, as supervisors do; SIGKILL after ten seconds."""
        await self._end(signal.SIGTERM, within=10.0)

    def _spawn(self, prefix: tuple[str, ...]) -> "subprocess.Popen[bytes]":
        launcher = (sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT)
        with self.log_file.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program with our own arguments
                [*launcher, *prefix, *SERVE],
                cwd=self._folder,  # where no `.env` of the user's is
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl+C in the terminal is for us alone
            )

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise ServeError("nobreak serve does not run")
        return self._process

    async def _end(self, how: signal.Signals, *, within: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        deadline = time.monotonic() + within
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
            await asyncio.sleep(LOOK_EVERY)


async def _answers(session: aiohttp.ClientSession, base: str) -> bool:
    try:
        async with session.get(f"{base}/api/health") as response:
            return response.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def pick_ports(count: int) -> list[int]:
    """TCP ports of 127.0.0.1 that nobody uses now and no outgoing connection will take."""
    candidates = random.sample(range(LOWEST_PORT, HIGHEST_PORT), 1000)
    free = (port for port in candidates if is_free(port))
    return [next(free) for _ in range(count)]
