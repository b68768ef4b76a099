"""What a process did to its disk, call by call, and the marks between the calls.

Everything that could change a file is seen or refused: a call that the model doesn't know makes the
recording fail, so that nothing is overlooked.
"""

import codecs
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.powerloss.marks import Mark, parsed
from tests.support import strace
from tests.support.strace import Call

FOLLOWED = (
    *("open", "openat", "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2"),
    *("unlink", "unlinkat", "rmdir", "write", "pwrite64", "ftruncate", "lseek"),
    *("fsync", "fdatasync", "sendto", "sendmsg"),
)
SENDS = frozenset({"write", "writev", "sendto", "sendmsg"})
ANSWER = re.compile(r"HTTP/1\.1 20[14] |HTTP/1\.1 200 .*x-amz-request-id", re.IGNORECASE)
"""How an answer to a write begins, on either face."""
UNKNOWN = (
    *("writev", "pwritev", "pwritev2", "truncate", "fallocate", "copy_file_range", "sendfile"),
    *("splice", "link", "linkat", "symlink", "symlinkat", "sync_file_range", "mmap", "openat2"),
    *("sync", "syncfs", "io_uring_setup"),
)
"""Calls that the model doesn't know: they may not touch the disk that is recorded."""
EVERYWHERE = frozenset({"sync", "syncfs", "io_uring_setup"})
LONGEST = 16 * 1024 * 1024
TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
DESCRIPTOR = re.compile(r"(\d+)<([^>]*)>")
RESULT = re.compile(r"\) += (-?\d+)(?:<([^>]*)>)?")


class Kind(StrEnum):
    """What an event did. `OPEN` also makes a file, and may empty it."""

    OPEN = "open"
    MAKE_FOLDER = "mkdir"
    RENAME = "rename"
    REMOVE = "remove"
    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "fsync"
    MARK = "mark"


@dataclass(frozen=True)
class Event:
    """One thing that happened. `began` and `ended`: its places in the order of all calls.

    `path`, and `target` of a rename, are relative to the disk's root. `handle`: which opening of a
    file a write, truncation or fsync goes to.
    """

    kind: Kind
    began: int
    ended: int
    thread: int = 0
    path: str = ""
    target: str = ""
    handle: int = 0
    makes: bool = False
    empties: bool = False
    at: int = 0
    data: bytes = field(default=b"", repr=False)
    mark: Mark | None = None


class UnknownCallError(Exception):
    """The process did something to its disk that the model doesn't know."""


def recorder(trace: Path) -> tuple[str, ...]:
    """The command that records what follows it, which gets no rings: they go past the recorder."""
    without_rings = "--inject=io_uring_setup:error=ENOSYS"
    return strace.command(trace, [*FOLLOWED, *UNKNOWN], without_rings, longest=LONGEST)


