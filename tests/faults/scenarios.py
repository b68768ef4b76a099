"""Every fault, with its schedule and what is expected: a line or a few each."""

import asyncio
import signal

from tests.faults import external_faults as away
from tests.faults.local_faults import LOCAL
from tests.faults.stage import Scenario, Stage


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


async def kill(stage: Stage) -> None:
    """SIGKILL in the outage, a new start, and again."""
    await stage.proxy.refuse()
    for _ in range(3):
        await asyncio.sleep(stage.chance.uniform(0.5, 1.5))
        await stage.nobreak.kill()
        await stage.nobreak.start(within=40)


async def kill_while_well(stage: Stage) -> None:
    for _ in range(3):
        await asyncio.sleep(stage.chance.uniform(0.3, 1.0))
        await stage.nobreak.kill()
        await stage.nobreak.start(within=40)


async def terminate(stage: Stage) -> None:
    await stage.proxy.refuse()
    for _ in range(2):
        await asyncio.sleep(stage.chance.uniform(0.5, 1.5))
        await stage.nobreak.stop()
        await stage.nobreak.start(within=40)


async def freeze_nobreak(stage: Stage) -> None:
    await stage.proxy.refuse()
    await asyncio.sleep(1.5)
    stage.nobreak.send(signal.SIGSTOP)
    await asyncio.sleep(3)
    stage.nobreak.send(signal.SIGCONT)
    await asyncio.sleep(1)


async def kill_in_drain(stage: Stage) -> None:
    """The server is back, the drain runs, nobreak is killed in it, twice."""
    await stage.proxy.refuse()
    await asyncio.sleep(4)
    await stage.proxy.open()
    for _ in range(2):
        await asyncio.sleep(stage.chance.uniform(0.9, 1.8))
        await stage.nobreak.kill()
        await stage.nobreak.start(within=40)


EXTERNAL = (
    Scenario("connection refused", strike=refuse, lift=listen, median=True, fast=True),
    Scenario("SYN dropped", strike=drop, lift=listen),
    Scenario("accepts, never answers", away.silent, fast=True),
    Scenario("never answers, from mid-body on", away.silent_mid_body),
    Scenario("503 to everything", away.unavailable),
    Scenario("500 to writes only", away.writes_fail),
    Scenario("every answer 2 s late", away.slow(2.0)),
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
    Scenario("reset in mid-body, both ways", away.reset_mid_body, fast=True),
    Scenario("executed, connection lost before the answer", away.answer_lost),
    Scenario("throttled to 10 KB/s", away.throttled(10_000.0), seconds=8),
    Scenario("flapping, 5 s down, 5 s up", strike=flap, seconds=20, within=90),
    Scenario("answers truncated", away.truncated),
    Scenario("wrong ETag answered", away.wrong_etag),
    Scenario("bucket full (507)", away.full),
    Scenario("bucket read-only (403 to writes)", away.read_only, writes=False),
    Scenario("credentials revoked (403 to all)", away.revoked, writes=False),
    Scenario(
        "two at once: silent and reset",
        seeded(lambda chance: away.both(away.silent, away.reset_mid_body, chance)),
    ),
    Scenario(
        "two at once: late writes and 503",
        seeded(lambda chance: away.both(away.late(0.3, 2.0, chance), away.unavailable, chance)),
    ),
)
NOBREAK = (
    Scenario("nobreak killed in the outage", strike=kill, lift=listen, writes=False, judged=False),
    Scenario(
        "nobreak killed while all is well",
        strike=kill_while_well,
        writes=False,
        judged=False,
    ),
    Scenario("nobreak killed in the drain", strike=kill_in_drain, writes=False, judged=False),
    Scenario(
        "nobreak terminated in the outage",
        strike=terminate,
        lift=listen,
        writes=False,
        judged=False,
    ),
    Scenario(
        "nobreak frozen for 3 s in the outage",
        strike=freeze_nobreak,
        lift=listen,
        writes=False,
        judged=False,
    ),
)
ALL = (*EXTERNAL, *NOBREAK, *LOCAL)
