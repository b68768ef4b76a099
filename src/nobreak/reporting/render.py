"""Events as people and programs read them: lines of text, lines of JSON, plain dictionaries."""

import json
import math
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nobreak.lang import Lang
from nobreak.printable import printable, printable_json
from nobreak.reporting.events import Event, FieldValue
from nobreak.reporting.messages import MESSAGES, Level

_SEVERITY = tuple(Level)
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP = 1024


def messages(event: Event, lang: Lang) -> Iterator[tuple[Level, str]]:
    """The lines on an event: level and text, safe to show, never with a newline."""
    shown = {name: _safe(value) for name, value in event.fields.items()}
    for line in MESSAGES[event.kind]:
        yield line.level, _FORMATTER.vformat(line.text.within(lang), (), shown)


def text_lines(event: Event, lang: Lang) -> list[str]:
    """The seed's format, in local time: `2025-10-31 14:35:20 [ERROR] message`."""
    when = event.time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return [f"{when} [{level}] {message}" for level, message in messages(event, lang)]


def json_lines(event: Event, lang: Lang) -> list[str]:
    """A JSON object for each line that the text format has, in the same order."""
    when = event.time.astimezone().isoformat(timespec="milliseconds")
    return [
        printable_json(
            json.dumps(
                {
                    "time": when,
                    "level": level,
                    "event": event.kind,
                    "message": message,
                    "fields": dict(event.fields),
                },
                ensure_ascii=False,
            )
        )
        for level, message in messages(event, lang)
    ]


def as_dict(event: Event, lang: Lang) -> dict[str, Any]:
    """The event for `GET /api/events`; `level` is that of its worst line."""
    lines = list(messages(event, lang))
    return {
        "id": event.id,
        "time": event.time.isoformat(),
        "event": event.kind.value,
        "level": max((level for level, _ in lines), key=_SEVERITY.index).value,
        "messages": [message for _, message in lines],
        "fields": dict(event.fields),
    }


def human_size(size: float) -> str:
    """A number of bytes for people: `1.5 GiB`."""
    unit = 0
    while size >= _STEP and unit < len(_UNITS) - 1:
        size, unit = size / _STEP, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size:.0f} B"


def human_time(seconds: float) -> str:
    """A number of seconds for people: `0.4s`, `12s`, `2m 5s`, `3h 20m`, `2d 4h`."""
    if not math.isfinite(seconds):
        return "?"
    if seconds < 10:  # noqa: PLR2004 - below, tenths matter
        return f"{seconds:.1f}s".replace(".0s", "s")
    parts, left = [], round(seconds)
    for name, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count:
            parts.append(f"{count}{name}")
    return " ".join(parts[:2])


class _Formatter(string.Formatter):
    """Python's formats plus `bytes` and `time`. What doesn't fit is shown as it is, not raised."""

    def get_value(self, key: int | str, _args: Sequence[Any], fields: Mapping[str, Any]) -> Any:
        return fields.get(str(key), "?")

    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None:
            return "?"
        if isinstance(value, int | float):
            if format_spec == "bytes":
                return human_size(value)
            if format_spec == "time":
                return human_time(value)
            return str(super().format_field(value, format_spec))
        return str(value)


_FORMATTER = _Formatter()


def _safe(value: FieldValue) -> FieldValue:
    return printable(value) if isinstance(value, str) else value
