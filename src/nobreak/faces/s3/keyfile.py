"""Key pairs from a TOML file.

```toml
[[key]]
access_key = "reports"            # letters, digits and signs, without "/", "," and spaces
secret_key = "a-long-random-word"
read_only = true                  # optional; default: false
buckets = ["reports", "logs-*"]   # optional: names or patterns; default: every bucket

[[key]]
access_key = "app"
secret_key = "another-word"
```
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nobreak.errors import SettingsError
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.lang import Lang, Text
from nobreak.printable import printable

_ACCESS_KEY = re.compile(r"[!-+.0-~-]{1,128}", re.ASCII)
_SECRET = re.compile(r"[!-~]{1,256}", re.ASCII)
_PATTERN = re.compile(r"[a-z0-9.*?-]{1,63}", re.ASCII)

_KIND: Mapping[str, tuple[Callable[[Any], bool], Text]] = {
    "access_key": (
        lambda value: isinstance(value, str) and bool(_ACCESS_KEY.fullmatch(value)),
        Text(
            "até 128 caracteres ASCII visíveis, sem `/` nem `,`",
            "up to 128 visible ASCII characters without `/` and `,`",
        ),
    ),
    "secret_key": (
        lambda value: isinstance(value, str) and bool(_SECRET.fullmatch(value)),
        Text("até 256 caracteres ASCII visíveis", "up to 256 visible ASCII characters"),
    ),
    "read_only": (
        lambda value: isinstance(value, bool),
        Text("`true` ou `false`", "`true` or `false`"),
    ),
    "buckets": (
        lambda value: (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(each, str) and _PATTERN.fullmatch(each) for each in value)
        ),
        Text(
            "uma lista de nomes de bucket, com `*` e `?`",
            "a list of bucket names, with `*` and `?`",
        ),
    ),
}
_REQUIRED = ("access_key", "secret_key")


def load_keys(path: Path, lang: Lang, others: Iterable[KeyPair] = ()) -> KeyRing:
    """The pairs of the file and `others` (the pair of the settings).

    Raises `SettingsError`: one line with the file, the entry, and what is allowed; never a secret.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "UTF-8"
        what = Text(f"não pode ser lido ({reason})", f"can't be read ({reason})")
        raise _refused(path, what, lang) from None
    pairs = [*others, *parse_keys(text, path, lang)]
    names = [pair.access_key for pair in pairs]
    for name in names:
        if names.count(name) > 1:
            both = f'access_key="{name}"'
            raise _refused(path, Text(f"{both} aparece duas vezes", f"{both} is there twice"), lang)
    return KeyRing(pairs)


def parse_keys(text: str, path: Path, lang: Lang) -> list[KeyPair]:
    """The pairs in `text`, the content of the file at `path`. Raises `SettingsError`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _refused(path, Text(f"não é TOML: {error}", f"not TOML: {error}"), lang) from None
    entries = document.pop("key", [])
    tables = isinstance(entries, list) and all(isinstance(each, dict) for each in entries)
    if document or not entries or not tables:
        raise _refused(
            path,
            Text("permitido: uma ou mais tabelas [[key]]", "allowed: one or more [[key]] tables"),
            lang,
        )
    return [_pair(entry, number, path, lang) for number, entry in enumerate(entries, 1)]


def _pair(entry: Mapping[str, Any], number: int, path: Path, lang: Lang) -> KeyPair:
    for name in (*_REQUIRED, *entry):
        if name not in _KIND:
            known = ", ".join(_KIND)
            what = Text(f"permitido: {known}", f"allowed: {known}")
        elif name not in entry:
            what = Text("falta", "missing")
        elif not _KIND[name][0](entry[name]):
            allowed = _KIND[name][1]
            what = Text(f"permitido: {allowed.pt}", f"allowed: {allowed.en}")
        else:
            continue
        where = f"[[key]] {number}, {name}: "
        raise _refused(path, Text(where + what.pt, where + what.en), lang)
    buckets = entry.get("buckets")
    return KeyPair(
        entry["access_key"],
        entry["secret_key"],
        read_only=entry.get("read_only", False),
        buckets=None if buckets is None else tuple(buckets),
    )


def _refused(path: Path, what: Text, lang: Lang) -> SettingsError:
    line = f'NOBREAK_S3_KEYS_FILE="{printable(str(path))}": {printable(what.within(lang))}'
    return SettingsError(line)
