"""The settings: where they come from, names that nobody knows, secrets that anybody can read."""

import stat
from collections.abc import Iterator

from nobreak.errors import SettingsError
from nobreak.faces.cli.doctor.finding import Finding, bad, good, worrying
from nobreak.faces.cli.texts import said
from nobreak.settings import Settings

KEY = "settings"
SUBJECT = said("Configuração", "Settings")


def look_at_settings(settings: Settings) -> Iterator[Finding]:
    """The file, its names and its permissions, and what must not be combined."""
    path = settings.env_file
    if path.is_file():
        yield good(KEY, SUBJECT, str(path))
        yield from _look_at_secrets(settings)
    else:
        yield good(
            KEY,
            SUBJECT,
            said(f"só o ambiente ({path} não existe)", f"environment only (no {path})"),
        )
    for unknown in settings.unknown:
        advice = said("apague ou corrija a linha", "delete the line, or correct it")
        if unknown.nearest:
            advice = said(f"seria {unknown.nearest}?", f"did you mean {unknown.nearest}?")
        found = said(f"{unknown.name} não existe", f"{unknown.name} does not exist")
        yield worrying("unknown_setting", SUBJECT, found, advice)
    try:
        settings.check_api_exposure()
    except SettingsError as error:
        advice = said("defina NOBREAK_API_TOKEN", "set NOBREAK_API_TOKEN")
        yield bad("api_exposure", SUBJECT, str(error), advice)


def _look_at_secrets(settings: Settings) -> Iterator[Finding]:
    secret = settings.external.secret_key or settings.api.token
    if secret and settings.env_file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        found = said("outros usuários podem ler os segredos", "other users can read the secrets")
        yield worrying("env_mode", SUBJECT, found, f"chmod 640 {settings.env_file}")
