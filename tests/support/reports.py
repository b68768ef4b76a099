"""A reporter that keeps what it is told, and settings of the log for tests."""

from pathlib import Path
from typing import Any

from nobreak.lang import Lang
from nobreak.reporting.events import EventKind, FieldValue
from nobreak.settings import LogFormat, ReportingSettings


class Told:
    """A `Reporter`: the kinds in order, and the fields of each."""

    def __init__(self) -> None:
        self.events: list[tuple[EventKind, dict[str, FieldValue]]] = []

    def emit(self, kind: EventKind, /, **fields: FieldValue) -> None:
        self.events.append((kind, fields))

    @property
    def kinds(self) -> list[EventKind]:
        return [kind for kind, _ in self.events]


def log_settings(path: Path, **changes: Any) -> ReportingSettings:
    """Settings of a log at `path`, in the seed's language and format unless `changes` say."""
    fields = {
        "log_file": path,
        "log_format": LogFormat.TEXT,
        "log_max_bytes": 0,
        "log_backups": 3,
        "lang": Lang.PT_BR,
    }
    return ReportingSettings(**{**fields, **changes})
