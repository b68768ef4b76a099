"""Descriptors whose locks end with this process.

A lock belongs to the open file, and a forked child has that open, too: when its parent died, a child that
lives on would keep all that the parent held. So children close them; that gives nothing back which
their parent holds.
"""

import os
from contextlib import suppress

_ours: set[int] = set()


def own(descriptor: int) -> int:
    """This descriptor, which no forked child keeps. It is closed with `disown`."""
    _ours.add(descriptor)
    return descriptor


def disown(descriptor: int) -> None:
    """Close it; nothing in a child, which has closed it already."""
    if descriptor in _ours:
        _ours.discard(descriptor)
        os.close(descriptor)


def _close_all() -> None:
    while _ours:
        with suppress(OSError):
            os.close(_ours.pop())


os.register_at_fork(after_in_child=_close_all)
