"""What a look has found, how bad it is, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    GOOD = "good"
    WORRYING = "worrying"
    BAD = "bad"


SIGNS = {Verdict.GOOD: "✅", Verdict.WORRYING: "⚠️", Verdict.BAD: "❌"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table. `key` names the look in JSON; `advice` is empty when all is well."""

    key: str
    verdict: Verdict
    subject: str
    found: str
    advice: str = ""


def good(key: str, subject: str, found: str) -> Finding:
    """All is well."""
    return Finding(key, Verdict.GOOD, subject, found)


def worrying(key: str, subject: str, found: str, advice: str) -> Finding:
    """It works, and could be better."""
    return Finding(key, Verdict.WORRYING, subject, found, advice)


def bad(key: str, subject: str, found: str, advice: str) -> Finding:
    """It does not work, or puts data at risk."""
    return Finding(key, Verdict.BAD, subject, found, advice)