def record(program: Sequence[str], trace: Path) -> int:
    """Run a program and record it; its exit code."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [*recorder(trace), *program]
    return subprocess.run(command, env=environment, check=False, timeout=300).returncode


class Reader:
    """Makes events of calls. `root`: the disk; `marks`: the file that marks are written to.

    `answered`: the marks of the answers that a server sends to its clients' writes, in their order.
    """

    def __init__(self, root: Path, marks: Path, answered: Sequence[Mark] = ()) -> None:
        self._answered = iter(answered)
        self._root = str(root)
        self._marks = str(marks)
        self._handles: dict[int, int] = {}
        self._offsets: dict[int, int] = {}
        self._count = 0

    def events(self, traces: Sequence[Path]) -> list[Event]:
        """All of one or more processes that ran one after the other, in order."""
        found: list[Event] = []
        base = 0
        for trace in traces:
            self._handles.clear()
            last = base
            for call in strace.read(trace):
                last = max(last, base + call.ended)
                found += self._of(call, base)
            base = last + 1
        assert next(self._answered, None) is None, "not all answers were seen"
        # What an answer acknowledges has to be durable when it begins to leave.
        return sorted(found, key=lambda event: event.began if event.mark else event.ended)

    def _of(self, call: Call, base: int) -> Iterator[Event]:
        if call.name in SENDS and "socket:[" in call.text and ANSWER.search(call.text):
            mark = next(self._answered, None)
            if mark is not None:
                yield Event(Kind.MARK, base + call.began, base + call.ended, call.thread, mark=mark)
            return
        if call.name in UNKNOWN:
            self._refuse(call)
            return
        places = {
            "began": base + call.began,
            "ended": base + call.ended,
            "thread": call.thread,
        }
        handler = getattr(self, f"_{KIND_OF[call.name]}")
        yield from handler(call, places)

    def _refuse(self, call: Call) -> None:
        touches = call.name in EVERYWHERE or self._root in call.text
        if call.name == "mmap":
            # The index of SQLite's log is shared memory: it is never read after a power cut.
            writes = "MAP_SHARED" in call.text and "PROT_WRITE" in call.text
            touches = touches and writes and "-shm>" not in call.text
        if touches:
            raise UnknownCallError(f"{call.name}({call.text[:200]}")

    def _relative(self, path: str) -> str | None:
        return os.path.relpath(path, self._root) if self._holds(path) else None

    def _holds(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root + "/")

    def _open(self, call: Call, places: dict[str, int]) -> Iterator[Event]:
        result = RESULT.search(call.text)
        path = self._relative(_texts(call)[0])
        assert result is not None
        self._handles.pop(int(result[1]), None)
        if path is None:
            return
        if "O_TMPFILE" in call.text or "O_APPEND" in call.text:
            raise UnknownCallError(f"{call.name}({call.text[:200]}")
        self._count += 1
        self._handles[int(result[1])], self._offsets[self._count] = self._count, 0
        flags = {"makes": "O_CREAT" in call.text, "empties": "O_TRUNC" in call.text}
        yield Event(Kind.OPEN, path=path, handle=self._count, **flags, **places)

    def _make_folder(self, call: Call, places: dict[str, int]) -> Iterator[Event]:
        yield from self._named(Kind.MAKE_FOLDER, call, places)

    def _remove(self, call: Call, places: dict[str, int]) -> Iterator[Event]:
        yield from self._named(Kind.REMOVE, call, places)

    def _named(self, kind: Kind, call: Call, places: dict[str, int]) -> Iterator[Event]:
        path = self._relative(_texts(call)[0])
        if path is not None:
            yield Event(kind, path=path, **places)

    def _rename(self, call: Call, places: dict[str, int]) -> Iterator[Event]:
        source, target = (self._relative(text) for text in _texts(call))
        if source is not None or target is not None:
            assert source is not None, call
            assert target is not None, call
            yield Event(Kind.RENAME, path=source, target=target, **places)

    def _write(self, call: Call, places: dict[str, int]) -> Iterator[Event]:
        match = DESCRIPTOR.match(call.text)
        if match is None:
            return
        if match[2] == self._marks:
            for line in _bytes(call).splitlines():
                yield Event(Kind.MARK, mark=parsed(line), **places)
            return
        handle = self._handle(call, match)
        if handle is None:
            return
        written = int(RESULT.findall(call.text)[-1][0])
        data = _bytes(call)[:written]
        assert len(data) == written, f"not all of {call.name} was recorded"
        at = self._offsets[handle]
        if call.name == "pwrite64":
            at = int(re.findall(r", (\d+) ?\) += \d+$", call.text)[-1])
        else:
            self._offsets[handle] = at + written
        yield Event(Kind.WRITE, handle=handle, at=at, data=data, **places)

    def _seek(self, call: Call, places: dict[str, int]) -> Iterator[Event]:
        match = DESCRIPTOR.match(call.text)
        handle = self._handle(call, match) if match else None
        if handle is not None:
            self._offsets[handle] = int(RESULT.findall(call.text)[-1][0])
        return iter(())

    def _truncate(self, call: Call, places: dict[str, int]) -> Iterator[Event]:
        match = DESCRIPTOR.match(call.text)
        handle = self._handle(call, match) if match else None
        if handle is not None:
            size = int(re.findall(r">(?:\(deleted\))?, (\d+) ?\)", call.text)[0])
            yield Event(Kind.TRUNCATE, handle=handle, at=size, **places)

    def _sync(self, call: Call, places: dict[str, int]) -> Iterator[Event]:
        match = DESCRIPTOR.match(call.text)
        handle = self._handle(call, match) if match else None
        if handle is not None:
            assert match is not None
            yield Event(Kind.SYNC, path=self._relative(match[2]) or "", handle=handle, **places)

    def _handle(self, call: Call, match: re.Match[str]) -> int | None:
        """The handle of a descriptor, if its file is on the recorded disk."""
        if not self._holds(match[2]):
            return None
        handle = self._handles.get(int(match[1]))
        if handle is None:
            raise UnknownCallError(f"a descriptor that nobody opened: {call.text[:200]}")
        return handle


KIND_OF = {
    **dict.fromkeys(("sendto", "sendmsg"), "write"),
    **dict.fromkeys(("open", "openat", "creat"), "open"),
    **dict.fromkeys(("mkdir", "mkdirat"), "make_folder"),
    **dict.fromkeys(("rename", "renameat", "renameat2"), "rename"),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), "remove"),
    **dict.fromkeys(("write", "pwrite64"), "write"),
    "ftruncate": "truncate",
    "lseek": "seek",
    **dict.fromkeys(("fsync", "fdatasync"), "sync"),
}


def _bytes(call: Call) -> bytes:
    match = TEXT.search(call.text)
    if match is None:
        return b""
    found: bytes = codecs.escape_decode(match[1].encode())[0]  # type: ignore[attr-defined]
    return found


def _texts(call: Call) -> list[str]:
    return [
        codecs.escape_decode(text.encode())[0].decode()  # type: ignore[attr-defined]
        for text in TEXT.findall(call.text)
    ]
