"""How long an answer is awaited that may rightly take long (I5)."""

import asyncio

import pytest

from nobreak.engine.patience import while_it_lives
from nobreak.errors import OutageError, OutageKind, RefusedError

SECONDS = 0.2


async def sent():
    return None


async def slow():
    await asyncio.sleep(3 * SECONDS)
    return "done"


class Looks:
    def __init__(self, *outcomes):
        self.outcomes, self.taken = list(outcomes), 0

    async def __call__(self):
        self.taken += 1
        outcome = self.outcomes[min(self.taken, len(self.outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        await asyncio.sleep(outcome)


REFUSED = RefusedError(403, "AccessDenied", "")


@pytest.mark.parametrize("answer", [0, REFUSED], ids=["well", "refused"])
async def test_a_server_that_answers_anything_else_is_waited_for(answer):
    look = Looks(answer)
    assert await while_it_lives(slow(), look, sent=sent(), seconds=SECONDS) == "done"
    assert look.taken >= 2


@pytest.mark.parametrize(
    "failure",
    [60.0, OutageError(OutageKind.CONNECTION, "refused", in_doubt=False)],
    ids=["silent", "gone"],
)
async def test_a_server_that_answers_nothing_is_not(failure):
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(OutageError) as caught:
        await while_it_lives(asyncio.sleep(60), Looks(0, failure), sent=sent(), seconds=SECONDS)
    assert caught.value.in_doubt, "it may have been done"
    assert loop.time() - began < 5 * SECONDS


async def test_a_body_that_is_still_on_its_way_is_not_the_servers_delay():
    look, arrived = Looks(60.0), asyncio.Event()
    asyncio.get_running_loop().call_later(3 * SECONDS, arrived.set)
    work = asyncio.sleep(3 * SECONDS, "done")
    assert await while_it_lives(work, look, sent=arrived.wait(), seconds=SECONDS) == "done"
    assert not look.taken


async def test_an_answer_comes_out_as_it_is():
    async def refuse():
        raise REFUSED

    with pytest.raises(RefusedError):
        await while_it_lives(refuse(), Looks(0), sent=sent(), seconds=SECONDS)
