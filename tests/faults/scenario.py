"""What a scenario is, and what is reported of it."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tests.faults.proxy import Fault, well

from nobreak.demo.truth import Finding

if TYPE_CHECKING:
    from tests.faults.stage import Stage

DIVERT_AFTER, GRACE = 1.0, 0.5
OWNER = "owner"
"""The client of an object that was damaged on purpose: what it gets is looked at apart."""
Step = Callable[["Stage"], Awaitable[object]]


@dataclass(frozen=True)
class Scenario:
    """A fault, its schedule, and what clients have to get.

    `strike` and `lift` do what a fault of the proxy can't; `mend` is what people do afterwards, when
    clients have gone and the drain runs. `seconds`: how long it lasts. `judged`: whether waits are (a
    nobreak that is itself frozen or dead lets its clients wait). `writes`: which of them must be
    acknowledged while it lasts; those of keys that only one client writes (`own`) wait for nothing
    here. `median`: whether the median PUT is compared with mode local.
    """

    name: str
    fault: Fault | Callable[[random.Random], Fault] = well
    strike: Step | None = None
    lift: Step | None = None
    mend: Step | None = None
    seconds: float = 5.0
    around: float = 1.0
    """How long clients work before it, and after it (seconds)."""
    times: int = 2
    """How often nobreak is hit, in scenarios that hit it."""
    clients: int = 6
    settings: Mapping[str, str] = field(default_factory=dict)
    writes: Literal["all", "own", "any"] = "all"
    judged: bool = True
    median: bool = False
    fast: bool = False
    within: float = 60.0
    prepare: Callable[[Path, dict[str, str]], tuple[str, ...]] | None = None
    cleanup: Callable[[Path], None] | None = None
    possible: Callable[[], bool] = lambda: True
    """Whether this machine lets it be played at all."""
    own_server: bool = False
    """A SeaweedFS of its own, that it may kill and freeze."""
    says: tuple[str, ...] = ()
    """What nobreak has to say of it in its log, in these words."""


@dataclass(frozen=True)
class Report:
    """What clients saw, and whether it can be explained."""

    name: str
    acked: int
    refused: int
    denied: int
    failed: int
    answered: int
    reads_503: int
    cut: int
    longest: float
    judged: bool
    lag: float
    converged: float | None
    findings: tuple[Finding, ...]
    median_outage: float | None
    median_local: float | None
    unsaid: tuple[str, ...]
    own_refused: int
    """Of the writes that were not acknowledged, those of keys that only one client writes."""
    details: tuple[str, ...]
