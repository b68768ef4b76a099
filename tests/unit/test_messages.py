"""What is said about events: the seed's words, in two languages, safe to show."""

import ast
import json
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nobreak.lang import Lang
from nobreak.printable import printable
from nobreak.reporting.events import Event, EventKind
from nobreak.reporting.messages import MESSAGES
from nobreak.reporting.render import as_dict, human_size, human_time, json_lines, text_lines

SOURCE = Path(__file__).parents[2] / "src"
NOON = datetime(2025, 10, 31, 12, tzinfo=UTC)


def placeholders(text: str) -> dict[str, str | None]:
    parts = string.Formatter().parse(text)
    return {name: spec for _, name, spec, _ in parts if name is not None}


def said(kind: EventKind, lang: Lang = Lang.PT_BR, **fields) -> list[str]:
    lines = text_lines(Event(1, NOON, kind, fields), lang)
    return [line.split(" ", 2)[2] for line in lines]


@pytest.mark.parametrize("kind", EventKind)
def test_every_event_is_said_in_both_languages_with_the_same_fields(kind):
    for line in MESSAGES[kind]:
        assert line.text.pt
        assert line.text.en
        assert placeholders(line.text.pt) == placeholders(line.text.en)
        assert "\n" not in line.text.pt + line.text.en


def test_whatever_nobreak_emits_has_all_fields_that_its_lines_name():
    calls = [
        (path, call)
        for path in SOURCE.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "emit" and call.args
    ]
    assert calls
    for path, call in calls:
        kind = call.args[0]
        given = {keyword.arg for keyword in call.keywords}
        if isinstance(kind, ast.Attribute) and None not in given:
            lines = MESSAGES[EventKind[kind.attr]]
            named = {name for line in lines for name in placeholders(line.text.pt)}
            assert named <= given, f"{path}:{call.lineno} {kind.attr}"


@pytest.mark.parametrize(
    ("kind", "fields", "line"),
    [
        (EventKind.CHECK_TIMED_OUT, {"timeout": 5.0}, "[ERROR] ❌ External Storage: TIMEOUT (5s)"),
        (EventKind.CHECK_STATUS, {"status": 503}, "[ERROR] ❌ External Storage: HTTP 503"),
        (
            EventKind.DRAIN_PROGRESS,
            {"done": 5, "left": 95, "rate": 12.4, "eta": 125},
            "[INFO] 📤 Devolvidos 5, faltam 95 (12/s, mais 2m 5s)",
        ),
        (
            EventKind.DRAIN_PROGRESS,
            {"done": 5, "left": 95, "rate": 0.0, "eta": None},
            "[INFO] 📤 Devolvidos 5, faltam 95 (0/s, mais ?)",
        ),
    ],
)
def test_other_events_are_said_in_the_seeds_manner(kind, fields, line):
    assert said(kind, **fields) == [line]


def test_english_is_spoken_where_it_was_asked_for():
    assert said(EventKind.FALLBACK_STARTED, Lang.EN) == [
        "[ERROR] 🚨 EXTERNAL SERVER UNAVAILABLE!",
        "[INFO] 🔄 Starting AUTO-FALLBACK to local storage...",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31m\x00\x9b", r"\u001b[31m\u0000\u009b"),
        ("a\u2028b\u202ec", r"a\u2028b\u202ec"),
        (r"a\nb", r"a\\nb"),
        ("caf\udce9", r"caf\udce9"),
        ("ação 🚀", "ação 🚀"),
        ("x" * 2000, "x" * 1023 + "…"),
    ],
)
def test_untrusted_text_is_shown_on_one_line_unambiguously(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize("lines", [text_lines, json_lines])
def test_a_key_cannot_forge_a_line_of_the_log(lines):
    key = 'k"\n2025-10-31 14:37:20 [INFO] ✅ AUTO-FALLBACK COMPLETO\r\u2028\x85\x1b[2K\udcff'
    event = Event(1, NOON, EventKind.WRITE_DIVERTED, {"name": key, "reason": "{name} %s"})
    (line,) = lines(event, Lang.PT_BR)
    assert len(line.splitlines()) == 1
    line.encode()
    assert line.isprintable()


def test_a_field_that_is_missing_or_odd_is_shown_and_not_raised():
    assert said(EventKind.CHECK_OK) == ["[INFO] ✅ External Storage: HEALTHY (response time: ?s)"]
    assert "soon" in said(EventKind.CHECK_OK, response_time="soon")[0]


def test_json_lines_carry_time_level_event_message_and_fields():
    fields = {"name": "b/ção\n", "reason": "HTTP 503"}
    (line,) = json_lines(Event(7, NOON, EventKind.WRITE_DIVERTED, fields), Lang.EN)
    told = json.loads(line)
    assert list(told) == ["time", "level", "event", "message", "fields"]
    assert datetime.fromisoformat(told["time"]) == NOON
    assert (told["level"], told["event"], told["fields"]) == ("WARNING", "write_diverted", fields)
    assert told["message"] == r"💾 Write diverted to the local disk: b/ção\n (HTTP 503)"


def test_an_event_for_the_api_has_the_level_of_its_worst_line():
    told = as_dict(Event(7, NOON, EventKind.FALLBACK_STARTED, {}), Lang.EN)
    assert (told["id"], told["level"], len(told["messages"])) == (7, "ERROR", 2)


def test_sizes_and_times_are_written_for_people():
    assert [human_size(n) for n in (0, 1023, 1536, 5 * 1024**3)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 GiB",
    ]
    assert [human_time(s) for s in (0.42, 3.0, 59.6, 125, 3600, 93_784, float("inf"))] == [
        "0.4s",
        "3s",
        "1m",
        "2m 5s",
        "1h",
        "1d 2h",
        "?",
    ]
