"""Scenarios under a virtual clock, and proof that they find what is wrong."""

import subprocess
import sys

import pytest
from tests.sim.__main__ import run
from tests.sim.truth import NEVER, Seen, explainable

from nobreak.engine import drain
from nobreak.words import Receipt


def test_no_scenario_of_thirty_loses_or_turns_back_a_write():
    """I1, I2, I4; and I3, I7: all is given back in the end."""
    command = (sys.executable, "-m", "tests.sim", "--count", "30", "--jobs", "1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "30 scenarios" in done.stdout


async def _held(*_arguments: object) -> bool:
    return True


def test_a_drain_that_sends_nothing_is_found(monkeypatch):
    """I3: entries leave, and the external store never had them."""

    async def pretended(*_arguments: object) -> Receipt:
        return Receipt()

    monkeypatch.setattr(drain.Drain, "_apply", pretended)
    monkeypatch.setattr(drain, "holds", _held)
    assert any(run(seed).wrong for seed in range(1, 6))


@pytest.mark.parametrize(
    ("history", "right"),
    [
        ([Seen(1, True, b"a", 0, 1), Seen(2, False, b"a", 2, 3)], True),
        ([Seen(1, True, b"a", 0, 1), Seen(2, False, None, 2, 3)], False),
        ([Seen(1, True, b"a", 0, 1), Seen(2, False, None, 0.5, 3)], True),
        ([Seen(1, True, b"a", 0, NEVER, sure=False), Seen(2, False, b"a", 9, 10)], True),
        (
            [
                Seen(1, True, b"a", 0, NEVER, sure=False),
                Seen(2, True, b"b", 1, 2),
                Seen(3, False, b"b", 3, 4),
                Seen(4, False, b"a", 5, 6),
                Seen(5, False, b"b", 7, 8),
            ],
            False,
        ),
    ],
    ids=["read back", "lost", "at the same time", "unknown, seen", "undone later"],
)
def test_the_model_of_the_truth_tells_right_from_wrong(history, right):
    assert explainable(history) is right
