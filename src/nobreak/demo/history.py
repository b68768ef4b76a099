"""What clients did and saw, and what they may complain of: the judge of the demo.

Whether the history can be explained at all is a question for `truth`. Here is what goes beyond it:
writes and reads that failed though they need not have, and waits that were too long.
Pure: no I/O, no clock; times are seconds on the clients' clock.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nobreak.demo.record import Operation, Outcome, Version
from nobreak.demo.truth import Breach, Finding, explain


@dataclass(slots=True)
class Outage:
    """When the external store was away, as the clients' clock has it; None: not yet.

    `ended`: when nobreak was back in mode external. `known`: when it was in mode local.
    """

    began: float | None = None
    known: float | None = None
    ended: float | None = None

    def touches(self, operation: Operation) -> bool:
        """Whether the operation was under way at some time of the outage."""
        if self.began is None or operation.ended < self.began:
            return False
        return self.ended is None or operation.started <= self.ended


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a client may wait, in seconds. `refusal`: for a 503, once the outage is known."""

    wait: float = 2.0
    refusal: float = 0.5


class History:
    """All operations, and what is wrong with them."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.outage = Outage()
        self.operations: list[Operation] = []
        self.findings: list[Finding] = []
        self._limits = limits or Limits()
        self._written_at: dict[str, float] = {}

    def written(self) -> list[str]:
        """Every key with an acknowledged write, in the order of the first of these."""
        return list(self._written_at)

    def add(self, operation: Operation) -> None:
        """Take an operation in when it has returned, and judge how its client was served."""
        self.operations.append(operation)
        self._judge_wait(operation)
        done = operation.outcome is Outcome.DONE
        if operation.action.writes and done:
            self._written_at[operation.key] = operation.started
        elif operation.action.writes:
            self._find(Breach.WRITE_FAILED, operation)
        elif not done and not self._excused(operation):
            self._find(Breach.READ_FAILED, operation)

    def compare(self, held: Mapping[str, Version] | None) -> None:
        """Judge the whole history: `held` is all that the external store holds in the end.

        None: nobody could look. Once only, in the end.
        """
        self.findings += explain(self.operations, held)

    def count(self, *breaches: Breach) -> int:
        """How many findings of these kinds there are."""
        counted = Counter(finding.breach for finding in self.findings)
        return sum(counted[breach] for breach in breaches)

    def longest_wait(self) -> float:
        """The longest that any client waited, in seconds."""
        return longest(self.operations)

    def _find(self, breach: Breach, operation: Operation, detail: str = "") -> None:
        told = detail or operation.detail
        self.findings.append(Finding(breach, operation.key, told, operation))

    def _judge_wait(self, operation: Operation) -> None:
        limit = self._limits.wait
        known = self.outage.known
        refused = operation.outcome is Outcome.REFUSED
        if refused and known is not None and operation.started > known:
            limit = self._limits.refusal
        if operation.wait > limit:
            waited = f"{operation.action} waited {operation.wait:.2f} s"
            self._find(Breach.SLOW, operation, waited)

    def _excused(self, operation: Operation) -> bool:
        """Whether nobody could have answered this read: only the external store had the object."""
        began = self.outage.began
        if began is None or not self.outage.touches(operation):
            return False
        written_at = self._written_at.get(operation.key)
        if written_at is not None and written_at >= began:
            return False
        if operation.outcome is Outcome.CUT:
            return operation.started < began
        return operation.outcome is Outcome.REFUSED


def longest(operations: Iterable[Operation]) -> float:
    """The longest wait among these, in seconds."""
    return max((operation.wait for operation in operations), default=0.0)
