"""Writes that pass by: the external store does them itself, on a key that others write too.

While one is under way, and for a while after one of unknown outcome, its key is in doubt (I4): writes
that come meanwhile go through the journal, and settle.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from nobreak.engine.calm import settle_time
from nobreak.engine.context import Context
from nobreak.engine.holding import hold_all_directly
from nobreak.errors import UnavailableError
from nobreak.words import ObjectName

PENDING = "a write of this object still waits for the external store"


class PassingBy:
    """Such a write of these objects. Set `settled` when its outcome is known, whatever it is.

    Entering raises `UnavailableError` while another write of one of them is under way or waits.
    """

    def __init__(self, context: Context, names: Sequence[ObjectName]) -> None:
        self._context = context
        self._names = names
        self._holds = ExitStack()
        self.settled = False

    async def __aenter__(self) -> Self:
        holds = hold_all_directly(self._context, self._names)
        if holds is None:
            raise UnavailableError(PENDING)
        self._holds = holds
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.settled:
            self._holds.close()
        else:
            self._context.background.start(self._end_later())

    async def _end_later(self) -> None:
        try:
            await settle_time(self._context, self._names[0])
        finally:
            self._holds.close()
