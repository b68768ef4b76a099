"""Faults of the disk, the clock and the limits of this machine: nothing is lost, nobody is lied to, nobody waits.

`make faults` plays all of them and writes the table in docs/guarantees.md; a part of them is in the
ordinary suite.
"""

import pytest
from tests.faults.disk_faults import DISK
from tests.faults.judging import each_of, judge


@pytest.mark.timeout(300)
@each_of(DISK)
async def test_nothing_is_lost_and_nobody_waits(scenario, tmp_path, seaweed):
    """I1, I2, I3, I4, I5, I7, I8."""
    await judge(scenario, tmp_path, seaweed)
