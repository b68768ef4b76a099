"""Every error that nobreak raises on purpose. Each says what happened in one line."""

from enum import StrEnum

from nobreak.words import ObjectName

NOT_FOUND = 404
RETRY_AFTER = 1
"""When to come again after a 503 (seconds): the soonest that a check can change the answer.

Nobody knows how long an outage lasts. Several SDKs wait at least this long before each of their
own repetitions, so that a longer time only makes the application wait longer for its error.
"""


class NobreakError(Exception):
    """The base of all errors below."""


class SettingsError(NobreakError):
    """A setting is wrong. The text names the variable, its value and what is allowed."""


class InvalidRequestError(NobreakError):
    """The caller asked for something that can't be: a bad name, a wrong checksum, ..."""


class BodyMismatchError(InvalidRequestError):
    """The body that arrived is not the one that was announced (size or checksum)."""


class NotFoundError(NobreakError):
    """The object does not exist: nobody has to wonder (I2)."""

    def __init__(self, name: ObjectName) -> None:
        super().__init__(f"{name} does not exist")
        self.name = name


class PreconditionFailedError(NobreakError):
    """A conditional write was not made: what it asks of the object is not so."""

    def __init__(self, name: ObjectName) -> None:
        super().__init__(f"{name} is not what the condition asks for")
        self.name = name


class OvertakenError(NobreakError):
    """Another write of the object came between. A conditional one may be tried again (409)."""

    def __init__(self, name: ObjectName) -> None:
        super().__init__(f"another write of {name} came between")
        self.name = name


class RangeNotSatisfiableError(NobreakError):
    """The range lies outside of the object, which has `size` bytes."""

    def __init__(self, name: ObjectName, size: int) -> None:
        super().__init__(f"the range lies outside of {name}, which has {size} bytes")
        self.name = name
        self.size = size


class UnavailableError(NobreakError):
    """The honest 503: it can't be answered truthfully now. Retry after `RETRY_AFTER` seconds."""


class UndecidedError(UnavailableError):
    """Whether a condition holds is known to the external store only, which can't be asked now."""

    def __init__(self, name: ObjectName) -> None:
        super().__init__(f"{name}: only the external store knows whether the condition holds")


class OutOfSpaceError(NobreakError):
    """The local store has no room for this write, or reached the limit that was set for it."""


class LocalStoreError(NobreakError):
    """The disk under the data directory fails: an I/O error, read-only, a damaged database."""


class CorruptBodyError(NobreakError):
    """The local bytes of an acknowledged write are damaged or gone. Never served, never sent."""


class UnsupportedError(NobreakError):
    """The external store of this kind can't do what was asked for (501)."""


class OutageKind(StrEnum):
    """How an attempt at the external store failed."""

    CONNECTION = "connection"
    """No connection: refused, unreachable, name not found. Nothing was sent."""
    TIMEOUT = "timeout"
    """It accepted and then kept silent for too long."""
    BROKEN = "broken"
    """The connection broke, or the answer made no sense."""
    STATUS = "status"
    """It answered 5xx."""


class ExternalError(NobreakError):
    """The external store did not do what it was asked for."""


class OutageError(ExternalError):
    """A transport error, a time-out or a 5xx: it suggests an outage (I8).

    `in_doubt`: the request may have taken effect, or may still take effect (I4).
    """

    def __init__(
        self, kind: OutageKind, detail: str, *, in_doubt: bool, status: int | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.in_doubt = in_doubt
        self.status = status


class RefusedError(ExternalError):
    """An answer that is no outage (I8): 403, 409, 413, ... with the server's code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"HTTP {status} {code}: {message}".rstrip(": "))
        self.status = status
        self.code = code
        self.message = message

    @property
    def not_found(self) -> bool:
        """Whether it says that what was asked for, or its bucket, is not there."""
        return self.status == NOT_FOUND
