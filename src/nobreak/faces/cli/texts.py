"""The language of the command line: that of `NOBREAK_LANG`, chosen when the process starts."""

from nobreak.lang import Lang, Text
from nobreak.settings import spoken_language

LANG: Lang = spoken_language()


def said(pt: str, en: str) -> str:
    """The text in the language of this process."""
    return Text(pt, en).within(LANG)
