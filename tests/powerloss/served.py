"""A real `nobreak serve` that is recorded, and a client of its two faces, in an outage without end.

What acknowledges a write is the answer that leaves the process: the call that sends it.
"""

import hashlib
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from tests.faults.clients import Face
from tests.powerloss.marks import Mark, Sort
from tests.powerloss.workload import BUCKET, LARGE

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import SeaweedServer
from nobreak.stores.external.sigv4 import Credentials

Plan = Sequence[tuple[str, str, int]]
PLAN: Plan = (
    ("s3", "a", 2_000),
    ("files", "b", 90_000),
    ("s3", "c", LARGE),
    ("files", "d", LARGE),
    ("s3", "b", 70_000),
    ("files", "a", LARGE),
    ("s3", "c", 0),
    ("files", "d", 300),
    ("files", "b", 0),
    ("s3", "e", LARGE),
    ("s3", "c", 800),
    *(("files", f"f/{n}", 30_000) for n in range(6)),
    *(("s3", f"f/{n}", 40_000) for n in range(6)),
)
"""Face, key and size of each write, one after the other; a DELETE has no size."""


def planned(seed: int) -> list[tuple[str, Mark, bytes]]:
    """The face, the mark and the body of each write of the plan."""
    chance = random.Random(seed)
    writes = []
    for number, (face, key, size) in enumerate(PLAN, 1):
        content = (chance.randbytes(16).hex() * (size // 32 + 1))[:size].encode()
        digest = hashlib.md5(content, usedforsecurity=False).hexdigest() if size else ""
        what = "put" if size else "delete"
        writes.append((face, Mark(Sort.BEGIN, number, what, key, digest), content))
    return writes


async def serve(folder: Path, seed: int, recorder: tuple[str, ...]) -> None:
    """Start the program under the recorder, write all that is planned, and kill it."""
    away = SeaweedServer(folder / "never-started")
    settings = {
        "USE_EXTERNAL_STORAGE": "false",
        "NOBREAK_BUCKET": BUCKET,
        "NOBREAK_DATA_DIR": str(folder / "disk" / "var" / "data"),
        "NOBREAK_MIN_FREE_BYTES": "0",
    }
    nobreak = NobreakProcess(folder, away, settings)
    try:
        await nobreak.start(within=60, prefix=recorder)
        pair = Credentials(away.access_key, away.secret_key, away.region)
        async with aiohttp.ClientSession() as session:
            bases = {"s3": nobreak.s3, "files": nobreak.base}
            faces = {kind: Face(kind, base, BUCKET, pair, session) for kind, base in bases.items()}
            for kind, mark, content in planned(seed):
                method = "PUT" if content else "DELETE"
                url, headers = faces[kind].request(method, mark.key)
                work = session.request(method, url, headers=headers, data=content or None)
                async with work as answer:
                    assert answer.ok, await answer.text()
        _kill_recorded(nobreak.pid)
    finally:
        await nobreak.stop()


def _kill_recorded(recorder: int) -> None:
    (child,) = Path(f"/proc/{recorder}/task/{recorder}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
