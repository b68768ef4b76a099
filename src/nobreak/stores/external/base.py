"""What every driver of an external store offers, and what the engine may expect of it.

A driver keeps no state between calls but its connection pool. It never retries: what fails
is reported at once, and the engine decides. All methods raise:

* `OutageError` for transport errors, time-outs and 5xx (`in_doubt` when the request may have
  reached the server: anything but a failure to connect, for a request that changes something);
* `RefusedError` for any other answer that is not success;
* `UnsupportedError` for what this kind of store can't do.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from nobreak.words import (
    Attributes,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    Precondition,
    RangeRequest,
    Receipt,
)


class Body(Protocol):
    """The bytes of a PUT, kept on this side until they are confirmed.

    They may still be arriving: `chunks()` then yields what is there and waits for more. It can
    be called again to start over. `size` is None while the length is unknown.
    """

    @property
    def size(self) -> int | None:
        """The whole length in bytes, if it was announced or is known by now."""

    @property
    def fingerprint(self) -> Fingerprint | None:
        """Size and MD5, once all bytes are here; None before."""

    def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` to `stop` (exclusive; None: the end), in order, non-empty."""

    async def finished(self) -> Fingerprint:
        """Wait until all bytes are here and return their fingerprint."""


class Download(Protocol):
    """An answer to GET: what the object is, and its bytes. Close it in all cases."""

    @property
    def info(self) -> ObjectInfo:
        """The object; `info.size` is the size of the whole object, also for a range."""

    @property
    def length(self) -> int:
        """How many bytes `chunks` will give."""

    @property
    def start(self) -> int:
        """The offset of the first byte in the object (0 unless a range was asked for)."""

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, once. Raises `OutageError` when they end early."""

    async def aclose(self) -> None:
        """Release the connection. May be called twice."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a listing, in the order of the keys' UTF-8 bytes."""

    objects: tuple[ObjectInfo, ...]
    truncated: bool
    """There may be more after the last key of this page."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a kind of external store can and can't do."""

    keeps_attributes: bool
    """Content headers and user metadata come back from it; otherwise the catalog answers."""
    chooses_names: bool
    """It names objects itself, so the receipt must be durable before a write is acknowledged."""
    lists: bool
    """It can list; otherwise the catalog does."""
    decides: bool = False
    """It honours conditional writes, and so is a `DecidingStore`."""
    etags_of_bytes: bool = False
    """Other bytes have another ETag, always. Not so where it is made of size and time."""
    replaces_whole: bool = False
    """A PUT that breaks off leaves the object that was there before."""
    shows_many: bool = False
    """Its lists state what its single looks state, and so it is a `ShowingStore`."""


LARGEST_PAGE = 1000


class Lists(Protocol):
    """What `pages_in_order` needs of a driver."""

    async def list(self, bucket: str, *, prefix: str, start_after: str, limit: int) -> Listing: ...


async def pages_in_order(store: Lists, bucket: str) -> AsyncIterator[Sequence[ObjectInfo]]:
    """All objects of a bucket by `list`, for drivers that have no cheaper way."""
    start_after, truncated = "", True
    while truncated:
        page = await store.list(bucket, prefix="", start_after=start_after, limit=LARGEST_PAGE)
        yield page.objects
        truncated = page.truncated and bool(page.objects)
        start_after = page.objects[-1].name.key if page.objects else ""


class ExternalStore(Protocol):
    """A driver. `receipt` is what an earlier `put` of that object returned, if we have it."""

    @property
    def traits(self) -> Traits: ...

    async def put(self, name: ObjectName, body: Body, attributes: Attributes) -> Receipt:
        """Write the object. On return the server has said that it holds exactly those bytes.

        Where the server states a checksum it is compared (raise `OutageError` with kind
        BROKEN and `in_doubt` when it differs). When `body` fails while being read, its
        exception goes through unchanged and no object is left half-written.
        """

    async def get(
        self, name: ObjectName, *, range_: RangeRequest | None = None, receipt: Receipt | None
    ) -> Download:
        """Begin to read. Raises `NotFoundError`, `RangeNotSatisfiableError`."""

    async def head(self, name: ObjectName, *, receipt: Receipt | None) -> ObjectInfo:
        """Look at the object. Raises `NotFoundError`."""

    async def delete(self, name: ObjectName, *, receipt: Receipt | None) -> Receipt | None:
        """Delete the object; one that is not there is a success. What the server said, if it did."""

    async def list(self, bucket: str, *, prefix: str, start_after: str, limit: int) -> Listing:
        """At most `limit` objects whose key starts with `prefix`, after `start_after`."""

    def pages(self, bucket: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        """All objects of a bucket, in the order that costs the server least."""

    async def holds(self, name: ObjectName, fingerprint: Fingerprint, receipt: Receipt) -> bool:
        """Whether the server holds exactly these bytes now, by size and checksum (I3).

        Reads the bytes back where the server can't state a checksum.
        """

    async def ensure_bucket(self, bucket: str) -> None:
        """Make the bucket if this kind of store has such and it isn't there."""

    async def delete_bucket(self, bucket: str) -> None:
        """Delete the bucket if this kind of store has such; one that is not there is a success."""

    async def aclose(self) -> None:
        """Close all connections."""


@dataclass(frozen=True, slots=True)
class Trailer:
    """A header of an object that is known only when its body has come to its end.

    `value` is asked when the body's last byte has come; it will be `length` characters long.
    """

    name: str
    length: int
    value: Callable[[], str]


class ShowingStore(ExternalStore, Protocol):
    """A driver whose server can be asked about many objects at once."""

    async def shown(
        self, expected: Mapping[ObjectName, tuple[int, frozenset[str]]]
    ) -> frozenset[ObjectName]:
        """Those that have the expected size and one of the expected ETags, as far as lists show it.

        Of all others nothing is known.
        """


class DecidingStore(ExternalStore, Protocol):
    """A driver whose server decides conditional writes. One that fails is a `RefusedError`."""

    async def put(
        self,
        name: ObjectName,
        body: Body,
        attributes: Attributes,
        *,
        precondition: Precondition | None = None,
        trailer: Trailer | None = None,
    ) -> Receipt:
        """Write the object if `precondition` holds; `trailer` belongs to its attributes."""

    async def delete(
        self,
        name: ObjectName,
        *,
        receipt: Receipt | None,
        precondition: Precondition | None = None,
    ) -> Receipt | None:
        """Delete the object if `precondition` holds."""
