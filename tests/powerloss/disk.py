"""A model of a disk: what is durable, and what a power cut may lose, reorder or tear.

Its rules, and where they come from, stand in the docstring of this package.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tests.powerloss.recording import Event, Kind

SECTOR = 512


@dataclass(eq=False)
class Write:
    """Bytes that were written to a file, or its size that was changed (`data` None)."""

    place: int
    at: int
    data: bytes | None

    def pieces(self) -> Iterator[tuple[int, bytes]]:
        """What of it can come to the disk by itself: the part of each sector."""
        data, at = self.data or b"", self.at
        while data:
            count = SECTOR - at % SECTOR
            yield at, data[:count]
            data, at = data[count:], at + count


@dataclass(eq=False)
class File:
    """`durable`: its bytes for sure; `pending`: what was done to it since, in order."""

    durable: bytes = b""
    pending: list[Write] = field(default_factory=list)

    def sync(self, began: int) -> None:
        """What was done before the fsync began is durable."""
        done = [write for write in self.pending if write.place < began]
        if done:
            self.durable = content(self.durable, done)
            self.pending = self.pending[len(done) :]


@dataclass(eq=False)
class Folder:
    """`names`: as processes see it; `durable`: what is there for sure."""

    names: dict[str, "Node"] = field(default_factory=dict)
    durable: dict[str, "Node"] = field(default_factory=dict)


Node = File | Folder


@dataclass(eq=False)
class Change:
    """A change of names, whole or not at all: `node` gets a name, and another name goes."""

    place: int
    folder: Folder | None = None
    name: str = ""
    node: Node | None = None
    gone_folder: Folder | None = None
    gone: str = ""

    @property
    def home(self) -> Folder | None:
        """The folder whose fsync makes it durable."""
        return self.folder or self.gone_folder

    def apply(self, names: Callable[[Folder], dict[str, Node]]) -> None:
        """Make the change in what `names` has of each folder."""
        if self.gone_folder is not None:
            names(self.gone_folder).pop(self.gone, None)
        if self.folder is not None and self.node is not None:
            names(self.folder)[self.name] = self.node


def content(before: bytes, writes: Iterable[Write]) -> bytes:
    """The bytes of a file after these writes."""
    found = bytearray(before)
    for write in writes:
        if write.data is None:
            found[write.at :] = bytes(max(0, write.at - len(found)))
        else:
            found.extend(bytes(max(0, write.at - len(found))))
            found[write.at : write.at + len(write.data)] = write.data
    return bytes(found)


class Disk:
    """Follows the events of a recording, from an empty disk. `ignored`: places of fsyncs that never were."""

    def __init__(self, ignored: frozenset[int] = frozenset()) -> None:
        self.root = Folder()
        self.changes: list[Change] = []
        """Changes of names that are not durable, in order."""
        self._ignored = ignored
        self._handles: dict[int, Node] = {}

    def follow(self, event: Event) -> bool:
        """Take in what happened; whether that changed anything."""
        match event.kind:
            case Kind.OPEN:
                return self._open(event)
            case Kind.MAKE_FOLDER:
                self._add(event, event.path, Folder())
            case Kind.RENAME:
                self._rename(event)
            case Kind.REMOVE:
                folder, name = self._parent(event.path)
                folder.names.pop(name)
                self._note(Change(event.ended, gone_folder=folder, gone=name))
            case Kind.WRITE | Kind.TRUNCATE:
                data = event.data if event.kind is Kind.WRITE else None
                self._file(event).pending.append(Write(event.ended, event.at, data))
            case Kind.SYNC if event.ended not in self._ignored:
                self._sync(event)
            case _:
                return False
        return True

    def files(self) -> Iterator[tuple[str, File]]:
        """All files that are there or may be, with one of the paths that they have or had."""
        seen: dict[int, tuple[str, File]] = {}

        def walk(folder: Folder, path: PurePosixPath) -> None:
            later = [(c.name, c.node) for c in self.changes if c.folder is folder and c.node]
            for name, node in (*folder.durable.items(), *later):
                if isinstance(node, Folder):
                    walk(node, path / name)
                elif id(node) not in seen:
                    seen[id(node)] = (str(path / name), node)

        walk(self.root, PurePosixPath())
        return iter(seen.values())

    def _open(self, event: Event) -> bool:
        folder, name = self._parent(event.path)
        node = self.root if event.path == "." else folder.names.get(name)
        made = node is None
        if node is None:
            assert event.makes, f"{event.path} was opened, and nobody made it"
            node = File()
            self._add(event, event.path, node)
        elif event.empties and isinstance(node, File):
            node.pending.append(Write(event.ended, 0, None))
        self._handles[event.handle] = node
        return made or event.empties

    def _add(self, event: Event, path: str, node: Node) -> None:
        folder, name = self._parent(path)
        folder.names[name] = node
        self._note(Change(event.ended, folder, name, node))

    def _rename(self, event: Event) -> None:
        source, old = self._parent(event.path)
        target, new = self._parent(event.target)
        node = source.names.pop(old)
        target.names[new] = node
        self._note(Change(event.ended, target, new, node, source, old))

    def _note(self, change: Change) -> None:
        self.changes.append(change)

    def _sync(self, event: Event) -> None:
        node = self._handles[event.handle]
        if isinstance(node, File):
            node.sync(event.began)
            return
        left: list[Change] = []
        for change in self.changes:
            if change.home is node and change.place < event.began:
                change.apply(lambda folder: folder.durable)
                # A name that has certainly gone can't come back by what was done to it before.
                left = [each for each in left if not _undone(each, change)]
            else:
                left.append(change)
        self.changes = left

    def _file(self, event: Event) -> File:
        node = self._handles[event.handle]
        assert isinstance(node, File), event
        return node

    def _parent(self, path: str) -> tuple[Folder, str]:
        *folders, name = PurePosixPath(path).parts or (".",)
        at = self.root
        for part in folders:
            found = at.names[part]
            assert isinstance(found, Folder), path
            at = found
        return at, name


def _undone(earlier: Change, durable: Change) -> bool:
    return (
        earlier.folder is not None
        and earlier.gone_folder is None
        and earlier.folder is durable.gone_folder
        and earlier.name == durable.gone
    )


@dataclass(frozen=True)
class State:
    """What a power cut left: files by their path, and folders."""

    files: dict[str, bytes]
    folders: frozenset[str]

    def digest(self) -> str:
        """Equal for equal states."""
        found = hashlib.blake2b(digest_size=16)
        for path in sorted(self.folders):
            found.update(path.encode() + b"/\0")
        for path in sorted(self.files):
            found.update(path.encode() + b"\0" + _digest(self.files[path]))
        return found.hexdigest()


_DIGESTS: dict[int, tuple[bytes, bytes]] = {}


def _digest(data: bytes) -> bytes:
    known = _DIGESTS.get(id(data))
    if known is None or known[0] is not data:
        if len(_DIGESTS) > 256:
            _DIGESTS.clear()
        known = _DIGESTS[id(data)] = (data, hashlib.blake2b(data, digest_size=16).digest())
    return known[1]


def surviving(
    disk: Disk, kept: Callable[[Change], bool], content_of: Callable[[str, File], bytes]
) -> State:
    """The state when just the changes that are `kept` came to the disk."""
    tree: dict[int, dict[str, Node]] = {}

    def names(folder: Folder) -> dict[str, Node]:
        return tree.setdefault(id(folder), dict(folder.durable))

    for change in disk.changes:
        if kept(change):
            change.apply(names)
    files: dict[str, bytes] = {}
    folders: set[str] = set()

    def walk(folder: Folder, path: PurePosixPath) -> None:
        for name, node in names(folder).items():
            below = path / name
            if isinstance(node, Folder):
                folders.add(str(below))
                walk(node, below)
            else:
                files[str(below)] = content_of(str(below), node)

    walk(disk.root, PurePosixPath())
    return State(files, frozenset(folders))
