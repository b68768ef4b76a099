"""A `nobreak serve` that may be killed, before a SeaweedFS that may be taken away."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import apsw
from tests.support.multipart import nothing_is_open, part_files
from tests.support.net import eventually
from tests.support.outage import BUCKET, Shop
from tests.support.status import status_is

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import SeaweedServer

SETTINGS = {
    "HEALTH_CHECK_INTERVAL": "0.5",
    "HEALTH_FAST_INTERVAL": "0.2",
    "HEALTH_CHECK_TIMEOUT": "2",
    "HEALTH_HOLD_DOWN": "0",
    "NOBREAK_SETTLE": "1",
    "NOBREAK_LANG": "en",
}
PATIENT = {"NOBREAK_DIVERT_AFTER": "3"}
LEASE = 300
"""How long an upload that the drain began is its own, also after its death (seconds)."""


@dataclass
class Machine:
    """Both, and clients of both."""

    server: SeaweedServer
    nobreak: NobreakProcess
    data_dir: Path
    front: Shop = field(init=False)
    direct: Shop = field(init=False)

    def __post_init__(self) -> None:
        self.front = Shop(self.nobreak.s3, self.server, retries={"max_attempts": 0})
        self.direct = Shop(self.server.endpoint, self.server)

    async def calm(self) -> None:
        """Mode external, and nothing waits."""
        await eventually(lambda: status_is(self.nobreak, mode="external", entries=0), within=60)

    async def begin_outage(self) -> None:
        await self.server.kill()
        await eventually(lambda: status_is(self.nobreak, mode="local"), within=30)

    def said(self, *texts: str) -> bool:
        """Whether a line of the health log has all of these."""
        lines = self.nobreak.health_log.read_text().splitlines()
        return any(all(text in line for text in texts) for line in lines)

    async def leaves_nothing(self) -> None:
        """No upload is open on the server; no file is left here, once an hour has gone by."""
        await eventually(lambda: nothing_is_open(self.direct), within=30)
        await self.nobreak.kill()
        spool = self.data_dir / "spool"
        then = time.time() - 7200
        for path in (*part_files(self.data_dir), *spool.iterdir()):
            os.utime(path, (then, then))
        await self.nobreak.start()  # whoever leads sweeps when it begins
        await eventually(lambda: [*part_files(self.data_dir), *spool.iterdir()] == [])

    async def lease_ends(self) -> None:
        """What a dead drain had open belongs to nobody, five minutes later."""
        await self.nobreak.kill()
        with apsw.Connection(str(self.data_dir / "journal.db")) as journal:
            journal.execute("UPDATE open_upload SET due = due - ?", (LEASE,))
        journal.close()
        await self.nobreak.start()


@asynccontextmanager
async def running_machine(tmp_path: Path, **more: str) -> AsyncIterator[Machine]:
    """All of it, in mode external; `more` settings."""
    server = SeaweedServer(tmp_path / "seaweedfs", buckets=(BUCKET,))
    nobreak = NobreakProcess(tmp_path / "nobreak", server, {**SETTINGS, **PATIENT, **more})
    machine = Machine(server, nobreak, tmp_path / "nobreak" / "data")
    try:
        await server.start()
        await nobreak.start()
        await machine.calm()
        yield machine
    finally:
        await nobreak.kill()
        await server.kill()
