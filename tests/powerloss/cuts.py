"""Which states are tried at a place of a recording: the extremes, and seeded choices between them."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tests.powerloss.disk import Change, Disk, File, State, Write, content, surviving


class Way(StrEnum):
    """How a power cut treats what was not fsynced."""

    NOTHING = "nothing of it is kept"
    EVERYTHING = "all of it is kept"
    NAMES = "names are kept, bytes are lost"
    BYTES = "bytes are kept, names are lost"
    SIZES = "names and sizes are kept, bytes are zeros"
    CUT = "kept up to some moment, the last write torn"
    ONE_LOST = "all is kept but one thing"
    ONE_KEPT = "one thing alone is kept"
    MIXED = "some of it is kept, in any order, writes torn"


EXTREMES = (Way.NOTHING, Way.EVERYTHING, Way.NAMES, Way.BYTES, Way.SIZES)
CHANCES = (Way.CUT, Way.ONE_LOST, Way.ONE_KEPT, Way.MIXED)
GARBAGE = "-shm"
"""The file of SQLite's shared memory: after a power cut it holds anything."""


@dataclass(frozen=True)
class Cut:
    """One way the power may go: after the event of that number, by that chance."""

    event: int
    way: Way
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.event}:{self.way.name}:{self.seed}"


def cuts(event: int, chances: int, seed: int) -> Iterator[Cut]:
    """The extremes, and `chances` of each seeded way."""
    for way in EXTREMES:
        yield Cut(event, way)
    for number in range(chances):
        for way in CHANCES:
            yield Cut(event, way, seed * 1000 + number)


def parsed(text: str) -> Cut:
    """A cut as it is printed."""
    event, way, seed = text.split(":")
    return Cut(int(event), Way[way], int(seed))


def left_by(disk: Disk, cut: Cut) -> State:
    """What a power cut leaves of the disk."""
    chance = random.Random(f"{cut.event} {cut.way.name} {cut.seed}")
    ways = {
        Way.NOTHING: lambda: surviving(disk, _no, _durable),
        Way.EVERYTHING: lambda: surviving(disk, _yes, _current),
        Way.NAMES: lambda: surviving(disk, _yes, _durable),
        Way.BYTES: lambda: surviving(disk, _no, _current),
        Way.SIZES: lambda: surviving(disk, _yes, _zeros),
        Way.CUT: lambda: _cut(disk, chance),
        Way.ONE_LOST: lambda: _one(disk, chance, kept=False),
        Way.ONE_KEPT: lambda: _one(disk, chance, kept=True),
        Way.MIXED: lambda: _mixed(disk, chance),
    }
    state = ways[cut.way]()
    files = {
        path: chance.randbytes(len(data)) if path.endswith(GARBAGE) and cut.seed else data
        for path, data in state.files.items()
    }
    return State(files, state.folders)


def _yes(_change: Change) -> bool:
    return True


def _no(_change: Change) -> bool:
    return False


def _durable(_path: str, file: File) -> bytes:
    return file.durable


def _current(_path: str, file: File) -> bytes:
    return content(file.durable, file.pending) if file.pending else file.durable


def _zeros(_path: str, file: File) -> bytes:
    size = len(_current(_path, file))
    return file.durable[:size] + bytes(max(0, size - len(file.durable)))


def _cut(disk: Disk, chance: random.Random) -> State:
    """Everything came to the disk in order until some moment, when a write was torn."""
    places = sorted({item.place for item in _pending(disk)})
    last = chance.choice(places) if places else 0

    def bytes_of(_path: str, file: File) -> bytes:
        kept = [write for write in file.pending if write.place < last]
        torn = [write for write in file.pending if write.place == last]
        return content(file.durable, [*kept, *_torn(torn, chance)])

    return surviving(disk, lambda change: change.place <= last, bytes_of)


def _one(disk: Disk, chance: random.Random, *, kept: bool) -> State:
    """One pending thing, or one sector of it, has another fate than all the others."""
    pending = _pending(disk)
    chosen = chance.choice(pending) if pending else None
    pieces = list(chosen.pieces()) if isinstance(chosen, Write) else []
    part = chance.choice(pieces) if pieces and chance.random() < 0.5 else None

    def writes(file: File) -> Iterator[Write]:
        for write in file.pending:
            if write is not chosen:
                if not kept:
                    yield write
            elif part is not None:
                parts = [part] if kept else [each for each in pieces if each is not part]
                yield from (Write(write.place, at, data) for at, data in parts)
            elif kept:
                yield write

    return surviving(
        disk,
        lambda change: (change is chosen) is kept,
        lambda _path, file: content(file.durable, writes(file)),
    )


def _mixed(disk: Disk, chance: random.Random) -> State:
    share = chance.choice((0.2, 0.5, 0.8))
    fates = {id(item): chance.random() for item in _pending(disk)}

    def bytes_of(_path: str, file: File) -> bytes:
        kept: list[Write] = []
        for write in file.pending:
            if fates[id(write)] < share / 2:
                kept += _torn([write], chance)
            elif fates[id(write)] < share:
                kept.append(write)
        return content(file.durable, kept)

    return surviving(disk, lambda change: fates[id(change)] < share, bytes_of)


def _torn(writes: Sequence[Write], chance: random.Random) -> list[Write]:
    """Some sectors of each, at random."""
    return [
        Write(write.place, at, data)
        for write in writes
        for at, data in write.pieces()
        if chance.random() < 0.5
    ]


def _pending(disk: Disk) -> list[Change | Write]:
    """All that is not durable, of every file that is or was there."""
    writes = [write for _path, file in disk.files() for write in file.pending]
    return sorted([*disk.changes, *writes], key=lambda item: item.place)
