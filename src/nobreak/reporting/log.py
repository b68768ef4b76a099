"""The log of the seed: `HEALTH_LOG_FILE`, or the data directory where that can't be written."""

import errno
from pathlib import Path

from nobreak.reporting.events import Event, EventKind, Reporter
from nobreak.reporting.logfile import LogFile
from nobreak.reporting.render import json_lines, text_lines
from nobreak.settings.model import LogFormat, ReportingSettings

RENDERERS = {LogFormat.TEXT: text_lines, LogFormat.JSON: json_lines}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class HealthLog:
    """A sink. It never raises: what can't be written is counted, and told when it can be again.

    `reporter` is told when the log has to move to the data directory, and of lines lost.
    """

    def __init__(self, settings: ReportingSettings, data_dir: Path, reporter: Reporter) -> None:
        self._settings = settings
        self._fallback = data_dir / settings.log_file.name
        self._reporter = reporter
        self._file = self._at(settings.log_file)
        self._lost = 0
        self._reason = ""

    @property
    def path(self) -> Path:
        """Where the log is now."""
        return self._file.path

    def open(self) -> None:
        """Open the file now, so that one that can't be written is noticed at the start."""
        try:
            self._file.check()
        except OSError as error:
            self._move(error)

    def close(self) -> None:
        """Close the file; a later event opens it again."""
        self._file.close()

    def __call__(self, event: Event) -> None:
        for line in RENDERERS[self._settings.log_format](event, self._settings.lang):
            self._append(line)

    def _append(self, line: str) -> None:
        try:
            self._file.append(line)
        except OSError as error:
            if error.errno in _FULL or self.path == self._fallback:
                self._lose(error)
            else:
                self._move(error)
                self._append(line)
        else:
            self._confess()

    def _move(self, error: OSError) -> None:
        """Go on in the data directory, and say so."""
        self._file.close()
        self._file = self._at(self._fallback)
        self._reporter.emit(
            EventKind.LOG_MOVED,
            wanted=str(self._settings.log_file),
            path=str(self._fallback),
            reason=_told(error),
        )

    def _lose(self, error: OSError) -> None:
        self._lost += 1
        self._reason = _told(error)
        if self._lost == 1:
            self._reporter.emit(EventKind.LOG_UNWRITABLE, path=str(self.path), reason=self._reason)

    def _confess(self) -> None:
        """After a line that could be written: how many could not."""
        count, self._lost = self._lost, 0
        if count:
            self._reporter.emit(EventKind.LOG_LINES_LOST, count=count, reason=self._reason)

    def _at(self, path: Path) -> LogFile:
        settings = self._settings
        return LogFile(path, max_bytes=settings.log_max_bytes, backups=settings.log_backups)


def _told(error: OSError) -> str:
    return error.strerror or type(error).__name__
