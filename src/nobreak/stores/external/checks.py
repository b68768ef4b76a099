"""What a look at the external store's health can find, and what every probe offers."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class FailureKind(StrEnum):
    """Why a check failed."""

    CONNECTION = "connection"
    """No connection, or it broke before an answer."""
    TIMEOUT = "timeout"
    """No whole answer in time."""
    STATUS = "status"
    """It answered with a status that is not healthy."""
    UNEXPECTED = "unexpected"
    """It answered something that makes no sense."""
    CANNOT_STORE = "cannot_store"
    """It is up, but a canary could not be written, read back and deleted."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The outcome of one check.

    `seconds`: how long it took. `kind`: None when it succeeded. `detail`: for people and
    logs, in English, such as `HTTP 503`.
    """

    ok: bool
    seconds: float
    kind: FailureKind | None = None
    detail: str = ""


class Probe(Protocol):
    """One way to look at the external store's health."""

    async def check(self) -> CheckResult:
        """Take one look. Raises nothing but `CancelledError`."""
