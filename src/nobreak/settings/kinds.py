"""The kinds of values that settings have: how each is read from text, and what is allowed.

Every `parse` raises `ValueError` for what is not allowed; the loader turns it into the one
line that names the variable. Texts arrive stripped and are never empty.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from nobreak.lang import Text

T = TypeVar("T")

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_FLAGS = {"true": True, "1": True, "yes": True, "on": True} | dict.fromkeys(
    ("false", "0", "no", "off"), False
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value."""

    parse: Callable[[str], Any]
    allowed: Text


def seconds(least: float, most: float) -> Kind:
    """A time in seconds, decimals allowed."""

    def parse(text: str) -> float:
        if not _NUMBER.fullmatch(text) or not least <= float(text) <= most:
            raise ValueError(text)
        return float(text)

    return Kind(
        parse,
        Text(f"segundos, de {least:g} a {most:.9g}", f"seconds, from {least:g} to {most:.9g}"),
    )


_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def duration(text: str) -> float | None:
    """`90`, `90s`, `5m` or `1h` in seconds; None when it is none of these."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)([smh]?)", text)
    return float(match[1]) * _UNITS[match[2]] if match else None


def whole(least: int, most: int) -> Kind:
    """A whole number."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise ValueError(text)
        return int(text)

    return Kind(
        parse,
        Text(f"um número inteiro, de {least} a {most}", f"a whole number from {least} to {most}"),
    )


def choice(*values: StrEnum) -> Kind:
    """One of a few words, in any case."""
    by_word = {value.lower(): value for value in values}

    def parse(text: str) -> StrEnum:
        return _looked_up(by_word, text.lower())

    words = ", ".join(f"`{value}`" for value in values)
    return Kind(parse, Text(words, words))


def choices(*values: StrEnum) -> Kind:
    """A comma-separated list of words, each of which counts once, in the order given."""
    one = choice(*values)

    def parse(text: str) -> tuple[StrEnum, ...]:
        return tuple(dict.fromkeys(one.parse(word.strip()) for word in text.split(",")))

    words = one.allowed.en
    return Kind(
        parse, Text(f"um ou mais de {words}, com vírgulas", f"one or more of {words}, with commas")
    )


def flag() -> Kind:
    """True or false."""
    return Kind(
        lambda text: _looked_up(_FLAGS, text.lower()), Text("`true`, `false`", "`true`, `false`")
    )


def size() -> Kind:
    """A number of bytes; K, M, G and T are powers of 1,024."""

    def parse(text: str) -> int:
        match = _SIZE.fullmatch(text)
        if match is None:
            raise ValueError(text)
        number, unit = match.groups()
        return int(float(number) * 1024 ** " KMGT".index(unit.upper() or " "))

    return Kind(
        parse,
        Text(
            "bytes, ou com K, M, G, T (1K = 1024): `50G`",
            "bytes, or with K, M, G, T (1K = 1024): `50G`",
        ),
    )


def rate(least: int) -> Kind:
    """Bytes per second, as a size; 0 or at least `least`, a multiple of 1,024."""
    number = size()

    def parse(text: str) -> int:
        found = int(number.parse(text))
        if 0 < found < least:
            raise ValueError(text)
        return found

    bound = f"{least // 1024}K"
    return Kind(
        parse,
        Text(
            f"bytes por segundo, ou com K, M, G, T: `10M`; 0, ou ao menos {bound}",
            f"bytes per second, or with K, M, G, T: `10M`; 0, or at least {bound}",
        ),
    )


def matching(pattern: str, allowed: Text) -> Kind:
    """Text that a regular expression matches as a whole."""
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(text)
        return text

    return Kind(parse, allowed)


def path() -> Kind:
    """A path of the file system; `~` is the home directory. Made absolute."""

    def parse(text: str) -> Path:
        if "\0" in text:
            raise ValueError(text)
        try:
            return Path(text).expanduser().absolute()
        except RuntimeError as error:  # whose home directory?
            raise ValueError(text) from error

    return Kind(parse, Text("um caminho", "a path"))


def _looked_up(table: dict[str, T], word: str) -> T:
    if word not in table:
        raise ValueError(word)
    return table[word]
