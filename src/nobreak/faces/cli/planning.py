"""From what was typed to the copies that it means: names filled in, directories walked."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

from nobreak.app import Nobreak
from nobreak.faces.cli.copying import STREAM, Copy, Place
from nobreak.faces.cli.failing import CommandError
from nobreak.faces.cli.remote import as_prefix, is_remote, parse
from nobreak.faces.cli.texts import said
from nobreak.words import ObjectName

Planned = Copy | CommandError
"""A copy, or why there can't be one."""


async def plan(
    nobreak: Nobreak, source: str, target: str, *, recursive: bool
) -> AsyncIterator[Planned]:
    """The copies that `cp SOURCE TARGET` means. Raises `CommandError`."""
    here, there = _place(nobreak, source), _place(nobreak, target)
    if not (isinstance(here, ObjectName) or isinstance(there, ObjectName)):
        raise CommandError(
            said(
                "um dos dois tem que ser um objeto: nb:KEY ou nb://BUCKET/KEY",
                "one of the two has to be an object: nb:KEY or nb://BUCKET/KEY",
            )
        )
    if not recursive:
        yield _single(here, there)
    elif here is STREAM or there is STREAM:
        raise CommandError(said("-r não combina com -", "-r does not go with -"))
    elif isinstance(here, Path):
        assert isinstance(there, ObjectName)  # noqa: S101 - checked above
        for each in _files(here, as_prefix(there)):
            yield each
    else:
        async for each in _objects(nobreak, as_prefix(here), there):
            yield each


def _place(nobreak: Nobreak, text: str) -> Place:
    if text == "-":
        return STREAM
    return parse(text, nobreak.settings.writes.bucket) if is_remote(text) else Path(text)


def _single(source: Place, target: Place) -> Copy:
    """One copy; where only a directory was named, it keeps its name."""
    if isinstance(source, Path) and source.is_dir():
        raise CommandError(
            said(f"{source} é um diretório: use -r", f"{source} is a directory: use -r")
        )
    name = source.name if isinstance(source, Path) else ""
    if isinstance(source, ObjectName):
        name = source.key.rpartition("/")[2]
    if isinstance(target, ObjectName) and (not target.key or target.key.endswith("/")) and name:
        return Copy(source, ObjectName(target.bucket, target.key + name))
    if isinstance(target, Path) and target.is_dir():
        return Copy(source, _inside(target, name))
    return Copy(source, target)


def _files(folder: Path, prefix: ObjectName) -> list[Planned]:
    """All files under a directory, in order. Links to directories are not followed."""
    if not folder.is_dir():
        raise CommandError(said(f"{folder} não é um diretório", f"{folder} is not a directory"))
    found: list[Planned] = []
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(root, name)
            key = prefix.key + path.relative_to(folder).as_posix()
            if path.is_file():
                found.append(Copy(path, ObjectName(prefix.bucket, key)))
            else:
                reason = said("não é um arquivo comum", "is not a regular file")
                found.append(CommandError(f"{path}: {reason}"))
    return found


async def _objects(
    nobreak: Nobreak, prefix: ObjectName, target: Path | ObjectName | None
) -> AsyncIterator[Planned]:
    """All objects under a prefix, each with its place under the target."""
    async for info in nobreak.store.walk(prefix.bucket, prefix=prefix.key):
        relative = info.name.key.removeprefix(prefix.key)
        if isinstance(target, ObjectName):
            below = as_prefix(target)
            yield Copy(info.name, ObjectName(below.bucket, below.key + relative))
            continue
        assert target is not None  # noqa: S101 - plan() has refused a stream
        try:
            path = _inside(target, relative)
            path.parent.mkdir(parents=True, exist_ok=True)
        except (CommandError, OSError) as error:
            yield CommandError(f"{info.name}: {error}")
        else:
            yield Copy(info.name, path)


def _inside(folder: Path, relative: str) -> Path:
    """A path below `folder`. Raises `CommandError` for keys that would lead out, or nowhere."""
    parts = relative.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise CommandError(
            said(
                f"a chave {relative!r} não pode ser um arquivo aqui; copie-a com outro nome",
                f"the key {relative!r} can't be a file here; copy it under another name",
            )
        )
    return folder.joinpath(*parts)
