"""SIGKILL of `nobreak serve` at every stage of multipart uploads: no part that was acknowledged is
lost, and nothing stays behind. Real processes, botocore, unmodified, and a real SeaweedFS."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest
from botocore.exceptions import BotoCoreError
from tests.support.machine import Machine, running_machine
from tests.support.multipart import MIB, Sent, checked, open_there, part_files
from tests.support.net import eventually
from tests.support.outage import Shop

COMPLETING = 6


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with running_machine(tmp_path) as machine:
        yield machine


class HalfAPart:
    """A part of which one half was sent when its server dies."""

    def __init__(self, upload: Sent, number: int) -> None:
        self._upload, self._number = upload, number
        self.half_sent, self._go_on = asyncio.Event(), asyncio.Event()

    async def send(self) -> None:
        content = self._upload.pieces[self._number - 1]

        async def body() -> AsyncIterator[bytes]:
            yield content[: len(content) // 2]
            await asyncio.sleep(0.1)  # time for it to get there
            self.half_sent.set()
            await self._go_on.wait()
            yield content[len(content) // 2 :]

        url = self._upload.shop.presigned(
            "upload_part",
            self._upload.key,
            UploadId=self._upload.upload_id,
            PartNumber=self._number,
        )
        headers = {"content-length": str(len(content))}
        unsigned = {"content-type"}
        async with aiohttp.ClientSession(skip_auto_headers=unsigned) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.put(url, data=body(), headers=headers)

    def go_on(self) -> None:
        self._go_on.set()


class Uploads:
    """Uploads at every stage, to be cut off all at once."""

    def __init__(self, front: Shop) -> None:
        def new(key: str) -> Sent:
            return Sent(front, key, [os.urandom(5 * MIB), os.urandom(5 * MIB), os.urandom(70_000)])

        self.begun, self.one_part, self.all_parts = new("begun"), new("one-part"), new("all-parts")
        self.in_a_part, self.completed = new("in-a-part"), new("completed")
        self.completing = [new(f"completing-{number}") for number in range(COMPLETING)]

    @property
    def under_way(self) -> list[Sent]:
        """Those whose Complete was never sent."""
        return [self.begun, self.one_part, self.all_parts, self.in_a_part]

    @property
    def every(self) -> list[Sent]:
        return [*self.under_way, self.completed, *self.completing]

    async def prepare(self) -> None:
        for upload in self.every:
            await upload.begin()
        for upload in (self.one_part, self.in_a_part):
            await upload.put(1)
        for upload in (self.all_parts, self.completed, *self.completing):
            for number in (1, 2, 3):
                await upload.put(number)

    async def cut_off(self, machine: Machine, chance: random.Random, *, both_die: bool) -> None:
        """SIGKILL, with a part and completions under way and one completion just acknowledged."""
        half = HalfAPart(self.in_a_part, 2)
        sending = asyncio.create_task(half.send())
        await half.half_sent.wait()
        await self.completed.complete()
        completions = [asyncio.create_task(attempted(each)) for each in self.completing]
        await asyncio.sleep(chance.uniform(0.0, 0.1))
        await machine.nobreak.kill()
        if both_die:
            await machine.server.kill()
        half.go_on()
        await asyncio.gather(sending, *completions)


async def attempted(upload: Sent) -> None:
    with suppress(BotoCoreError):  # not answered: nobody knows
        await upload.complete()


async def still_has_its_parts(upload: Sent) -> None:
    """All that were acknowledged, and no other."""
    listed = (await upload.call("list_parts")).get("Parts", [])
    found = [(each["PartNumber"], each["ETag"]) for each in listed]
    assert found == [(each["PartNumber"], each["ETag"]) for each in upload.parts]


@pytest.mark.parametrize("where", ["in mode external", "in an outage", "when both die"])
async def test_a_crash_at_any_stage_loses_no_part_and_leaves_nothing(machine, where):
    """I1, I2, I3, I4: the client goes on, or finds the object that it was told of."""
    seed = int(os.environ.get("CRASH_SEED") or random.randrange(2**32))
    print(f"CRASH_SEED={seed}")
    uploads = Uploads(machine.front)
    if where == "in an outage":
        await machine.begin_outage()
    await uploads.prepare()
    await uploads.cut_off(machine, random.Random(seed), both_die=where == "when both die")
    print(sum(bool(each.etag) for each in uploads.completing), "completions were answered")

    await machine.nobreak.start()
    for upload in uploads.under_way:
        await still_has_its_parts(upload)
    if where != "when both die":  # else only the server has it, and says so with 503
        await checked(machine.front, uploads.completed)
    for upload in uploads.completing:
        await upload.complete()  # also where it was: an SDK that hears nothing asks again
    for upload in uploads.under_way[::2]:
        await upload.finish()
    if where != "in mode external":
        await machine.server.start()
    for upload in uploads.under_way[1::2]:
        await upload.finish()
    await machine.calm()
    for upload in uploads.every:
        await checked(machine.front, upload)
        await checked(machine.direct, upload)
    await machine.leaves_nothing()


async def test_a_crash_while_parts_are_drained_is_begun_again_and_leaves_nothing(machine):
    """I1, I3, I4: three times, in the middle of the upload that the drain has open."""
    await machine.begin_outage()
    upload = await Sent(machine.front, "drained", [os.urandom(8 * MIB) for _ in range(6)]).begin()
    await upload.finish()
    assert len(part_files(machine.data_dir)) == 6
    await machine.nobreak.kill()
    await machine.server.start()
    seen: set[str] = set()
    for _ in range(3):
        await machine.nobreak.start()
        await eventually(lambda: has_parts_of_another(machine.direct, seen), within=30, every=0.005)
        await machine.nobreak.kill()
        assert len(part_files(machine.data_dir)) == 6
    assert await machine.direct.keys() == []
    await machine.nobreak.start()
    await checked(machine.front, upload)
    await machine.calm()
    await checked(machine.direct, upload)
    assert part_files(machine.data_dir) == []
    assert await open_there(machine.direct) == ["drained"] * 3
    await machine.lease_ends()
    await machine.leaves_nothing()
    await checked(machine.direct, upload)


async def has_parts_of_another(server: Shop, seen: set[str]) -> bool:
    """Whether an upload that is not among those `seen` has parts on the server; then it is."""
    for each in (await server.call("list_multipart_uploads")).get("Uploads", []):
        upload_id = each["UploadId"]
        if upload_id not in seen:
            listed = await server.call("list_parts", Key=each["Key"], UploadId=upload_id)
            if listed.get("Parts"):
                seen.add(upload_id)
                return True
    return False
