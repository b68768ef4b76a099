"""What SIGKILL can't see: each fsync is there, and done before the acknowledgement leaves (I1).

nobreak runs under strace, pinned to local. For each write the calls between the acknowledgement
before it and its own are looked at.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tests.support import strace
from tests.support.strace import Call

from nobreak.demo.processes import NobreakProcess
from nobreak.demo.seaweed import DIE_WITH_PARENT, SeaweedServer

SYNCS = {"fsync", "fdatasync"}
SENDS = {"write", "writev", "sendto", "sendmsg"}
MAKES = {"mkdir", "mkdirat"}
RENAMES = {"rename", "renameat", "renameat2"}
TRACED = sorted({*SYNCS, *SENDS, *MAKES, *RENAMES, "pwrite64", "openat"})
WAL = "journal.db-wal"
MARK = b"the last bytes of the body"


@dataclass(frozen=True)
class Trace:
    """The calls of a run, and which of them acknowledged a write."""

    calls: Sequence[Call]
    acks: Sequence[Call]
    data: Path

    def find(self, names: set[str], pattern: str, *, after: int = -1) -> list[Call]:
        """The calls of these names that began after a place and whose arguments fit."""
        return [
            call
            for call in self.calls
            if call.name in names and call.began > after and re.search(pattern, call.text)
        ]

    def window(self, number: int) -> tuple[int, Call]:
        """Where the write of that number began at the earliest, and its acknowledgement."""
        return (self.acks[number - 1].ended if number else -1), self.acks[number]

    def synced(self, path: Path | str, *, after: Call, before: Call) -> Call:
        """The fsync of `path` that began after one call and ended before another."""
        wanted = rf"^\d+<{re.escape(str(path))}>"
        found = [
            call
            for call in self.find(SYNCS, wanted, after=after.ended)
            if call.ended < before.began
        ]
        assert found, f"{path} is not fsynced between {told(after)} and {told(before)}"
        return found[0]

    def entry_written(self, number: int, *contents: bytes) -> Call:
        """The last write to the journal's log that holds one of these, before the ack."""
        since, ack = self.window(number)
        wal = self.find({"pwrite64"}, rf"{WAL}>", after=since)
        writes = [call for call in wal if call.ended < ack.began]
        for content in contents:
            held = any(content.decode() in call.text for call in writes)
            assert held, f"{content!r} is not in the journal before {told(ack)}"
        return [call for call in writes if any(c.decode() in call.text for c in contents)][-1]

    def entry_is_durable(self, number: int, *contents: bytes) -> Call:
        """The journal's log holds all of `contents`, fsynced before the ack."""
        written = self.entry_written(number, *contents)
        self.synced(self.data / WAL, after=written, before=self.acks[number])
        return written


def told(call: Call) -> str:
    return f"{call.name}({call.text[:120]}"


WRITES = (
    ("PUT", "tiny-object", b"tiny: " + MARK, 201),
    ("PUT", "inline-object", b"x" * 100_000 + MARK, 201),
    ("PUT", "large-object", b"x" * 700_000 + MARK, 201),
    ("DELETE", "deleted-object", None, 204),
    ("PUT", "second-large-object", b"y" * 300_000 + MARK, 201),
)
TINY, INLINE, LARGE, DELETED, SECOND_LARGE = range(len(WRITES))


async def write_all(base: str) -> None:
    async with aiohttp.ClientSession() as session:
        for method, key, body, status in WRITES:
            async with session.request(method, f"{base}/files/{key}", data=body) as response:
                assert response.status == status


def end_traced(pid: int) -> None:
    """SIGTERM for the child of strace, which then ends by itself."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(child), signal.SIGTERM)


async def traced_run(folder: Path, record: Path) -> Path:
    """Run nobreak under strace through all writes; its data directory."""
    nowhere = SeaweedServer(folder / "never-started")
    nobreak = NobreakProcess(folder / "nobreak", nowhere, {"USE_EXTERNAL_STORAGE": "false"})
    launcher = (sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT)
    try:
        prefix = (*strace.command(record, TRACED), *launcher)
        await nobreak.start(within=30, prefix=prefix)
        await write_all(nobreak.base)
        end_traced(nobreak.pid)
    finally:
        await nobreak.stop()
    return folder / "nobreak" / "data"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("durability").resolve()
    data = asyncio.run(traced_run(folder, folder / "trace"))
    calls = strace.read(folder / "trace")
    acks = [call for call in calls if call.name in SENDS and is_ack(call)]
    assert len(acks) == len(WRITES)
    return Trace(calls, acks, data)


def is_ack(call: Call) -> bool:
    return "socket:[" in call.text and bool(re.search(r'"HTTP/1\.1 20[14] ', call.text))


@pytest.mark.parametrize("number", [TINY, INLINE])
def test_a_small_body_and_its_entry_are_fsynced_before_the_ack(trace, number):
    """I1: one fsync for both, they are in one row."""
    trace.entry_is_durable(number, WRITES[number][1].encode(), MARK)


def test_a_delete_is_fsynced_before_the_ack(trace):
    """I1."""
    trace.entry_is_durable(DELETED, WRITES[DELETED][1].encode())


@pytest.mark.parametrize("number", [LARGE, SECOND_LARGE])
def test_a_large_body_is_durable_before_its_entry_and_its_entry_before_the_ack(trace, number):
    """I1: the file, its name and its folders; then the journal, which names it."""
    since, ack = trace.window(number)
    spool, blobs = trace.data / "spool", trace.data / "blobs"
    written = trace.find({"pwrite64"}, rf"^\d+<{re.escape(str(spool))}/", after=since)
    (renamed,) = trace.find(RENAMES, rf'"{re.escape(str(spool))}/', after=since)[:1]
    source, target = (Path(path) for path in re.findall(r'"([^"]+)"', renamed.text))
    assert target.parent.parent == blobs
    last = [call for call in written if call.ended < renamed.began][-1]
    trace.synced(source, after=last, before=renamed)
    folder_synced = trace.synced(target.parent, after=renamed, before=ack)
    entry = trace.entry_is_durable(number, WRITES[number][1].encode())
    assert folder_synced.ended < entry.began, "an entry may not name a file that can vanish"


def test_every_folder_just_made_is_fsynced_into_its_parent_before_the_next_ack(trace):
    """I1: a file is as durable as the folders above it."""
    made = trace.find(MAKES, re.escape(str(trace.data)))
    paths = [Path(re.findall(r'"([^"]+)"', call.text)[0]) for call in made]
    assert {trace.data, trace.data / "spool", trace.data / "blobs"} < set(paths)
    assert any(path.parent == trace.data / "blobs" for path in paths)
    for call, path in zip(made, paths, strict=True):
        if path == trace.data / "spool":
            continue  # what is there when the power goes is not needed any more
        ack = next(each for each in trace.acks if each.began > call.ended)
        trace.synced(path.parent, after=call, before=ack)


@pytest.mark.parametrize("name", ["journal.db", WAL])
def test_the_journals_files_have_durable_names_before_the_first_ack(trace, name):
    """I1."""
    pattern = rf'"{re.escape(str(trace.data / name))}".*O_CREAT'
    (created, *_) = trace.find({"openat"}, pattern)
    trace.synced(trace.data, after=created, before=trace.acks[0])
