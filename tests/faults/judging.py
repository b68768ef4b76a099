"""Play a scenario and hold it against what was promised."""

import os
import random
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.play import bucket_of, play
from tests.faults.scenario import DIVERT_AFTER, GRACE, Report, Scenario
from tests.faults.stage import staged
from tests.faults.table import note

from nobreak.demo.proof import warm_up
from nobreak.demo.seaweed import SeaweedError, SeaweedServer
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store

EVERYTHING = os.environ.get("FAULTS") == "all"
LEAST = 20
"""With fewer writes acknowledged a scenario shows nothing."""
MEDIAN_BRIEFLY = {"connection refused"}
BRIEF, AROUND = 3.0, 0.5
"""How long a fault lasts in the ordinary suite, and the time before and after it (seconds)."""
SLOWER, SLOWER_BY = 2.0, 0.005
"""The median PUT of an outage may be so many times that of mode local, and seconds more: this
machine does other things at the same time, and the two are measured one after the other."""


def each_of(scenarios: Iterable[Scenario]) -> pytest.MarkDecorator:
    """A test for each: all of them with FAULTS=all, else the fast ones, and these briefly."""
    chosen = scenarios if EVERYTHING else [brief(each) for each in scenarios if each.fast]
    return pytest.mark.parametrize("scenario", chosen, ids=lambda each: each.name)


def brief(scenario: Scenario) -> Scenario:
    """The same, shorter: for the ordinary suite."""
    return replace(
        scenario,
        seconds=min(scenario.seconds, BRIEF),
        around=AROUND,
        times=1,
        settings={"NOBREAK_SETTLE": "2", **scenario.settings},
        median=scenario.median and scenario.name in MEDIAN_BRIEFLY,
    )


async def judge(scenario: Scenario, folder: Path, shared: SeaweedServer) -> None:
    """FAULT_SEED=n repeats the clients' choices."""
    if not scenario.possible():
        pytest.skip("this machine does not let it be played")
    seed = int(os.environ.get("FAULT_SEED") or random.randrange(2**32))
    print(f"FAULT_SEED={seed}")
    bucket = f"fault-{secrets.token_hex(5)}"
    async with (
        _server(scenario, folder, shared, bucket) as seaweed,
        staged(folder, seaweed, bucket, scenario, seed) as stage,
    ):
        report = await play(stage, scenario)
    note(report)
    print(report)
    promised(scenario, report)


def promised(scenario: Scenario, report: Report) -> None:
    """Assert I1 to I5, I7 and I8 as far as this scenario shows them."""
    assert [str(finding) for finding in report.findings] == []
    assert report.converged is not None, "the journal did not become empty"
    assert report.acked > LEAST
    assert report.unsaid == (), "nobreak did not say what happened"
    if scenario.writes == "all":
        assert report.refused + report.failed + report.denied == 0, report.details
    if scenario.writes == "own":
        assert report.own_refused == 0, report.details
    if scenario.judged:
        assert report.longest <= DIVERT_AFTER + GRACE, report.details
    if report.median_outage is not None and report.median_local is not None:
        assert report.median_outage <= SLOWER * report.median_local + SLOWER_BY


@asynccontextmanager
async def _server(
    scenario: Scenario, folder: Path, shared: SeaweedServer, bucket: str
) -> AsyncIterator[SeaweedServer]:
    """The server to play it on, with the scenario's bucket in it."""
    if not scenario.own_server:
        async with aclosing(_store(shared)) as store:
            await store.create_bucket(bucket)
        await warm_up(bucket_of(shared, bucket))
        yield shared
        return
    server = SeaweedServer(folder / "seaweed", buckets=(bucket,))
    try:
        await server.start()
        await warm_up(server)
        yield server
    finally:
        with suppress(SeaweedError):
            server.thaw()
        await server.kill()


def _store(server: SeaweedServer) -> S3Store:
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    return S3Store(server.endpoint, **keys, region=server.region, timeouts=Timeouts(2.0, 10.0))
