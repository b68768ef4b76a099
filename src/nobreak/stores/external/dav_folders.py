"""The folders that a file needs before it can be put: looked for, and made where missing.

A file where a folder should be is refused here, because servers answer it with anything from
409 to 500, and SeaweedFS by turning the file into a folder.
"""

import asyncio

from nobreak.errors import RefusedError, UnsupportedError
from nobreak.stores.external.dav_server import CONFLICT, DavServer, Path

MAX_KNOWN = 10_000


class Folders:
    """Remembers which folders are there, and finds out anew when that turns out to be wrong."""

    def __init__(self, server: DavServer) -> None:
        self._server = server
        self._known: set[Path] = set()
        self._making = asyncio.Lock()  # servers answer 423 when two make the same folder

    async def ensure(self, folder: Path) -> bool:
        """Make `folder` and those above it where they are missing; whether any was.

        Does nothing on a server that can't tell. Raises `RefusedError`.
        """
        if folder in self._known:
            return False
        async with self._making:
            return await self._make(folder)

    async def _make(self, folder: Path) -> bool:
        missing: list[Path] = []
        above = folder
        while above and above not in self._known and not await self._is_there(above):
            missing.append(above)
            above = above[:-1]
        for path in reversed(missing):
            await self._server.make_folder(path)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known.add(folder)
        return bool(missing)

    async def mend(self, folder: Path) -> bool:
        """The same without trust in what is remembered, after a PUT into `folder` failed."""
        above = [folder[:length] for length in range(1, len(folder) + 1)]
        self._known.difference_update(above)
        if self._server.finds:
            return await self.ensure(folder)
        made = [await self._server.make_folder(path) for path in above]
        return any(made)

    async def _is_there(self, path: Path) -> bool:
        """True also where the server can't tell."""
        if not self._server.finds:
            return True
        try:
            found = await self._server.find(path)
        except UnsupportedError:
            return True
        if found is not None and not found.is_folder:
            raise RefusedError(CONFLICT, "Conflict", f"{'/'.join(path)} is a file, not a folder")
        return found is not None
