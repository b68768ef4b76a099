"""Reading a `.env` file: the seed's format, quotes, comments and `export` included.

The file may be shared with the application, so what isn't ours is let pass, however odd.
"""

from pathlib import Path

from dotenv.parser import Binding, parse_stream

from nobreak.errors import SettingsError
from nobreak.lang import Lang, Text

UNREADABLE = Text("o arquivo não pôde ser lido", "the file can't be read")
NOT_AN_ASSIGNMENT = Text('não é NOME="valor"', 'is not NAME="value"')
LINE = Text("linha", "line")


def read_env_file(
    path: Path, *, required: bool, names: frozenset[str], lang: Lang
) -> dict[str, str]:
    """The variables of the file; of one that is there twice, the last. `$` is a plain character.

    A file that isn't there is empty unless it is `required`. Raises `SettingsError` when it
    can't be read, or when a line that speaks of one of `names` makes no sense.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError as error:
        if not required:
            return {}
        raise _unreadable(path, error, lang) from error
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error, lang) from error
    _refuse_nonsense(path, bindings, names, lang)
    return {each.key: each.value or "" for each in bindings if each.key is not None}


def _unreadable(path: Path, error: OSError | UnicodeDecodeError, lang: Lang) -> SettingsError:
    reason = error.strerror if isinstance(error, OSError) else "UTF-8"
    return SettingsError(f'NOBREAK_ENV_FILE="{path}": {UNREADABLE.within(lang)} ({reason})')


def _refuse_nonsense(
    path: Path, bindings: list[Binding], names: frozenset[str], lang: Lang
) -> None:
    """Refuse a line that was meant for us and can't be read. It may be a secret: not shown."""
    for binding in bindings:
        words = binding.original.string.replace("=", " ").split()
        ours = names.intersection(words[:2])
        if binding.error and ours:
            place = f"{path}, {LINE.within(lang)} {binding.original.line}"
            raise SettingsError(f"{min(ours)}: {place} {NOT_AN_ASSIGNMENT.within(lang)}")
