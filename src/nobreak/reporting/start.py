"""Reporting as a running nobreak has it: hub, ring, log and console, put together."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from nobreak.reporting.console import Console
from nobreak.reporting.events import EventKind
from nobreak.reporting.hub import Hub, current_time
from nobreak.reporting.log import HealthLog
from nobreak.reporting.ring import Ring
from nobreak.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Reporting:
    """What was put together. `hub` is the `Reporter`; user's hooks are added to it."""

    hub: Hub
    ring: Ring
    log: HealthLog

    def close(self) -> None:
        """Close the log."""
        self.log.close()


def open_reporting(
    settings: Settings,
    *,
    console: bool = False,
    stderr: TextIO | None = None,
    now: Callable[[], datetime] = current_time,
) -> Reporting:
    """Open the log and begin to report; variables that nobody knows are the first to be named.

    `console`: all lines go to `stderr` too (default: the process's own).
    """
    hub, ring = Hub(now), Ring()
    log = HealthLog(settings.reporting, settings.local.data_dir, hub)
    hub.add(log)
    hub.add(ring)
    hub.add(Console(stderr or sys.stderr, settings.reporting, everything=console))
    log.open()
    for unknown in settings.unknown:
        kind = EventKind.SETTING_MISSPELT if unknown.nearest else EventKind.SETTING_UNKNOWN
        hub.emit(kind, name=unknown.name, nearest=unknown.nearest)
    return Reporting(hub, ring, log)
