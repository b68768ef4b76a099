"""How many bytes a second may go out: a token bucket whose clock is handed in. Pure."""

from dataclasses import dataclass

BURST = 0.25
"""What was not used lately may be caught up on, for so much of the time that has passed (seconds)."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The bucket, kept as a time: until `until`, what was let go fills the line (seconds).

    Over any `t` seconds no more than `(t + BURST) * rate` bytes are let go, and the last piece.
    """

    until: float = 0.0

    def take(self, size: int, *, rate: int, now: float) -> tuple["Allowance", float]:
        """What is left after `size` bytes more, and the seconds until these may go.

        `rate`: bytes per second, above 0. Who comes later waits for those who came before.
        """
        start = max(self.until, now - BURST)
        return Allowance(start + size / rate), max(0.0, start - now)
