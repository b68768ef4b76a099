"""The data directory of this machine, as commands meet it: looked at, or worked with."""

import os
import pwd
from pathlib import Path

from nobreak.engine.glance import Glance
from nobreak.engine.journal_file import JOURNAL_FILE
from nobreak.faces.cli.failing import CommandError
from nobreak.faces.cli.texts import said
from nobreak.settings import Settings


def glance(settings: Settings) -> Glance:
    """Look at the data directory. Raises `CommandError` when nobreak has never run there."""
    folder = settings.local.data_dir
    if not os.path.lexists(folder / JOURNAL_FILE):
        if folder.is_dir() and not os.access(folder, os.X_OK):
            raise CommandError(
                said(
                    f"sem permissão para ler {folder}; rode como {_owner(folder.stat().st_uid)}",
                    f"no permission to read {folder}; run as {_owner(folder.stat().st_uid)}",
                )
            )
        raise CommandError(
            said(
                f"não há journal em {folder} (NOBREAK_DATA_DIR): o nobreak ainda não rodou aqui; "
                "comece com `nobreak serve`",
                f"there is no journal in {folder} (NOBREAK_DATA_DIR): nobreak has not run here "
                "yet; begin with `nobreak serve`",
            )
        )
    return Glance(settings)


def check_owner(settings: Settings) -> None:
    """Refuse to write into another user's data directory: its owner could not read the files.

    Root, too, would leave files behind that the service then can't drain. Raises `CommandError`.
    """
    folder = settings.local.data_dir
    if not folder.is_dir():
        return
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        name = _owner(owner)
        raise CommandError(
            said(
                f"{folder} pertence a {name}; use: sudo -u {name} nobreak ...",
                f"{folder} belongs to {name}; use: sudo -u {name} nobreak ...",
            )
        )


def log_path(settings: Settings) -> Path:
    """The log that is in use: `HEALTH_LOG_FILE`, or the data directory where it had to move to."""
    wanted = settings.reporting.log_file
    moved = settings.local.data_dir / wanted.name
    written = [path for path in (wanted, moved) if path.exists()]
    return max(written, key=lambda path: path.stat().st_mtime, default=wanted)


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
