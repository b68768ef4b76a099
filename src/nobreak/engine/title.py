"""What `ps aux | grep health_monitor` shows: the monitor and its mode, as the seed says."""

import setproctitle

from nobreak.words import Mode


class Title:
    """The title of this process. What it was before stands in front, and comes back."""

    def __init__(self) -> None:
        self._before = setproctitle.getproctitle()
        self._shown: Mode | None = None

    def monitoring(self, mode: Mode) -> None:
        """This process monitors, and the mode is this."""
        if mode is not self._shown:
            self._shown = mode
            setproctitle.setproctitle(f"{self._before} [health_monitor: {mode.upper()}]")

    def restore(self) -> None:
        """This process monitors no more."""
        if self._shown is not None:
            self._shown = None
            setproctitle.setproctitle(self._before)
