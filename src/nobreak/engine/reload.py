"""An edited `.env`, or SIGHUP: what can change without a restart changes.

Those are the health settings, `USE_EXTERNAL_STORAGE` and `NOBREAK_DRAIN_RATE`; the rest is named,
and waits for a restart. An edit that is wrong is reported, and the old settings stay.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from nobreak.engine.watching import LOOK_EVERY, FileWatch
from nobreak.errors import SettingsError
from nobreak.reporting.events import EventKind, Reporter
from nobreak.settings.build import health_settings
from nobreak.settings.model import Settings
from nobreak.settings.table import TABLE


@dataclass(frozen=True, slots=True)
class LiveChange:
    """What an edit comes to. `settings`: the running ones, with `applied` taken over."""

    settings: Settings
    applied: tuple[str, ...]
    needs_restart: tuple[str, ...]


def live_change(running: Settings, edited: Settings) -> LiveChange:
    """Compare settings. Raises `SettingsError` when `edited` doesn't fit what is running."""
    changed = [row for row in TABLE if running.values[row.name] != edited.values[row.name]]
    applied = tuple(row.name for row in changed if row.live)
    values = {**running.values, **{name: edited.values[name] for name in applied}}
    settings = replace(
        running,
        health=health_settings(values, running.external),
        use_external=edited.use_external,
        writes=replace(running.writes, drain_rate=edited.writes.drain_rate),
        values=values,
    )
    return LiveChange(settings, applied, tuple(row.name for row in changed if not row.live))


class SettingsWatcher:
    """Watches the file that `settings` came from; `load` reads it again as it was read before.

    `apply` is given the new settings, before they are reported as applied. `followers` hear when
    somebody asks.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        apply: Callable[[Settings], Awaitable[None]],
        reporter: Reporter,
        look_every: float = LOOK_EVERY,
        followers: Iterable[Callable[[], None]] = (),
    ) -> None:
        self._running = settings
        self._load = load
        self._apply = apply
        self._reporter = reporter
        self._watch = FileWatch([settings.env_file], look_every)
        self._followers = followers

    def ask(self) -> None:
        """Read the settings again now, edited or not, and all files that they name."""
        self._watch.ask()
        for follower in self._followers:
            follower()

    async def run(self, *, on_sighup: bool = False) -> None:
        """Watch until cancelled; `on_sighup`: SIGHUP to this process asks, too."""
        loop = asyncio.get_running_loop()
        if on_sighup:
            loop.add_signal_handler(signal.SIGHUP, self.ask)
        try:
            async for asked in self._watch.changes():
                await self._reload(asked=asked)
        finally:
            if on_sighup:
                loop.remove_signal_handler(signal.SIGHUP)

    async def _reload(self, *, asked: bool) -> None:
        try:
            change = live_change(self._running, self._load())
        except SettingsError as error:
            self._reporter.emit(EventKind.SETTINGS_REJECTED, reason=str(error))
            return
        if change.applied:
            await self._apply(change.settings)
            self._running = change.settings
            names = ", ".join(change.applied)
            self._reporter.emit(EventKind.SETTINGS_RELOADED, names=names)
        if change.needs_restart:
            names = ", ".join(change.needs_restart)
            self._reporter.emit(EventKind.SETTINGS_NEED_RESTART, names=names)
        if asked and not (change.applied or change.needs_restart):
            self._reporter.emit(EventKind.SETTINGS_UNCHANGED)
