"""Put a state on a real disk, open nobreak's own stores on it, and look at everything that is there."""

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar
from unittest.mock import patch

from tests.powerloss.disk import State
from tests.powerloss.workload import BUCKET, THERE, settings_for, version
from tests.support.reports import Told
from tests.support.scripted import ScriptedStore

from nobreak.engine import opening
from nobreak.engine.context import Context
from nobreak.engine.journal_file import MARKER_FILE, journal_damage
from nobreak.engine.journal_reading import read_here
from nobreak.errors import CorruptBodyError, NobreakError
from nobreak.stores.local.disk import Disk, translated
from nobreak.words import Entry, EntryKind, Fingerprint

T = TypeVar("T")
DATA = "var/data"
BODIES = f"{DATA}/blobs/"
MEMORY = Path("/dev/shm")
PAGE = 1000


@dataclass(frozen=True)
class FoundUpload:
    """`parts`: their versions, as read."""

    ended: bool
    parts: dict[int, str]


@dataclass
class Found:
    """What a restart found. `trouble`: why it did not even start. `marked`: the marker was there.

    `crashed`: all keys are in doubt; `doubtful`: these are (I4). `objects`: by key, what the journal holds, as read; empty: deleted. `buckets` likewise. `damaged`:
    what could not be read. `rows`: ETags by key in the catalog; `complete`: whether it claims to be.
    """

    trouble: str = ""
    marked: bool = False
    damaged: list[str] = field(default_factory=list)
    objects: dict[str, str] = field(default_factory=dict)
    buckets: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, FoundUpload] = field(default_factory=dict)
    override: str = ""
    crashed: bool = False
    doubtful: set[str] = field(default_factory=set)
    rows: dict[str, str] = field(default_factory=dict)
    complete: bool = False


class Restarts:
    """Restarts on one state after the other, in a folder in memory. A context manager."""

    def __init__(self) -> None:
        place = MEMORY if MEMORY.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="nobreak-powerloss-", dir=place))
        self._kept: dict[bytes, Path] = {}
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder)

    @contextmanager
    def on_disk(self, state: State) -> Iterator[Path]:
        """The state in a folder of its own, which is the disk's root."""
        self._count += 1
        root = self._folder / str(self._count) / "disk"
        root.mkdir(parents=True)
        try:
            for folder in sorted(state.folders):
                (root / folder).mkdir(mode=0o700)
            for path, content in state.files.items():
                self._put(root / path, content, whole=path.startswith(BODIES))
            yield root
        finally:
            shutil.rmtree(root.parent)

    def _put(self, path: Path, content: bytes, *, whole: bool) -> None:
        """Bodies are never changed: each is written once, and linked from then on."""
        if not whole:
            path.write_bytes(content)
            return
        digest = hashlib.blake2b(content).digest()
        if digest not in self._kept:
            self._kept[digest] = self._folder / f"body-{len(self._kept)}"
            self._kept[digest].write_bytes(content)
        os.link(self._kept[digest], path)

    async def look(self, state: State) -> Found:
        """Start on the state."""
        with self.on_disk(state) as root:
            return await look(root)


async def look(root: Path) -> Found:
    """Open the stores on a disk, and read all that they hold."""
    settings = settings_for(root / DATA, root.parent)
    marker = root / DATA / MARKER_FILE
    marked = marker.exists() and marker.stat().st_size > 0
    try:
        with (
            patch.object(opening, "open_external", lambda *_: ScriptedStore()),
            patch.object(Disk, "run", _at_once),
            patch.object(asyncio, "to_thread", _here),
        ):
            async with opening.opened(settings, Told()) as context:
                found = await _read(context)
        found.marked = marked
        damage = journal_damage(root / DATA, within=10.0)
    except (NobreakError, OSError) as error:
        return Found(trouble=f"{type(error).__name__}: {error}".replace(str(root), ""))
    if damage:
        found.damaged.append(f"the journal's file: {damage}")
    return found


async def _at_once(_disk: Disk, work: Callable[[], T]) -> T:
    """`Disk.run` without its threads: one restart has nothing to do meanwhile."""
    try:
        return work()
    except OSError as error:
        raise translated(error) from error


async def _here(work: Callable[..., T], *arguments: Any) -> T:
    return work(*arguments)


async def _read(context: Context) -> Found:
    board = context.board.read()
    found = Found(override=board.override.value, crashed=board.crashed)
    rows = _rows(context, "SELECT key FROM entry WHERE doubtful OR begun")
    found.doubtful = {key for (key,) in rows}
    after = 0
    while page := context.journal.entries(parked=False, after=after, limit=PAGE):
        after = page[-1].seq
        for entry in page:
            await _read_entry(context, entry, found)
    _read_catalog(context, found)
    for (upload_id,) in _rows(context, "SELECT id FROM upload"):
        upload = context.uploads.get(upload_id)
        assert upload is not None
        parts: dict[int, str] = {}
        for part in context.uploads.parts(upload_id):
            kept = Fingerprint(part.segment.size, part.segment.md5)
            try:
                async with aclosing(await context.bodies._open_file(part.file, kept)) as body:
                    parts[part.number] = _md5([chunk async for chunk in body.chunks()])
            except CorruptBodyError as error:
                found.damaged.append(f"{upload.name}, part {part.number}: {error}")
        found.uploads[upload_id] = FoundUpload(upload.completion is not None, parts)
    return found


async def _read_entry(context: Context, entry: Entry, found: Found) -> None:
    """Read it as a client would, if it is the newest of its key, else as the drain would."""
    name, put = entry.name, entry.kind is EntryKind.PUT
    if not name.key:
        found.buckets[name.bucket] = THERE if put else ""
        return
    found.objects[name.key] = ""
    if not put:
        return
    newest = context.journal.newest(name)
    try:
        if newest is not None and newest.seq == entry.seq:
            reading = await read_here(context, name, None)
            assert reading is not None
            async with aclosing(reading):
                content = b"".join([chunk async for chunk in reading.chunks()])
            found.objects[name.key] = version(content, entry.attributes)
            return
        kept = context.journal.body(entry)
        assert kept is not None
        assert entry.fingerprint is not None
        async with aclosing(await context.bodies.open_kept(kept, entry.fingerprint)) as body:
            await body.verify()
    except CorruptBodyError as error:
        found.damaged.append(f"{name.key}: an entry whose body is not there: {error}")


def _read_catalog(context: Context, found: Found) -> None:
    index, after = context.index, ""
    found.complete = index.is_complete(BUCKET) and index.is_sure(BUCKET, "")
    while page := context.catalog.page(BUCKET, "", after, PAGE):
        after = page[-1][0].name.key
        found.rows |= {info.name.key: receipt.etag for info, receipt in page}


def _rows(context: Context, sql: str) -> list[tuple[str]]:
    rows: list[tuple[str]] = context.uploads._database.read(sql)  # type: ignore[attr-defined]
    return rows


def _md5(chunks: list[bytes]) -> str:
    return hashlib.md5(b"".join(chunks), usedforsecurity=False).hexdigest()
