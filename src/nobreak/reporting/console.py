"""The log's lines on a stream: all of them for `nobreak serve`, else only the log's own troubles."""

import contextlib
from typing import TextIO

from nobreak.reporting.events import Event, EventKind
from nobreak.reporting.log import RENDERERS
from nobreak.settings.model import ReportingSettings

TROUBLES = {EventKind.LOG_MOVED, EventKind.LOG_UNWRITABLE}


class Console:
    """A sink that writes to `stream`. A stream that is gone or closed hurts nobody."""

    def __init__(self, stream: TextIO, settings: ReportingSettings, *, everything: bool) -> None:
        self._stream = stream
        self._settings = settings
        self._everything = everything

    def __call__(self, event: Event) -> None:
        if not self._everything and event.kind not in TROUBLES:
            return
        encoding = self._stream.encoding or "utf-8"
        lines = RENDERERS[self._settings.log_format](event, self._settings.lang)
        text = "".join(f"{line}\n" for line in lines)
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
