"""Every fault, with its schedule and what is expected: a line or a few each."""

import asyncio

from tests.faults import external_faults as away
from tests.faults.damage import DAMAGE
from tests.faults.disk_faults import DISK
from tests.faults.nobreak_faults import NOBREAK
from tests.faults.scenario import Scenario
from tests.faults.server_faults import SERVER
from tests.faults.stage import Stage


def seeded(make):
    """A fault that needs chance: it is made when the scenario begins."""
    make.seeded = True
    return make


async def refuse(stage: Stage) -> None:
    await stage.proxy.refuse()


async def drop(stage: Stage) -> None:
    await stage.proxy.drop()


async def listen(stage: Stage) -> None:
    await stage.proxy.open()


async def flap(stage: Stage) -> None:
    for _ in range(2):
        await stage.proxy.refuse()
        await asyncio.sleep(5)
        await stage.proxy.open()
        await asyncio.sleep(5)


EXTERNAL = (
    Scenario("connection refused", strike=refuse, lift=listen, median=True, fast=True),
    Scenario("SYN dropped", strike=drop, lift=listen, median=True, fast=True),
    Scenario("accepts, never answers", away.silent, median=True, fast=True),
    Scenario("never answers, from mid-body on", away.silent_mid_body, fast=True),
    Scenario("503 to everything", away.unavailable, median=True, fast=True),
    Scenario("500 to writes only", away.writes_fail),
    Scenario("every answer 2 s late", away.slow(2.0), median=True),
    Scenario(
        "1 % of writes executed 20 s late",
        seeded(lambda chance: away.late(0.01, 20.0, chance)),
        seconds=15,
        settings={"NOBREAK_SETTLE": "25"},
        within=150,
    ),
    Scenario(
        "every fifth write executed 2 s late",
        seeded(lambda chance: away.late(0.2, 2.0, chance)),
    ),
    Scenario("reset in mid-body, both ways", away.reset_mid_body, median=True, fast=True),
    Scenario(
        "executed, connection lost before the answer", away.answer_lost, median=True, fast=True
    ),
    Scenario(
        "throttled to 10 KB/s",
        away.throttled(10_000.0),
        seconds=8,
        # A body of 500 KB needs 50 s, and who gave it up long ago can't stop what is in buffers.
        settings={"NOBREAK_SETTLE": "60"},
        within=200,
    ),
    Scenario("flapping, 5 s down, 5 s up", strike=flap, seconds=20, within=90),
    Scenario("answers truncated", away.truncated, fast=True),
    Scenario("wrong ETag answered", away.wrong_etag),
    Scenario("bucket full (507)", away.full, fast=True),
    Scenario("bucket read-only (403 to writes)", away.read_only, writes="any"),
    Scenario("credentials revoked (403 to all)", away.revoked, writes="any"),
    Scenario(
        "two at once: silent and reset",
        seeded(lambda chance: away.both(away.silent, away.reset_mid_body, chance)),
        median=True,
    ),
    Scenario(
        "two at once: late writes and 503",
        seeded(lambda chance: away.both(away.late(0.3, 2.0, chance), away.unavailable, chance)),
    ),
)
ALL = (*EXTERNAL, *SERVER, *NOBREAK, *DISK, *DAMAGE)
