"""Scenarios under a virtual clock, and proof that they find what is wrong."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from tests.sim import campaign, mutations, shrink
from tests.sim.faults import Fault, FaultKind
from tests.sim.plan import Op, make_plan

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


def frozen_with_a_request_in_it(seed):
    """A PUT is given up and the next one acknowledged; then the server freezes, longer than it settles."""
    settings = {
        "HEALTH_CHECK_INTERVAL": "20",
        "HEALTH_CHECK_TIMEOUT": "1",
        "HEALTH_FAST_INTERVAL": "1",
        "HEALTH_HOLD_DOWN": "0",
        "HEALTH_MAX_FAILURES": "1",
        "HEALTH_MIN_SUCCESSES": "1",
        "NOBREAK_SETTLE": "10",
        "NOBREAK_DIVERT_AFTER": "1",
    }
    ops = [
        ("put", "a", 5.1, 0.4),
        ("put", "a", 6.05, 60.0),
        ("put", "b", 8.0, 60.0),
        ("get", "a", 50.0, 60.0),
    ]
    return replace(
        make_plan(seed),
        workers=1,
        lasts=60.0,
        settings=settings,
        look=0.2,
        faults=(
            Fault(0, FaultKind.LATE, 5.0, 1.0, 1.0),
            Fault(1, FaultKind.FREEZE, 7.0, 14.0, 1.0),
        ),
        ops=tuple(
            Op(number, number, at, kind, key, 0, patience, 20, 0.0, key)
            for number, (kind, key, at, patience) in enumerate(ops)
        ),
    )


def test_the_time_in_which_a_server_is_frozen_is_no_settle_time():
    """I4: with its time counted, some of the given up PUTs undo the newer one."""
    plans = [frozen_with_a_request_in_it(seed) for seed in range(20)]
    assert not any(campaign.run(plan).wrong for plan in plans)
    with mutations.applied("counts-outages"):
        assert any(campaign.run(plan).wrong for plan in plans)


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
