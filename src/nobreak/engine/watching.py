"""Files that people edit while nobreak runs: noticed when they change, or when somebody asks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

LOOK_EVERY = 1.0
"""How often the files are looked at (seconds). An edit counts once two looks find it the same."""

Signature = tuple[int, int, int] | None


class FileWatch:
    """Watches some files together: one that is replaced before the others waits for them."""

    def __init__(self, paths: Sequence[Path], look_every: float = LOOK_EVERY) -> None:
        self._paths = tuple(paths)
        self._look_every = look_every
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Have the files read again now, edited or not."""
        self._asked.set()

    async def changes(self) -> AsyncIterator[bool]:
        """Each time that the files have to be read again: whether somebody asked for it."""
        # The first read is for an edit between the start and this moment.
        known: tuple[Signature, ...] | str = "not read yet"
        before = self._seen()
        while True:
            asked = await self._pause()
            seen = self._seen()
            if asked or seen == before != known:
                known = seen
                yield asked
            before = seen

    async def _pause(self) -> bool:
        """Until the next look, or until asked: whether asked."""
        try:
            async with asyncio.timeout(self._look_every):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True

    def _seen(self) -> tuple[Signature, ...]:
        return tuple(map(_signature, self._paths))


def _signature(path: Path) -> Signature:
    """What changes when a file is edited in place or replaced; None: it isn't there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
