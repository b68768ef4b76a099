"""What can happen to the data directory under a running nobreak: deleted, or damaged.

What was destroyed can't be given back. It must be said, never served and never sent, and it must not
stand in the way of anything else (I2, I3, I7).
"""

import asyncio
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests.faults.scenario import OWNER, Scenario
from tests.faults.stage import Stage

from nobreak.demo.record import Outcome

KEY = "damaged/k"
PAGE = 4096
KIB = 1024
BODY_IS_CORRUPT = "LOCAL DATA CORRUPT"
JOURNAL_IS_CORRUPT = "JOURNAL CORRUPT"


def body_damage(damage: Callable[[Stage, bytes], None], size: int, *, anew: bool = False):
    """In an outage, the bytes of one entry of `size` are damaged; its owner writes it again later.

    `anew`: the journal itself is damaged, and is given up when all else was given back.
    """

    async def strike(stage: Stage) -> None:
        await stage.proxy.refuse()
        await stage.until(lambda status: status.get("current_mode") == "local")
        writer = stage.client("s3", OWNER, (KEY,))
        content = await writer.put(KEY, size)
        assert stage.books.recorder.returned[-1].outcome is Outcome.DONE
        await asyncio.to_thread(damage, stage, content)
        await writer.read(KEY)

    async def lift(stage: Stage) -> None:
        await stage.proxy.open()

    async def mend(stage: Stage) -> None:
        """All else is given back, this one is parked; then it is written anew."""
        left = await stage.until(_only_parked_are_left, within=40)
        assert (left["journal"]["entries"], left["journal"]["parked"]) == (1, 1), left
        owner = stage.client("files", OWNER, (KEY,))
        await owner.read(KEY)
        assert stage.books.recorder.returned[-1].outcome is not Outcome.DONE
        if anew:
            await move_aside(stage)
        await owner.put(KEY, size)

    says = (JOURNAL_IS_CORRUPT if anew else BODY_IS_CORRUPT,)
    return {"strike": strike, "lift": lift, "mend": mend, "says": says}


def _only_parked_are_left(status: dict) -> bool:
    journal = status.get("journal", {"entries": 0, "parked": 1})
    return status.get("current_mode") == "external" and journal["entries"] == journal["parked"]


def blob_missing(stage: Stage, content: bytes) -> None:
    _blob(stage, content).unlink()


def blob_truncated(stage: Stage, content: bytes) -> None:
    with _blob(stage, content).open("r+b") as file:
        file.truncate(len(content) // 2)


def blob_changed(stage: Stage, content: bytes) -> None:
    with _blob(stage, content).open("r+b") as file:
        file.seek(len(content) // 2)
        file.write(bytes(1))


def _blob(stage: Stage, content: bytes) -> Path:
    (found,) = (path for path in stage.data_dir.glob("blobs/*/*") if path.read_bytes() == content)
    return found


def bytes_in_the_journal(stage: Stage, content: bytes) -> None:
    """Some bytes of a small body, which lies in the journal's own pages."""
    with _frozen(stage) as journal:
        at = journal.read_bytes().index(content[PAGE * 3 : PAGE * 3 + 64])
        _overwrite(journal, at, 64)


def page_of_the_journal(stage: Stage, content: bytes) -> None:
    """A whole page of it, and so what leads to the next."""
    with _frozen(stage) as journal:
        at = journal.read_bytes().index(content[PAGE * 3 : PAGE * 3 + 64])
        _overwrite(journal, at - at % PAGE, PAGE)


@contextmanager
def _frozen(stage: Stage) -> Iterator[Path]:
    """The journal's file, while nobreak is frozen and all that it committed is in that file.

    Else what is still in the log beside it would hide the damage, and heal it.
    """
    journal = stage.data_dir / "journal.db"
    with closing(sqlite3.connect(journal, timeout=0.1)) as connection:
        while True:
            stage.nobreak.send(signal.SIGSTOP)
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                break
            stage.nobreak.send(signal.SIGCONT)  # it was stopped in the middle of a transaction
            time.sleep(0.02)
    try:
        yield journal
    finally:
        stage.nobreak.send(signal.SIGCONT)


def _overwrite(path: Path, at: int, count: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * count)


async def entries_pages_damaged(stage: Stage) -> None:
    """The roots of the journal's tables of entries: nothing can be read any more."""
    await asyncio.to_thread(_damage_roots, stage)
    stage.lost_before = time.monotonic()


def _damage_roots(stage: Stage) -> None:
    with _frozen(stage) as journal:
        with closing(sqlite3.connect(journal)) as connection:
            sql = "SELECT rootpage FROM sqlite_schema WHERE name GLOB 'entry*' AND rootpage > 0"
            roots = [page for (page,) in connection.execute(sql)]
        for page in roots:
            _overwrite(journal, (page - 1) * PAGE, PAGE)


async def directory_deleted(stage: Stage) -> None:
    await asyncio.to_thread(shutil.rmtree, stage.data_dir)
    stage.lost_before = time.monotonic()


async def move_aside(stage: Stage) -> None:
    """What nobreak asks its operator for."""
    await stage.nobreak.stop()
    if stage.data_dir.exists():
        stage.data_dir.rename(stage.folder / "aside")
    await stage.nobreak.start(within=40)


def directory(happens: Callable, *, outage: bool):
    """Something happens to all of it; afterwards nobreak begins with a new one."""

    async def strike(stage: Stage) -> None:
        if outage:
            await stage.proxy.refuse()
            await stage.until(lambda status: status.get("current_mode") == "local")
            await asyncio.sleep(1)
        await happens(stage)

    async def lift(stage: Stage) -> None:
        await move_aside(stage)
        await stage.proxy.open()

    return {
        "strike": strike,
        "lift": lift,
        "writes": "any",
        "judged": False,
        "says": (JOURNAL_IS_CORRUPT,),
    }


DAMAGE = (
    Scenario("a blob missing", **body_damage(blob_missing, 400 * KIB), fast=True),
    Scenario("a blob truncated", **body_damage(blob_truncated, 400 * KIB)),
    Scenario("a blob changed", **body_damage(blob_changed, 400 * KIB)),
    Scenario(
        "bytes of the journal changed", **body_damage(bytes_in_the_journal, 60 * KIB), fast=True
    ),
    Scenario(
        "a page of the journal damaged", **body_damage(page_of_the_journal, 60 * KIB, anew=True)
    ),
    Scenario(
        "the journal damaged at its roots, in the outage",
        **directory(entries_pages_damaged, outage=True),
    ),
    Scenario(
        "the journal damaged at its roots while the store is well",
        **directory(entries_pages_damaged, outage=False),
    ),
    Scenario("data directory deleted in the outage", **directory(directory_deleted, outage=True)),
    Scenario(
        "data directory deleted while the store is well",
        **directory(directory_deleted, outage=False),
    ),
)
