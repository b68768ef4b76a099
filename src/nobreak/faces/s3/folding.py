"""Listings as S3 pages them: keys below a delimiter rolled up into common prefixes.

Pure: `Folding` says where to read on (`start_after`) and is fed with pages of objects in the
order of their keys' bytes, which is also the order of Python's strings. What was rolled up is
skipped, so that a prefix with a million keys costs one page.

An element of a listing is an object or a common prefix, and a page holds those elements that
come after the marker. A common prefix that the marker lies in comes before it: it was given.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from nobreak.engine.names import MAX_KEY_BYTES
from nobreak.errors import UnavailableError
from nobreak.stores.external.base import Listing
from nobreak.words import ObjectInfo

MAX_KEYS = 1000
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Fold:
    """What is asked for: `after` is the marker, an element of the listing or any text."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    max_keys: int = MAX_KEYS

    def common_prefix(self, key: str) -> str:
        """What this key is rolled up into; empty when it stands for itself."""
        if not self.delimiter or not key.startswith(self.prefix):
            return ""
        end = key.find(self.delimiter, len(self.prefix))
        return key[: end + len(self.delimiter)] if end >= 0 else ""


@dataclass(frozen=True, slots=True)
class FoldedPage:
    """A page of a listing. `last`: its last element, which continues it; empty when it has none."""

    objects: tuple[ObjectInfo, ...] = ()
    common_prefixes: tuple[str, ...] = ()
    truncated: bool = False
    last: str = ""


@dataclass(slots=True)
class Folding:
    """A page in the making. Feed it for as long as `start_after` is not None."""

    fold: Fold
    start_after: str | None = field(init=False)
    """Where to read on: the objects after this key are wanted next."""
    _objects: list[ObjectInfo] = field(default_factory=list, init=False)
    _prefixes: list[str] = field(default_factory=list, init=False)
    _last: str = field(default="", init=False)
    _rolled: str = field(init=False)
    _truncated: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._rolled = self.fold.common_prefix(self.fold.after)
        self.start_after = self._beyond(self.fold.after) if self.fold.max_keys else None

    @property
    def limit(self) -> int:
        """How many objects to read: with a delimiter nobody knows how many are rolled up."""
        return MAX_KEYS if self.fold.delimiter else min(MAX_KEYS, self._room + 1)

    def feed(self, listing: Listing) -> None:
        """Take in a page of the objects after `start_after`.

        Raises `UnavailableError` for a listing that goes on but not forward.
        """
        position = self.start_after
        if position is None:
            return
        for info in listing.objects:
            key = info.name.key
            if self._is_given(key):
                continue
            if not self._room:
                self._truncated, self.start_after = True, None
                return
            self._add(info)
        self.start_after = self._next(listing)
        if self.start_after is not None and self.start_after <= position:
            raise UnavailableError("the external store's listing does not go on")

    def page(self) -> FoldedPage:
        """The page, once `start_after` is None."""
        objects, prefixes = tuple(self._objects), tuple(self._prefixes)
        return FoldedPage(objects, prefixes, self._truncated, self._last)

    @property
    def _room(self) -> int:
        return min(self.fold.max_keys, MAX_KEYS) - len(self._objects) - len(self._prefixes)

    def _is_given(self, key: str) -> bool:
        return bool(self._rolled) and key.startswith(self._rolled)

    def _add(self, info: ObjectInfo) -> None:
        key = info.name.key
        self._rolled = self.fold.common_prefix(key)
        self._last = self._rolled or key
        if self._rolled:
            self._prefixes.append(self._rolled)
        else:
            self._objects.append(info)

    def _next(self, listing: Listing) -> str | None:
        if not listing.truncated:
            return None
        return self._beyond(listing.objects[-1].name.key if listing.objects else "")

    def _beyond(self, key: str) -> str:
        """A place at or after `key` that skips, if it can, what was rolled up already."""
        skip = self._rolled + _LAST_CHARACTER
        if not self._is_given(key) or len(skip.encode()) > MAX_KEY_BYTES:
            return key
        return max(key, skip)


async def fold_listing(
    fold: Fold, list_page: Callable[[str, int], Awaitable[Listing]]
) -> FoldedPage:
    """Read a page of a listing; `list_page` takes `start_after` and a limit."""
    folding = Folding(fold)
    while (start_after := folding.start_after) is not None:
        folding.feed(await list_page(start_after, folding.limit))
    return folding.page()
