"""From the environment and `.env` to `Settings`, or to the one line that says what is wrong."""

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from nobreak.errors import SettingsError
from nobreak.lang import Lang, Text
from nobreak.printable import printable
from nobreak.settings.build import build
from nobreak.settings.dotenv import read_env_file
from nobreak.settings.model import Settings, UnknownSetting
from nobreak.settings.row import Setting
from nobreak.settings.table import ENV_FILE, ROWS, TABLE

OURS = ("NOBREAK_", "HEALTH_", "EXTERNAL_STORAGE_")
ALLOWED = Text("permitido", "allowed")
_USER_IN_URL = re.compile(r"//[^/@]*@")


def load_settings(
    environ: Mapping[str, str] | None = None, env_file: str | Path | None = None
) -> Settings:
    """Read, check and return all settings.

    `environ`: the environment (default: the process's own); it outranks the file.
    `env_file`: the file (default: `NOBREAK_ENV_FILE`, else `./.env`); one that was named must
    be there. A variable that is empty counts as not set. Raises `SettingsError`.
    """
    environment = os.environ if environ is None else environ
    named = env_file or environment.get(ENV_FILE, "").strip()
    path = Path(named or ".env").absolute()
    names = frozenset(ROWS)
    said = _language(environment)
    from_file = read_env_file(path, required=bool(named), names=names, lang=said)
    texts = {name: text.strip() for name, text in {**from_file, **environment}.items()}
    lang = _language(texts)
    values = {row.name: _parsed(row, texts.get(row.name, ""), lang) for row in TABLE}
    return build(values, env_file=path, unknown=_unknown(texts), environ=environment)


def spoken_language() -> Lang:
    """The language of this process, known even when the settings are wrong in everything else."""
    said = _language(os.environ)
    path = Path(os.environ.get(ENV_FILE, "").strip() or ".env")
    try:
        from_file = read_env_file(path, required=False, names=frozenset(), lang=said)
    except SettingsError:
        return said
    return _language({**from_file, **os.environ})


def _language(texts: Mapping[str, str]) -> Lang:
    """The language to complain in, even when that setting is the one that is wrong."""
    row = ROWS["NOBREAK_LANG"]
    try:
        return Lang(row.kind.parse(texts.get(row.name, "").strip() or row.default))
    except ValueError:
        return Lang(row.default)


def _parsed(row: Setting, text: str, lang: Lang) -> Any:
    """The value of a setting; None where there is none and it has no default."""
    if not (text or row.default):
        return None
    try:
        return row.kind.parse(text or row.default)
    except ValueError:
        _refuse(row, text, lang)


def _refuse(row: Setting, text: str, lang: Lang) -> NoReturn:
    shown = "***" if row.secret else printable(_USER_IN_URL.sub("//***@", text), 100)
    allowed = row.kind.allowed.within(lang).replace("`", "")
    raise SettingsError(f'{row.name}="{shown}": {ALLOWED.within(lang)}: {allowed}') from None


def _unknown(texts: Mapping[str, str]) -> tuple[UnknownSetting, ...]:
    """Variables that look like ours and are not, each with the one that was probably meant."""
    known = {*ROWS, ENV_FILE}
    strangers = sorted(name for name in texts if name.startswith(OURS) and name not in known)
    return tuple(
        UnknownSetting(name, "".join(difflib.get_close_matches(name, known, n=1, cutoff=0.8)))
        for name in strangers
    )
