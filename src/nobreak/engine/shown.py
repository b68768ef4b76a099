"""Many objects looked at together by one list, which costs next to nothing; or none of them.

What a list does not show is looked at by itself: a list alone never says that something is missing.
"""

import asyncio
from collections.abc import Mapping
from typing import cast

from nobreak.engine.context import Context
from nobreak.engine.steady import loop_time
from nobreak.errors import ExternalError
from nobreak.stores.external.base import ShowingStore
from nobreak.words import ObjectName

AFTER_TROUBLE = 60.0
"""For how long no list is asked for after one that failed (seconds)."""


class Shown:
    """See the module."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._not_until = 0.0

    @property
    def possible(self) -> bool:
        """Whether to ask for a list now."""
        return self._context.external.traits.shows_many and loop_time() >= self._not_until

    async def of(
        self, expected: Mapping[ObjectName, tuple[int, frozenset[str]]], within: float | None = None
    ) -> frozenset[ObjectName]:
        """Those that a list shows with this size and one of these ETags; none when it fails.

        `within`: what it may take (seconds).
        """
        try:
            async with asyncio.timeout(within):
                return await cast("ShowingStore", self._context.external).shown(expected)
        except (ExternalError, TimeoutError):
            self.pause()
            return frozenset()

    def pause(self) -> None:
        """Something failed: ask for no list for a while."""
        self._not_until = loop_time() + AFTER_TROUBLE
