"""Keys whose catalog row is behind: the external store made a write, and this disk could not note it.

Nothing is lost by that. But in an outage neither a read nor a conditional write must be decided by such a
row, nor a list by the rows of its bucket (I2), in no process: what keeps the row is tried again until
the disk takes it.
"""

import asyncio
from itertools import islice

from nobreak.engine.context import Context
from nobreak.engine.looking import look_at
from nobreak.errors import LocalStoreError, OutOfSpaceError
from nobreak.words import ObjectName

AGAIN = 1.0
"""When the disk is tried again (seconds)."""
AT_ONCE = 16
"""So many keys are tried at a time, however many there are."""


class Untold:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._names: dict[ObjectName, int] = {}
        """How often each was noted."""
        self._mending = False

    def note(self, name: ObjectName) -> None:
        """The catalog could not be told what became of this key."""
        if name not in self._names:
            for each in _told_by(name):
                self._context.doubts.row_is_behind(each)
        self._names[name] = self._names.get(name, 0) + 1
        if not self._mending:
            self._mending = True
            self._context.background.start(self._mend_all())

    async def _mend_all(self) -> None:
        try:
            while self._names:
                some = list(islice(self._names, AT_ONCE))
                if not all(await asyncio.gather(*map(self._mend, some))):
                    await asyncio.sleep(AGAIN)
        finally:
            self._mending = False

    async def _mend(self, name: ObjectName) -> bool:
        noted = self._names[name]
        try:
            await look_at(self._context, name)
        except (LocalStoreError, OutOfSpaceError):
            self._names[name] = self._names.pop(name)  # the others are tried before it is again
            return False
        if self._names[name] == noted:
            self._is_right(name)
        return True

    def _is_right(self, name: ObjectName) -> None:
        del self._names[name]
        for each in _told_by(name):
            self._context.doubts.row_is_right(each)


def _told_by(name: ObjectName) -> tuple[ObjectName, ObjectName]:
    """What must not be answered by this key's row: the key, and the lists of its bucket."""
    return name, ObjectName(name.bucket, "")
