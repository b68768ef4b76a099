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
    LATE = "late"
    """A part of the requests is executed late, or executed and answered late."""
    FORBID = "forbid"
    """Writes are answered 403."""
    READ_ONLY = "read only"
    """Writes are answered 500; reads are well."""
    SLOW_DISK = "slow disk"
    BAD_DISK = "bad disk"
    """A part of the disk's work fails with EIO, and so does a part of the journal's commits."""
    FULL_DISK = "full disk"
    """The disk has no room: neither for a body nor for a commit of the journal."""
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


OF_A_PROCESS = frozenset({FaultKind.KILL, FaultKind.STOP, FaultKind.PAUSE})
OF_THE_DISK = frozenset({FaultKind.SLOW_DISK, FaultKind.BAD_DISK, FaultKind.FULL_DISK})


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` and `lasts` in seconds from the beginning; `part`: of requests, or which process."""

    number: int
    kind: FaultKind
    at: float
    lasts: float
    part: float
    extra: float = 0.0

    @property
    def until(self) -> float:
        return self.at + self.lasts

    @property
    def mark(self) -> str:
        """How `--keep` names it."""
        return f"f{self.number}"

    def __str__(self) -> str:
        what = f"{self.kind} at {self.at:.1f} s for {self.lasts:.1f} s"
        return f"{self.mark:>4}  {what} (part {self.part:g}, extra {self.extra:.2f})"
