"""A real engine with real writes, in a process that is recorded: `python -m tests.powerloss.workload`.

Its external store is one in memory that says when a request was begun and when it had landed: that
machine has power of its own. Bodies are small and in files, new and overwritten; there are deletes, uploads
in parts, buckets, changes of the mode, an index, drains, checkpoints of SQLite's log, a clean end and
one by SIGKILL.
"""

import asyncio
import hashlib
import itertools
import os
import random
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.powerloss.marks import Mark, Marks, Sort
from tests.support.net import eventually
from tests.support.reports import Told
from tests.support.scripted import SETTINGS, ScriptedProbe, ScriptedStore

from nobreak.engine import drain, leading, opening, runtime
from nobreak.engine.buckets import Buckets
from nobreak.engine.runtime import Engine
from nobreak.engine.uploads import Upload
from nobreak.settings import Settings, load_settings
from nobreak.stores.external.base import Body, Traits
from nobreak.stores.sqlite import database
from nobreak.words import Attributes, Fingerprint, ObjectName, Override, Receipt, Segment

BUCKET = "power"
FEW_PAGES = 60
"""SQLite makes a checkpoint of its log after so many pages: often (real: 4,000)."""
LARGE = 270_000
"""A body that becomes a file (bytes)."""
QUICK = {
    **SETTINGS,
    "NOBREAK_DIVERT_AFTER": "5",
    "NOBREAK_SETTLE": "0.2",
    "NOBREAK_BUCKET": BUCKET,
    "NOBREAK_MIN_FREE_BYTES": "0",
}
THERE = "there"
"""The version of a bucket."""
SHELF = 0xAB
TAG = "x-amz-tagging"


def settings_for(data: Path, outside: Path) -> Settings:
    """Settings with this data directory; what else is written goes `outside` of the disk."""
    (outside / "env").touch()
    return load_settings(
        {
            **QUICK,
            "NOBREAK_DATA_DIR": str(data),
            "HEALTH_LOG_FILE": str(outside / "health.log"),
            "NOBREAK_ENV_FILE": str(outside / "env"),
        }
    )


def version(content: bytes, attributes: Attributes) -> str:
    """What tells one version of an object from the others."""
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return " ".join(filter(None, (digest, attributes.s3.get(TAG))))


@dataclass
class TellingStore(ScriptedStore):
    """The external store; it takes a moment for everything, and marks it."""

    marks: Marks = field(default_factory=lambda: Marks(Path(os.devnull)))
    handles: dict[ObjectName, str] = field(default_factory=dict)
    """What it called its files, where it chooses their names."""

    async def put(self, name: ObjectName, body: Body, attributes: Attributes) -> Receipt:
        number = self._sent(name)
        await asyncio.sleep(0.004)
        receipt = await super().put(name, body, attributes)
        found = version(*self.objects[name])
        self.marks.write(Mark(Sort.LANDED, number, "put", name.key, found))
        if self.traits.chooses_names:
            self.handles[name] = str(number)
            return replace(receipt, remote=str(number))
        return receipt

    async def delete(self, name: ObjectName, *, receipt: Receipt | None) -> None:
        number = self._sent(name)
        await asyncio.sleep(0.004)
        if receipt is not None and receipt.remote and self.handles.get(name) != receipt.remote:
            return  # an older file of this object, which nobody asks for any more
        await super().delete(name, receipt=receipt)
        self.marks.write(Mark(Sort.LANDED, number, "delete", name.key))

    async def holds(self, name: ObjectName, fingerprint: Fingerprint, receipt: Receipt) -> bool:
        content, _ = self.objects.get(name, (b"", None))
        if fingerprint.whole_md5 is not None:
            return hashlib.md5(content, usedforsecurity=False).hexdigest() == fingerprint.md5
        at, found = 0, []
        for each in fingerprint.segments:
            found.append(Segment(each.size, hashlib.md5(content[at : at + each.size]).hexdigest()))
            at += each.size
        return Fingerprint.of_segments(tuple(found)).md5 == fingerprint.md5

    async def ensure_bucket(self, bucket: str) -> None:
        self.marks.write(Mark(Sort.LANDED, 0, "make-bucket", bucket, THERE))

    async def delete_bucket(self, bucket: str) -> None:
        self.marks.write(Mark(Sort.LANDED, 0, "delete-bucket", bucket))

    def _sent(self, name: ObjectName) -> int:
        number = self.marks.number()
        self.marks.write(Mark(Sort.SENT, number, key=name.key))
        return number


