"""What goes wrong in a scenario: faults, each with a beginning, a length, and its own numbers."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """The kinds of trouble."""

    DOWN = "down"
    """The server refuses connections; what it was doing is lost or done."""
    FREEZE = "freeze"
    """The server accepts and keeps silent, and does everything when it thaws."""
    ERRORS = "errors"
    """A part of the requests is answered 5xx, before or after they were executed."""
    SLOW = "slow"
    """Every answer comes late."""
    LOSSY = "lossy"
    """Requests and answers get lost, come late, twice, or after they were given up."""
    FORBID = "forbid"
    """Writes are answered 403."""
    READ_ONLY = "read only"
    """Writes are answered 500; reads are well."""
    SLOW_DISK = "slow disk"
    BAD_DISK = "bad disk"
    """A part of the disk's work fails with EIO."""
    KILL = "kill"
    """SIGKILL of one process, or of all; it starts anew after a while."""
    STOP = "stop"
    """SIGTERM, and a start after a while."""
    PAUSE = "pause"
    """SIGSTOP, and SIGCONT."""
    CLOCK = "clock"
    """Somebody sets the clock."""
    CHOICE = "choice"
    """A person chooses the mode."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` and `lasts` in seconds from the beginning; `part`: of requests, or which process."""

    kind: FaultKind
    at: float
    lasts: float
    part: float
    extra: float = 0.0

    @property
    def until(self) -> float:
        return self.at + self.lasts

    def __str__(self) -> str:
        return f"{self.kind} {self.at:.1f}s +{self.lasts:.1f}s part={self.part:.2f} extra={self.extra:.2f}"
