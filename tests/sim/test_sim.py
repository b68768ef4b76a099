"""Scenarios under a virtual clock, and proof that they find what is wrong."""

import subprocess
import sys

import pytest
from tests.sim.__main__ import run
from tests.sim.truth import NEVER, Seen, explainable

from nobreak.engine import drain, writing
from nobreak.words import Receipt


def test_no_scenario_of_a_hundred_loses_or_turns_back_a_write():
    """I1, I2, I4; and I3, I7: all is given back in the end."""
    command = (sys.executable, "-m", "tests.sim", "--count", "100", "--jobs", "1")
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "100 scenarios" in done.stdout


async def _held(*_arguments: object) -> bool:
    return True


def test_a_drain_that_sends_nothing_is_found(monkeypatch):
    """I3: entries leave, and the external store never had them."""

    async def pretended(*_arguments: object) -> Receipt:
        return Receipt()

    monkeypatch.setattr(drain.Drain, "_apply", pretended)
    monkeypatch.setattr(drain, "holds", _held)
    assert any(run(seed).wrong for seed in range(1, 41))


def test_a_write_that_is_acknowledged_before_it_is_safe_is_found(monkeypatch):
    """I1: a diverted write is answered, and never kept."""

    async def forgotten(*_arguments: object, **_options: object) -> None:
        return

    monkeypatch.setattr(writing.Writing, "_divert", forgotten)
    assert any(run(seed).wrong for seed in range(1, 41))


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
