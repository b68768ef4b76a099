"""What a request makes its answer depend on: conditions and ranges (RFC 9110, 13 and 14). Pure."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from nobreak.words import ObjectInfo, RangeRequest

_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*")
_TAG = re.compile(r'(W/)?"([^"]*)"')
CONDITIONAL = ("if-match", "if-unmodified-since", "if-none-match", "if-modified-since")


class Verdict(Enum):
    """What the conditions make of an object."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditional headers of a GET or HEAD, in lower case."""

    headers: Mapping[str, str]

    @property
    def given(self) -> bool:
        """Whether the object has to be looked at before it is read."""
        return any(name in self.headers for name in (*CONDITIONAL, "if-range"))

    def verdict(self, info: ObjectInfo, also: Collection[str] = ()) -> Verdict:
        """The rules in their order of precedence (RFC 9110, 13.2.2).

        `also`: further ETags, without quotes, that this version is known by.
        """
        headers, modified = self.headers, _to_the_second(info.modified)
        etags = {info.etag, *also}
        if "if-match" in headers:
            if not matches(headers["if-match"], etags):
                return Verdict.FAILED
        elif (until := _date(headers.get("if-unmodified-since"))) and modified > until:
            return Verdict.FAILED
        if "if-none-match" in headers:
            if matches(headers["if-none-match"], etags, weakly=True):
                return Verdict.NOT_MODIFIED
        elif (since := _date(headers.get("if-modified-since"))) and modified <= since:
            return Verdict.NOT_MODIFIED
        return Verdict.PROCEED

    def allow_range(self, info: ObjectInfo) -> bool:
        """Whether a range is wanted of this version, or all of it (`If-Range`)."""
        wanted = self.headers.get("if-range")
        if wanted is None:
            return True
        if '"' in wanted:
            return matches(wanted, {info.etag})
        return _date(wanted) == _to_the_second(info.modified)


def range_of(header: str | None) -> RangeRequest | None:
    """The one range asked for; None for none, several or nonsense: then all is sent."""
    match = _RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    first, last = (int(text) if text else None for text in match.groups())
    if first is not None and last is not None and first > last:
        return None
    return RangeRequest(first, last)


def matches(header: str, etags: Collection[str], *, weakly: bool = False) -> bool:
    """Whether one of an object's ETags is among those of a header. Weak ones count `weakly`."""
    if header.strip() == "*":
        return True
    tags = {tag for weak, tag in _TAG.findall(header) if weakly or not weak}
    return not tags.isdisjoint(etag for etag in etags if etag)


def etags_in(header: str) -> set[str]:
    """The strong ETags of a header, without quotes; `*` alone stands for any."""
    if header.strip() == "*":
        return {"*"}
    return {tag for weak, tag in _TAG.findall(header) if not weak}


def _date(header: str | None) -> datetime | None:
    """A date; None where there is none or it makes no sense, and is to be ignored."""
    try:
        found = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _to_the_second(time: datetime) -> datetime:
    return time.replace(microsecond=0)
