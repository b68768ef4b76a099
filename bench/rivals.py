"""Programs that move a folder into a bucket, as their users run them."""

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nobreak.demo.seaweed import SeaweedServer

OWN = Path(sys.executable).parent
CLIENTS = Path(__file__).parent.parent / ".venv-clients" / "plain" / "bin"


@dataclass(frozen=True, slots=True)
class Rival:
    """A program and its arguments; FOLDER, BUCKET and ENDPOINT stand for what they say."""

    name: str
    program: Path
    arguments: Sequence[str]

    @property
    def bucket(self) -> str:
        """The bucket that it moves the folder to."""
        return "to-" + "".join(each if each.isalnum() else "-" for each in self.name)

    async def move(self, folder: Path, server: SeaweedServer) -> tuple[float, float]:
        """Move the folder; the seconds and the CPU seconds that it took."""
        places = {"FOLDER": str(folder), "BUCKET": self.bucket, "ENDPOINT": server.endpoint}
        command = [str(self.program), *(_filled(each, places) for each in self.arguments)]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder.parent),
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "AWS_REGION": server.region,
        }
        return await asyncio.to_thread(_run, command, environment, folder.parent / "rival.log")


def _filled(argument: str, places: Mapping[str, str]) -> str:
    for word, place in places.items():
        argument = argument.replace(word, place)
    return argument


def _run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> tuple[float, float]:
    """Run a program to its end; the seconds and CPU seconds it took. Ends the bench if it fails."""
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    began = time.perf_counter()
    files = [(os.POSIX_SPAWN_DUP2, said, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
    pid = os.posix_spawn(command[0], command, environment, file_actions=files)
    _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    os.close(said)
    if status:
        raise SystemExit(f"{command[0]} failed:\n{log.read_text(errors='replace')[-2000:]}")
    return seconds, used.ru_utime + used.ru_stime


def _rclone(transfers: int | None) -> Rival:
    remote = ":s3,provider=SeaweedFS,env_auth=true,endpoint='ENDPOINT':BUCKET"
    arguments = ["copy", "FOLDER", remote, "--config", os.devnull]
    if transfers is None:
        return Rival("rclone copy", OWN / "rclone", arguments)
    more = ["--transfers", str(transfers), "--checkers", str(transfers)]
    return Rival(f"rclone copy, {transfers} transfers", OWN / "rclone", arguments + more)


RCLONE_16 = _rclone(16)
RIVALS = (
    _rclone(None),
    RCLONE_16,
    Rival(
        "s5cmd cp",
        CLIENTS / "s5cmd",
        ["--endpoint-url", "ENDPOINT", "cp", "FOLDER/", "s3://BUCKET/"],
    ),
)


def present() -> tuple[Rival, ...]:
    """Those that are installed; says of each other one where it comes from."""
    for rival in RIVALS:
        if not rival.program.is_file():
            print(f"without {rival.name}: {rival.program} is missing (make clients)")
    return tuple(rival for rival in RIVALS if rival.program.is_file())
