"""What `/api/storage-status` and `nobreak status` show: the seed's keys, and more."""

from datetime import UTC, datetime
from typing import Any

from nobreak.engine.modes import failover_of
from nobreak.settings.model import HealthSettings, Settings
from nobreak.stores.copies import CacheTally
from nobreak.stores.interfaces import Board, Journal, Notice

SHOWN_TRANSITIONS = 10
SLACK = 10.0
"""A busy machine may delay the monitor by so much (seconds)."""


def status(
    settings: Settings,
    board: Board,
    journal: Journal,
    *,
    monitored: bool,
    free: int,
    full: bool,
    cache: CacheTally,
    now: float,
) -> dict[str, Any]:
    """The state of this machine, ready for JSON. Takes microseconds, whatever the journal holds.

    The seed's keys and types: `port` is a string, `last_check` an ISO time with offset or null.
    Sizes are bytes, times and ages seconds. `monitored`: a process leads; `free`: bytes that the
    disk has left; `full`: it takes no more writes; `cache`: the copies; `now`: seconds since the epoch.
    """
    notice, tally = board.read(), journal.tally()
    state = failover_of(notice)
    health, external = settings.health, settings.external
    oldest = tally.oldest_acked_at
    return {
        "current_mode": notice.mode.value,
        "external_server": {
            "host": external.host,
            "port": str(external.port),
            "url": health.check_url,
            "kind": external.kind.value,
            "trusted": notice.trusted,
        },
        "monitor": {
            "is_running": monitored and not _hangs(notice, health, now),
            "check_interval": _plain(health.interval),
            "consecutive_failures": state.failures,
            "consecutive_successes": state.successes,
            "max_failures": health.max_failures,
            "last_check": notice.monitor.get("last_check"),
            "min_successes": health.min_successes,
            "fast_interval": _plain(health.fast_interval),
            "timeout": _plain(health.timeout),
            "phase": state.phase.value,
            "last_ok": notice.monitor.get("last_ok"),
            "last_detail": notice.monitor.get("last_detail"),
            "response_time": notice.monitor.get("response_time"),
            "pid": notice.leader or None,
        },
        "override": notice.override.value,
        "use_external_storage": notice.use_external,
        "journal": {
            "entries": tally.entries,
            "bytes": tally.bytes,
            "oldest_age": None if oldest is None else max(0.0, round(now - oldest, 3)),
            "parked": tally.parked,
        },
        "drain": {
            "active": bool(notice.drain),
            "done": notice.drain.get("done"),
            "left": notice.drain.get("left"),
            "rate": notice.drain.get("rate"),
            "eta": notice.drain.get("eta"),
            "most_bytes_per_second": settings.writes.drain_rate or None,
        },
        "disk": {
            "free": free,
            "full": full,
        },
        "cache": {
            "copies": cache.copies,
            "bytes": cache.bytes,
            "max_bytes": settings.local.cache_bytes or None,
            "served": cache.served,
        },
        "transitions": [
            {
                "at": datetime.fromtimestamp(change.at, UTC).isoformat(),
                "mode": change.mode.value,
                "reason": change.reason,
            }
            for change in board.changes_of_mode(SHOWN_TRANSITIONS)
        ],
    }


def _hangs(notice: Notice, health: HealthSettings, now: float) -> bool:
    """Whether the monitor has been silent for too long: frozen, or blocked by its application."""
    last = notice.monitor.get("last_check")
    if not isinstance(last, str):
        return False
    silence = now - datetime.fromisoformat(last).timestamp()
    return silence > health.interval + 2 * health.timeout + SLACK


def _plain(seconds: float) -> int | float:
    """Whole numbers as the seed writes them: 60, not 60.0."""
    return int(seconds) if seconds == int(seconds) else seconds
