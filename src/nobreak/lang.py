"""The two languages that nobreak speaks to people, and texts that exist in both."""

from dataclasses import dataclass
from enum import StrEnum


class Lang(StrEnum):
    """The language of logs, tables and error lines shown to people."""

    PT_BR = "pt-BR"
    EN = "en"


@dataclass(frozen=True, slots=True)
class Text:
    """One text in both languages."""

    pt: str
    en: str

    def within(self, lang: Lang) -> str:
        """The text in `lang`."""
        return self.pt if lang is Lang.PT_BR else self.en