class Clients:
    """They do one thing after the other to a key, and note what they asked for and were told."""

    def __init__(self, engine: Engine, marks: Marks, chance: random.Random) -> None:
        self.engine = engine
        self._marks = marks
        self._chance = chance

    def body(self, size: int) -> bytes:
        """Bytes that no other body has."""
        return (f"{self._chance.randbytes(8).hex()} " * (size // 17 + 1))[:size].encode()

    async def _told(self, mark: Mark, work: Awaitable[Any]) -> Any:
        """Do something between its two marks."""
        begun = Mark(**{**vars(mark), "sort": Sort.BEGIN, "number": self._marks.number()})
        self._marks.write(begun)
        result = await work
        upload = result.id if isinstance(result, Upload) else begun.upload
        self._marks.write(Mark(**{**vars(begun), "sort": Sort.ACK, "upload": upload}))
        return result

    async def put(self, key: str, size: int) -> None:
        content = self.body(size)
        mark = Mark(Sort.BEGIN, 0, "put", key, version(content, Attributes()))
        await self._told(mark, self.engine.store.put(ObjectName(BUCKET, key), content))

    async def tag(self, key: str, tags: str) -> None:
        """Change the attributes of an object that waits in the journal."""
        name = ObjectName(BUCKET, key)
        changed = Attributes(s3={TAG: tags})
        found = version(await self.engine.store.read(name), changed)
        work = self.engine.store.reattribute(name, lambda _attributes: changed)
        await self._told(Mark(Sort.BEGIN, 0, "put", key, found), work)

    async def delete(self, key: str) -> None:
        mark = Mark(Sort.BEGIN, 0, "delete", key)
        await self._told(mark, self.engine.store.delete(ObjectName(BUCKET, key)))

    async def begin(self, key: str) -> Upload:
        mark = Mark(Sort.BEGIN, 0, "begin-upload", key)
        work = self.engine.store.uploads.begin(ObjectName(BUCKET, key), Attributes())
        upload: Upload = await self._told(mark, work)
        return upload

    async def part(self, upload: Upload, number: int, size: int) -> bytes:
        content = self.body(size)
        found = version(content, Attributes())
        mark = Mark(Sort.BEGIN, 0, "part", upload.name.key, found, upload.id, number)
        work = self.engine.store.uploads.put_part(
            upload, number, content, size=size, checksums=dict, known=True
        )
        await self._told(mark, work)
        return content

    async def complete(self, upload: Upload, content: bytes) -> None:
        uploads = self.engine.store.uploads
        found = version(content, Attributes())
        mark = Mark(Sort.BEGIN, 0, "complete", upload.name.key, found, upload.id)
        work = uploads.complete(upload, uploads.parts(upload), "request", Attributes())
        await self._told(mark, work)

    async def abort(self, upload: Upload) -> None:
        mark = Mark(Sort.BEGIN, 0, "abort", upload.name.key, upload=upload.id)
        await self._told(mark, self.engine.store.uploads.abort(upload))

    async def bucket(self, name: str, *, there: bool) -> None:
        buckets: Buckets = self.engine.buckets
        what = "make-bucket" if there else "delete-bucket"
        work = buckets.make(name) if there else buckets.delete(name)
        await self._told(Mark(Sort.BEGIN, 0, what, name, THERE if there else ""), work)

    async def mode(self, override: Override) -> None:
        mark = Mark(Sort.BEGIN, 0, "mode", override.value)
        await self._told(mark, self.engine.choose(override, "workload"))

    async def index(self) -> None:
        await self._told(Mark(Sort.BEGIN, 0, "index", BUCKET), self.engine.indexing.scan(BUCKET))

    async def drained(self) -> None:
        """Give everything back."""
        await self.mode(Override.AUTO)
        journal = self.engine.journal
        await eventually(lambda: journal.tally().entries == 0, within=20, every=0.005)


@dataclass
class World:
    """What there is besides the process."""

    settings: Settings
    marks: Marks
    chance: random.Random
    external: TellingStore

    @asynccontextmanager
    async def engine(self, *, leads: bool = True) -> AsyncIterator[Clients]:
        probe = ScriptedProbe(lambda: True)
        with (
            patch.object(opening, "open_external", lambda *_: self.external),
            patch.object(runtime, "open_external", lambda *_: self.external),
            patch.object(leading, "build_probe", lambda *_, **__: probe),
            patch.object(database, "CHECKPOINT_PAGES", FEW_PAGES),
            patch.object(drain, "LOOK_EVERY", 0.01),
        ):
            named = self.external.traits.chooses_names
            self.marks.write(Mark(Sort.OPEN, what="names" if named else ""))
            engine = Engine(self.settings, Told(), leads=leads, reload=lambda: self.settings)
            async with engine:
                await eventually(lambda: probe.checks > 0 or not leads)
                yield Clients(engine, self.marks, self.chance)
            self.marks.write(Mark(Sort.CLOSED))


async def first(world: World) -> None:
    """The first start: external, then an outage, then all is given back, and another outage."""
    async with world.engine() as clients:
        await clients.put("through/small", 3_000)
        await clients.put("through/large", LARGE)
        await clients.put("through/gone", 100)
        await clients.index()
        await asyncio.gather(*(clients.put(f"through/{n}", 500) for n in range(4)))
        await clients.delete("through/gone")
        await clients.mode(Override.LOCAL)
        await clients.put("small", 2_000)
        await clients.put("large", LARGE)
        await clients.put("inline", 100_000)
        await asyncio.gather(*(clients.put(f"many/{n}", 900) for n in range(6)))
        await clients.put("through/small", LARGE)
        await clients.delete("through/large")
        await clients.put("large", 4_000)
        await clients.delete("small")
        await clients.put("small", 2_500)
        await clients.tag("small", "colour=blue")
        await clients.bucket("made", there=True)
        await clients.bucket("unmade", there=True)
        await clients.bucket("unmade", there=False)
        await parts(clients)
        await asyncio.gather(*(clients.put(f"files/{n}", LARGE) for n in range(3)))
        for n in range(4):
            await clients.put("again", 60_000 + n)
        await clients.drained()
        await asyncio.gather(*(clients.put(f"through/{n}", 600) for n in range(4)))
        await clients.mode(Override.LOCAL)
        await clients.put("last", LARGE)
        await clients.put("files/1", 700)
        await clients.mode(Override.AUTO)
        await clients.put("quick", 100)


async def parts(clients: Clients) -> None:
    """Three uploads: one becomes an object, one is given up, one is left under way."""
    done, left, open_ = [await clients.begin(f"upload/{n}") for n in range(3)]
    await clients.part(done, 1, 5_000)
    content = await clients.part(done, 1, LARGE)
    content += await clients.part(done, 2, 300)
    await clients.part(left, 1, 400)
    await clients.part(open_, 7, 800)
    await clients.complete(done, content)
    await clients.abort(left)


async def passing(world: World) -> None:
    """A command of a person's: it doesn't lead, writes and ends at once."""
    async with world.engine(leads=False) as clients:
        await clients.put("through/command", 800)


async def second(world: World) -> None:
    """A second start, with entries in the journal; it ends without a word."""
    async with world.engine() as clients:
        await clients.put("after/start", 1_000)
        await clients.drained()
        await clients.mode(Override.LOCAL)
        await clients.put("after/large", LARGE)
        await clients.delete("large")
        for n in range(4):
            await clients.put("again", 50_000 + n)
        await clients.mode(Override.AUTO)
        tasks = [asyncio.ensure_future(clients.put(f"many/{n}", 950)) for n in range(6)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        os.kill(os.getpid(), signal.SIGKILL)


async def named(world: World) -> None:
    """Before a server that chooses names: where an object is stands in the catalog alone."""
    async with world.engine() as clients:
        await clients.put("a", 400)
        await clients.put("a", 500)
        await clients.put("b", LARGE)
        await asyncio.gather(*(clients.put(f"many/{n}", 300) for n in range(4)))
        await clients.delete("a")
        await clients.mode(Override.LOCAL)
        await clients.put("a", 600)
        await clients.put("b", 700)
        await clients.delete("many/1")
        await clients.drained()
        await clients.put("b", 800)
        os.kill(os.getpid(), signal.SIGKILL)


async def short(world: World) -> None:
    """A first start with a few writes in an outage, for recordings of many starts."""
    async with world.engine() as clients:
        await clients.mode(Override.LOCAL)
        await clients.put("small", 2_000)
        await clients.put("large", LARGE)
        await clients.delete("small")
        os.kill(os.getpid(), signal.SIGKILL)


def dies_at(number: int) -> Callable[[int], None]:
    """An `os.fsync` before whose call of that number the process is killed; 0: never."""
    real, calls = os.fsync, itertools.count(1)

    def fsync(descriptor: int) -> None:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        real(descriptor)

    return fsync


def main() -> None:
    """Arguments: the disk's root, the file for marks, a seed, what to do, and when to die."""
    root, marks_file, seed, extent, death = sys.argv[1:]
    chance = random.Random(int(seed))
    marks, outside = Marks(Path(marks_file)), Path(marks_file).parent
    world = World(
        settings_for(Path(root) / "var" / "data", outside), marks, chance, TellingStore(marks=marks)
    )
    if extent == "named":
        world.external.traits = Traits(keeps_attributes=False, chooses_names=True, lists=False)

    def seeded() -> uuid.UUID:
        """In the short one, all bodies come into one folder."""
        number = chance.getrandbits(128)
        return uuid.UUID(int=number >> 8 | SHELF << 120 if extent == "short" else number)

    async def whole() -> None:
        await first(world)
        await passing(world)
        await second(world)

    with patch.object(uuid, "uuid4", seeded), patch.object(os, "fsync", dies_at(int(death))):
        asyncio.run(
            {"whole": whole, "short": lambda: short(world), "named": lambda: named(world)}[extent]()
        )


if __name__ == "__main__":
    main()
