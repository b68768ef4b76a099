"""Real clients, unmodified, with their default settings, through an outage of a real SeaweedFS."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from tests.clients.outage import Outage, running
from tests.clients.report import ACTS, Report
from tests.clients.roster import CANNOT_NAME, CLIENTS, IN_CI, RENAMED, Make
from tests.clients.scenario import Application, slug, through_an_outage, verified
from tests.clients.verdict import faults

MIB = 1024 * 1024


@pytest.mark.timeout(110)
async def test_botocore_never_notices_an_outage(tmp_path):
    """I1, I2, I5: what CI has time for; all the others are behind `make clients`."""
    assert await play(tmp_path, Report(), IN_CI, large=12 * MIB) == []


@pytest.mark.clients
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_never_notices_an_outage(tmp_path, name, clients_report):
    """I1, I2, I5."""
    assert await play(tmp_path, clients_report, {name: CLIENTS[name]}, large=66 * MIB) == []


async def play(folder: Path, report: Report, clients: dict[str, Make], large: int) -> list[str]:
    """The scenario with these clients, at once in one outage; what is wrong in the end."""
    buckets = tuple(f"{act}-{slug(name)}" for name in clients for act in ACTS)
    async with running(folder, buckets) as outage, AsyncExitStack() as stack:
        for name, make in clients.items():
            async with AsyncExitStack() as measured:
                one = await started(measured, outage, name, make, report, large, direct=True)
                await one.work("direct")
        applications = [
            await started(stack, outage, name, make, report, large)
            for name, make in clients.items()
        ]
        await through_an_outage(outage, applications)
        problems = [each for one in applications for each in await verified(outage, one)]
    return problems + [each for name in clients for each in faults(report, name)]


async def started(
    stack: AsyncExitStack,
    outage: Outage,
    name: str,
    make: Make,
    report: Report,
    large: int,
    *,
    direct: bool = False,
) -> Application:
    """A client at nobreak, or at SeaweedFS itself."""
    way = "direct" if direct else "nobreak"
    folder = outage.folder / f"{slug(name)}-{way}"
    client = make(outage.place(folder, direct=direct))
    stack.push_async_callback(client.close)
    await client.start()
    report.versions[name] = client.version
    names = CANNOT_NAME.get(name, {}), RENAMED.get(name, {})
    return Application(name, client, folder, report, large, *names)
