"""The settings as they are now: some of them change while the engine runs."""

from nobreak.core.failover import Rules
from nobreak.settings import Settings


class LiveSettings:
    """Holds the settings in force."""

    def __init__(self, settings: Settings) -> None:
        self.current = settings

    def rules(self) -> Rules:
        """The rule of three as it is set now."""
        health = self.current.health
        return Rules(
            interval=health.interval,
            fast_interval=health.fast_interval,
            max_failures=health.max_failures,
            min_successes=health.min_successes,
            hold_down=health.hold_down,
            hold_down_max=health.hold_down_max,
            flap_window=health.flap_window,
        )

    def drain_rate(self) -> int:
        """How many bytes a second the drain may send; 0: any."""
        return self.current.writes.drain_rate

    def timeout(self) -> float:
        """What a check may take, in seconds."""
        return self.current.health.timeout
