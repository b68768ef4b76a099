"""Every fault on real processes: nothing acknowledged is lost, nobody is lied to, nobody waits.

`make faults` plays all of them and writes the table in docs/guarantees.md; a part of them is in
the ordinary suite. FAULT_SEED=n repeats the clients' choices.
"""

import os
import random
import secrets

import pytest
from tests.faults.scenarios import ALL
from tests.faults.stage import DIVERT_AFTER, GRACE, Scenario, play, staged
from tests.faults.table import note

EVERYTHING = os.environ.get("FAULTS") == "all"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "scenario", [each for each in ALL if each.fast or EVERYTHING], ids=lambda each: each.name
)
async def test_nothing_is_lost_and_nobody_waits(scenario: Scenario, tmp_path, seaweed, s3_store):
    """I1, I2, I3, I4, I5, I7, I8."""
    seed = int(os.environ.get("FAULT_SEED") or random.randrange(2**32))
    print(f"FAULT_SEED={seed}")
    bucket = f"fault-{secrets.token_hex(5)}"
    await s3_store.create_bucket(bucket)
    async with staged(tmp_path, seaweed, bucket, scenario, seed) as stage:
        report = await play(stage, scenario)
    note(report)
    print(report)
    assert [str(finding) for finding in report.findings] == []
    assert report.converged is not None, "the journal did not become empty"
    assert report.acked > 20
    if scenario.writes:
        assert report.refused + report.failed + report.denied == 0, report.details
    if scenario.judged:
        assert report.longest <= DIVERT_AFTER + GRACE, report.details
