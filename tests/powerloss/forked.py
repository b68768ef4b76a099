"""Work shared among processes that have inherited what it needs: recordings are too large to be sent."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_inherited: list[Callable[[Any], Any]] = []


def forked(work: Callable[[T], R], items: Sequence[T], jobs: int) -> Iterator[R]:
    """`work` on each item, in order; it may close over anything. Only items and results are sent."""
    _inherited.append(work)
    try:
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork")) as pool:
            yield from pool.map(_call, items)
    finally:
        _inherited.pop()


def _call(item: Any) -> Any:
    return _inherited[-1](item)
