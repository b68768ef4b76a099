"""`NOBREAK_DRAIN_RATE` bounds what the drain sends, and nothing else."""

import asyncio
import os
import time
from contextlib import aclosing

import pytest
from tests.support.net import eventually

from nobreak.engine.pacing import MOST_PIECE, Pacing
from nobreak.faces.cli.status_lines import status_lines
from nobreak.reporting.events import EventKind
from nobreak.words import Mode, Override

MIB = 1024 * 1024


async def waiting(rig, *sizes: int) -> dict[str, bytes]:
    """Objects of these sizes in the journal."""
    await rig.engine.choose(Override.LOCAL, "test")
    await rig.mode("local")
    contents = {f"k{n}": os.urandom(size) for n, size in enumerate(sizes)}
    for key, content in contents.items():
        await rig.store.put(rig.name(key), content)
    return contents


async def drained(rig) -> float:
    """Give all back; the seconds that it took."""
    await rig.engine.choose(Override.AUTO, "test")
    began = time.monotonic()
    await rig.drained(within=30)
    return time.monotonic() - began


@pytest.mark.parametrize("sizes", [(MIB,) * 3, (4096,) * 700, (3 * MIB,)])
async def test_the_drain_takes_the_time_that_its_rate_asks_for(start, sizes):
    """2 MiB a second: small and large bodies alike, and what arrives is whole."""
    rig = await start(NOBREAK_DRAIN_RATE="2M")
    contents = await waiting(rig, *sizes)
    seconds = await drained(rig)
    least = sum(sizes) / (2 * MIB) - 0.4
    assert least <= seconds < 5 * least + 5
    assert {key: rig.outside(key) for key in contents} == contents


async def test_without_a_rate_nothing_is_held_back(start):
    rig = await start()
    await waiting(rig, *(MIB,) * 20)
    assert await drained(rig) < 6, "at 2 MiB a second it would take 10 s"


async def test_live_traffic_is_not_limited(start):
    """Only what is given back counts."""
    rig = await start(NOBREAK_DRAIN_RATE="64K")
    await waiting(rig, MIB)
    await rig.engine.choose(Override.AUTO, "test")
    await rig.mode("external")
    began = time.monotonic()
    for n in range(8):
        assert (await rig.store.put(rig.name(f"live{n}"), os.urandom(MIB))).mode is Mode.EXTERNAL
    assert time.monotonic() - began < 4, "at 64 KiB a second these 8 MiB would need 128 s"
    assert rig.engine.journal.tally().entries == 1


class Chunks:
    """A `Body` of one large chunk."""

    def __init__(self, size: int) -> None:
        self.size, self.fingerprint = size, None
        self.content = os.urandom(size)

    async def chunks(self, start=0, stop=None):
        yield self.content[start:stop]

    async def finished(self):
        return self.fingerprint


async def gone(chunks, until: float) -> list[bytes]:
    """What comes out of a body before so many seconds are over."""
    pieces = []
    try:
        async with asyncio.timeout(until), aclosing(chunks):
            async for piece in chunks:
                pieces.append(piece)  # noqa: PERF401 - a time-out leaves what came
    except TimeoutError:
        pass
    return pieces


async def test_a_large_body_goes_out_evenly_not_in_bursts():
    body = Chunks(8 * MIB)
    pieces = await gone(Pacing(lambda: 8 * MIB).paced(body).chunks(), until=0.5)
    assert max(map(len, pieces)) <= MOST_PIECE
    assert 1 * MIB < sum(map(len, pieces)) < 7 * MIB
    assert body.content.startswith(b"".join(pieces))


async def test_two_bodies_take_turns():
    pacing = Pacing(lambda: 4 * MIB)
    one, other = (pacing.paced(Chunks(4 * MIB)).chunks() for _ in range(2))
    sizes = [sum(map(len, each)) for each in await asyncio.gather(gone(one, 0.5), gone(other, 0.5))]
    assert 0.8 < sizes[0] / sizes[1] < 1.25


async def test_a_part_of_a_body_is_paced_like_the_whole():
    """Large bodies go out in parts."""
    body = Chunks(2 * MIB)
    began = time.monotonic()
    pieces = await gone(Pacing(lambda: MIB).paced(body).chunks(MIB, 2 * MIB), until=10)
    assert b"".join(pieces) == body.content[MIB:]
    assert time.monotonic() - began > 0.6


async def test_an_edit_of_the_rate_is_heard_in_the_middle_of_a_body(start):
    """An operator whose line is full needn't restart nobreak, nor wait for a large object's end."""
    rig = await start(NOBREAK_DRAIN_RATE="64K")
    contents = await waiting(rig, 8 * MIB)
    await rig.engine.choose(Override.AUTO, "test")
    await eventually(lambda: rig.external.count("put") == 1)
    await eventually(lambda: rig.engine.status()["drain"]["active"])
    assert rig.engine.status()["drain"]["most_bytes_per_second"] == 64 * 1024
    assert any("64.0 KiB" in line.text for line in status_lines(rig.engine.status()))
    rig.edit(NOBREAK_DRAIN_RATE="0")
    await eventually(lambda: rig.said(EventKind.SETTINGS_RELOADED), within=5)
    await rig.drained(within=5)
    assert rig.outside("k0") == contents["k0"]
    assert rig.engine.status()["drain"]["most_bytes_per_second"] is None
