"""Folders that survive a power cut."""

import os
from contextlib import suppress
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, each durably: its entry in its parent is fsynced.

    That of one that is there already, too: another thread or process may have made it just now, or
    have died before its fsync. A parent that we may not read was not made by us.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        fsync_folder(folder.parent)
    elif not folder.is_mount():
        with suppress(PermissionError):
            fsync_folder(folder.parent)


def fsync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
