"""Scenarios under a virtual clock, and proof that they find what is wrong."""

import os
import subprocess
import sys

import pytest
from tests.sim import campaign, mutations, shrink
from tests.sim.plan import make_plan

COUNT = 200


def simulate(*arguments):
    command = (sys.executable, "-m", "tests.sim", *arguments)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env=environment
    )


@pytest.mark.timeout(620)
def test_no_scenario_of_two_hundred_breaks_a_promise():
    """I1, I2, I4, I5; and I3, I7: all is given back in the end."""
    done = simulate("--count", str(COUNT), "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{COUNT} scenarios" in done.stdout


def test_a_seed_is_the_same_scenario_each_time():
    plan = make_plan(11)
    first, second = campaign.run(plan), campaign.run(plan)
    assert first.told
    assert [text for _, text in first.told] == [text for _, text in second.told]


@pytest.mark.parametrize(("name", "seed"), [("sends-nothing", 1)])
def test_a_break_of_the_engine_is_found(name, seed):
    with mutations.applied(name):
        assert campaign.run(make_plan(seed)).wrong


@pytest.mark.timeout(620)
def test_a_failure_is_shrunk_and_its_command_plays_it_again():
    """What is left out is not needed; what is printed fails as the whole did."""
    done = simulate("--mutation", "sends-nothing", "--count", "1", "--jobs", "1")
    assert done.returncode == 1, done.stderr
    command = next(line for line in done.stdout.splitlines() if line.startswith("  shrunk: "))
    arguments = command.partition('ARGS="')[2].rstrip('"').split()
    again = simulate("--mutation", "sends-nothing", *arguments)
    assert again.returncode == 1
    assert "an acknowledged write is lost" in again.stdout
    kept = arguments[arguments.index("--keep") + 1].split(",")
    assert len(kept) <= 3


def test_shrinking_keeps_what_a_failure_needs():
    plan = make_plan(3)
    needed = {plan.ops[1].mark, plan.ops[-2].mark, plan.faults[0].mark}
    small = shrink.shrunk(plan, lambda smaller: needed <= set(smaller.marks))
    assert set(small.marks) == needed
    assert small.workers == 1
    assert shrink.arguments(plan, plan) == "--seed 3"
    assert shrink.arguments(small, plan).startswith("--seed 3 --keep ")
