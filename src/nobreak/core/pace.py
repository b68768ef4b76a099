"""How many entries the drain sends at once: gently at first, the server has just come back. Pure."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Pace:
    """A window that opens by one for every window full of successes and halves on a failure."""

    limit: int
    window: float = 1.0

    @property
    def allowed(self) -> int:
        """How many may be under way now; at least one."""
        return max(1, int(self.window))

    def succeeded(self) -> "Pace":
        """The pace after one more success."""
        return replace(self, window=min(float(self.limit), self.window + 1 / self.window))

    def failed(self) -> "Pace":
        """The pace after a failure."""
        return replace(self, window=max(1.0, self.window / 2))


def beside(allowed: int, live: int) -> int:
    """How many of those `allowed` go on beside so many requests of clients.

    Each takes the place of one, down to a third of them: who waits for an answer goes first, and the
    journal empties all the same.
    """
    return max(allowed - live, (allowed + 2) // 3)


def retry_in(attempts: int, *, first: float, longest: float) -> float:
    """Seconds until an entry that failed `attempts` times is tried again: doubling, capped."""
    return float(min(longest, first * 2 ** min(max(attempts - 1, 0), 30)))
