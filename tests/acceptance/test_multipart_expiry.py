"""Multipart uploads that nobody goes on with: NOBREAK_UPLOAD_EXPIRES (issue 3, item 3)."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.machine import Machine, running_machine
from tests.support.multipart import (
    MIB,
    Sent,
    checked,
    open_there,
    part_files,
)
from tests.support.net import eventually
from tests.support.outage import BUCKET, Shop

from nobreak.engine.upload_care import UploadCare

EXPIRES = 6.0
DAY = 86_400.0


async def refused(upload: Sent) -> bool:
    """Every request of it is answered with NoSuchUpload."""
    named = {"Key": upload.key, "UploadId": upload.upload_id}
    parts = {"MultipartUpload": {"Parts": upload.parts}}
    answers = [
        await upload.shop.code_of("upload_part", PartNumber=1, Body=b"x", **named),
        await upload.shop.code_of("list_parts", **named),
        await upload.shop.code_of("complete_multipart_upload", **named, **parts),
        await upload.shop.code_of("abort_multipart_upload", **named),
    ]
    return [each[:2] for each in answers] == [(404, "NoSuchUpload")] * 4


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    async with running_machine(tmp_path, NOBREAK_UPLOAD_EXPIRES=f"{EXPIRES:g}") as machine:
        yield machine


def told(machine: Machine, upload: Sent) -> bool:
    return machine.said("upload unfinished", f"{BUCKET}/{upload.key}")


async def go_on_until_it_expires(machine: Machine, busy: Sent, abandoned: Sent) -> None:
    """A part of `busy` comes again and again, for longer than it may be idle."""
    began = time.monotonic()
    while time.monotonic() - began < 1.7 * EXPIRES:
        busy.pieces[1] = os.urandom(70_000)
        await busy.put(2)
        await asyncio.sleep(0.5)
    await eventually(lambda: told(machine, abandoned), within=EXPIRES)
    assert not told(machine, busy)
    assert await refused(abandoned)


async def test_an_abandoned_upload_is_freed_in_both_stores_and_one_under_way_is_not(machine):
    busy, abandoned = [await Sent(machine.front, key).begin() for key in ("busy", "abandoned")]
    for upload in (busy, abandoned):
        await upload.put(1)
        await upload.put(2)
    assert await open_there(machine.direct) == ["abandoned", "busy"]
    await go_on_until_it_expires(machine, busy, abandoned)
    assert len(part_files(machine.data_dir)) == 2
    await eventually(lambda: is_open(machine.direct, ["busy"]))
    await busy.complete()
    await machine.calm()
    await checked(machine.direct, busy)
    assert await machine.direct.keys() == ["busy"]
    await machine.leaves_nothing()


async def test_an_upload_expires_in_an_outage_too_and_its_twin_when_that_is_over(machine):
    abandoned = await Sent(machine.front, "abandoned").begin()
    await abandoned.put(1)
    await machine.begin_outage()
    busy = await Sent(machine.front, "busy").begin()
    await busy.put(1)
    await go_on_until_it_expires(machine, busy, abandoned)
    assert len(part_files(machine.data_dir)) == 2
    await busy.complete()
    await machine.server.start()
    await machine.calm()
    await checked(machine.direct, busy)
    assert await machine.direct.keys() == ["busy"]
    await machine.leaves_nothing()


async def is_open(server: Shop, keys: list[str]) -> bool:
    return await open_there(server) == keys


@pytest.mark.parametrize(
    ("outage", "days", "expires"),
    [({}, 6.9, False), ({}, 7.1, True), ({"NOBREAK_UPLOAD_EXPIRES": "0"}, 400, False)],
    indirect=["outage"],
)
async def test_uploads_expire_after_a_week_or_never(outage, days, expires):
    upload = await Sent(outage.front, "k", [os.urandom(MIB)]).begin()
    await upload.put(1)
    context = outage.nobreak.store._context
    await UploadCare(replace(context, now=lambda: time.time() + days * DAY)).expire()
    if expires:
        assert await refused(upload)
    else:
        await upload.complete()
