"""What nobreak has to tell: the kinds of events, an event, and who takes them.

To add a kind: a member here, and its lines in a table of `nobreak.reporting.messages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

FieldValue = str | int | float | bool | None
"""What a field may hold. Times are seconds, sizes are bytes; text may come from strangers."""


class EventKind(StrEnum):
    """What happened."""

    CHECK_OK = "check_ok"
    CHECK_CONNECTION_ERROR = "check_connection_error"
    CHECK_TIMED_OUT = "check_timed_out"
    CHECK_STATUS = "check_status"
    CHECK_CANNOT_STORE = "check_cannot_store"
    CHECK_UNEXPECTED = "check_unexpected"
    FAILURE_COUNTED = "failure_counted"
    SUSPICION = "suspicion"
    HELD_DOWN = "held_down"
    FALLBACK_STARTED = "fallback_started"
    FALLBACK_COMPLETE = "fallback_complete"
    RECOVERY_STARTED = "recovery_started"
    RECOVERY_COMPLETE = "recovery_complete"

    PINNED = "pinned"
    OUTAGE_WHILE_PINNED = "outage_while_pinned"
    RETURN_WHILE_PINNED = "return_while_pinned"
    OVERRIDE_CHANGED = "override_changed"
    USE_EXTERNAL_CHANGED = "use_external_changed"

    MONITOR_STARTED = "monitor_started"
    MONITOR_TAKEN_OVER = "monitor_taken_over"
    MONITOR_STOPPED = "monitor_stopped"

    WRITE_DIVERTED = "write_diverted"
    WRITES_DIVERTED = "writes_diverted"
    EXTERNAL_CHANGED = "external_changed"
    EXTERNAL_LOST = "external_lost"
    DRAIN_STARTED = "drain_started"
    DRAIN_PROGRESS = "drain_progress"
    DRAIN_PAUSED = "drain_paused"
    DRAIN_COMPLETE = "drain_complete"
    ENTRY_PARKED = "entry_parked"
    ENTRY_RETRIED = "entry_retried"
    ENTRY_SUPERSEDED = "entry_superseded"
    UPLOAD_EXPIRED = "upload_expired"
    CONFLICT_OURS = "conflict_ours"
    CONFLICT_THEIRS = "conflict_theirs"
    CONFLICT_DELETED = "conflict_deleted"
    CONFLICT_KEPT_BOTH = "conflict_kept_both"

    DISK_FULL = "disk_full"
    DISK_OK = "disk_ok"
    BODY_CORRUPT = "body_corrupt"
    COPY_CORRUPT = "copy_corrupt"
    JOURNAL_CORRUPT = "journal_corrupt"

    SETTINGS_RELOADED = "settings_reloaded"
    SETTINGS_UNCHANGED = "settings_unchanged"
    SETTINGS_REJECTED = "settings_rejected"
    SETTINGS_NEED_RESTART = "settings_need_restart"
    SETTING_UNKNOWN = "setting_unknown"
    SETTING_MISSPELT = "setting_misspelt"

    API_STARTED = "api_started"
    S3_STARTED = "s3_started"
    S3_KEYS_RELOADED = "s3_keys_reloaded"
    S3_KEYS_REJECTED = "s3_keys_rejected"
    S3_CERTIFICATE_RELOADED = "s3_certificate_reloaded"
    S3_CERTIFICATE_REJECTED = "s3_certificate_rejected"
    SHUTTING_DOWN = "shutting_down"
    LOG_MOVED = "log_moved"
    LOG_UNWRITABLE = "log_unwritable"
    LOG_LINES_LOST = "log_lines_lost"
    HOOK_FAILED = "hook_failed"
    UNEXPECTED_ERROR = "unexpected_error"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `id` grows by one per event in a process; `time` is aware."""

    id: int
    time: datetime
    kind: EventKind
    fields: Mapping[str, FieldValue]


class Reporter(Protocol):
    """Where the engine tells what happened."""

    def emit(self, kind: EventKind, /, **fields: FieldValue) -> None:
        """Tell it. Never raises, from any thread; fields that a line names are in `messages`."""


class Sink(Protocol):
    """Whoever is told: the log, the ring, the console, a user's hook."""

    def __call__(self, event: Event, /) -> None: ...
