"""The vocabulary: plain values that every part of nobreak speaks in.

Nothing here does I/O. `nobreak.core` imports this module and nothing else.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

CONTENT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-type",
    "expires",
)
"""The headers that describe an object's content and are kept with it, in lower case."""


class Mode(StrEnum):
    """Where new writes go first."""

    EXTERNAL = "external"
    LOCAL = "local"


class Override(StrEnum):
    """A person's choice of mode; `AUTO` leaves it to the monitor."""

    AUTO = "auto"
    LOCAL = "local"
    EXTERNAL = "external"


class WritePolicy(StrEnum):
    """When a write is acknowledged.

    `THROUGH`: after the external store has it, diverting on failure.
    `BACK`: after the local disk has it, always.
    """

    THROUGH = "through"
    BACK = "back"


class OnConflict(StrEnum):
    """Whose version stays when somebody else changed an object that a write of ours waits for."""

    OURS = "ours"
    THEIRS = "theirs"
    KEEP_BOTH = "keep-both"


class EntryKind(StrEnum):
    """What a journal entry does to its object."""

    PUT = "put"
    DELETE = "delete"


class EntryState(StrEnum):
    """Where a journal entry stands.

    `PENDING`: to be replayed. `SETTLING`: replayed and confirmed once; looked at again
    later because an older request of unknown outcome could still land (I4).
    `PARKED`: the external store refused it for a reason of its own.
    """

    PENDING = "pending"
    SETTLING = "settling"
    PARKED = "parked"


@dataclass(frozen=True, slots=True, order=True)
class ObjectName:
    """The name of an object. The key is kept exactly: `a//b`, `x/` and `../y` are ordinary."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a body that came in several: a part of a multipart upload.

    `md5` in hexadecimal. `checksums`: further ones that came with it, by the name of their header.
    """

    size: int
    md5: str
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What identifies a body: its size in bytes and its MD5 in hexadecimal.

    Of a body in segments, `md5` is the MD5 of their MD5s with their number after a hyphen. Both
    forms are ETags of S3. `segments`: where those begin and end, for those who have to know.
    """

    size: int
    md5: str
    segments: tuple[Segment, ...] = field(default=(), compare=False)

    @classmethod
    def of_segments(cls, segments: tuple[Segment, ...]) -> "Fingerprint":
        """The fingerprint of a body that is made of these."""
        digests = b"".join(bytes.fromhex(each.md5) for each in segments)
        md5 = hashlib.md5(digests, usedforsecurity=False).hexdigest()
        return cls(sum(each.size for each in segments), f"{md5}-{len(segments)}", segments)

    @property
    def whole_md5(self) -> str | None:
        """The MD5 of all bytes together; None for a body in segments."""
        return None if "-" in self.md5 else self.md5

    @property
    def etag(self) -> str:
        """The ETag of S3 for this body, without quotes."""
        return self.md5


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is kept beside an object's bytes.

    `headers`: those of `CONTENT_HEADERS` that were given, names in lower case.
    `metadata`: the user's own pairs, names in lower case and without `x-amz-meta-`.
    `s3`: further headers of S3 that came with a PUT (storage class, tags, ...), names in lower
    case; an S3 store is given them unchanged, others have no use for them.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    s3: Mapping[str, str] = field(default_factory=dict)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Receipt:
    """How the external store knows an object that it has confirmed.

    `remote`: the driver's own handle, empty where the name is enough; the form-upload
    server chooses a file name, and this is where it is remembered.
    `etag`: the external store's ETag without quotes, empty when it gives none.
    `said`: what else it said of the write (version, encryption, ...): for its writer, not kept.
    """

    remote: str = ""
    etag: str = ""
    said: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of one object; `modified` carries a time zone. `etag` has no quotes."""

    name: ObjectName
    size: int
    etag: str
    modified: datetime
    attributes: Attributes = field(default_factory=Attributes)
    mode: Mode = Mode.EXTERNAL
    """Which store answered."""
    said: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What the external store said of a write just now, beyond the ETag: `Receipt.said`."""
    whole: bool = False
    """Whether `attributes` are all that it has: a list, for one, gives none."""


class Verdict(StrEnum):
    """What a condition makes of a write."""

    HOLDS = "holds"
    FAILS = "fails"
    NO_OBJECT = "there is no object that it could hold for"


@dataclass(frozen=True, slots=True)
class Precondition:
    """What must be true of an object for a write of it to be made (S3's conditional writes).

    `etags`: one of these, without quotes, must be the object's (`If-Match`); `*` is any; None:
    nothing is asked. `absent`: there must be no object (`If-None-Match: *`).
    """

    etags: frozenset[str] | None = None
    absent: bool = False

    def verdict(self, current: Collection[str] | None) -> Verdict:
        """`current`: all ETags that the object is known by now; None: there is no object."""
        if self.absent and current is not None:
            return Verdict.FAILS
        if self.etags is None:
            return Verdict.HOLDS
        if current is None:
            return Verdict.NO_OBJECT
        known = {etag for etag in current if etag}
        holds = "*" in self.etags or not self.etags.isdisjoint(known)
        return Verdict.HOLDS if holds else Verdict.FAILS


@dataclass(frozen=True, slots=True)
class BucketInfo:
    """A bucket, and when it was made (with a time zone)."""

    name: str
    created: datetime


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A resolved range of bytes: `start` and `stop` as in a slice, so `stop` is exclusive."""

    start: int
    stop: int

    @property
    def length(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class RangeRequest:
    """A range as it was asked for, before the object's size is known (RFC 9110, 14.1.2).

    `first` and `last` inclusive; `last` None: to the end; `first` None: the last `last` bytes.
    """

    first: int | None
    last: int | None

    def resolve(self, size: int) -> ByteRange | None:
        """The bytes meant, of an object of `size` bytes; None when it can't be satisfied."""
        if self.first is None:
            wanted = min(self.last or 0, size)
            return ByteRange(size - wanted, size) if wanted else None
        if self.first >= size:
            return None
        stop = size if self.last is None else min(self.last + 1, size)
        return ByteRange(self.first, stop)

    def header(self) -> str:
        """The value of the `Range` header that asks for this."""
        first = "" if self.first is None else self.first
        last = "" if self.last is None else self.last
        return f"bytes={first}-{last}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One acknowledged PUT or DELETE that the external store has not confirmed.

    `seq` orders all entries; `acked_at` and `not_before` are seconds since the epoch.
    `doubtful`: an attempt whose outcome we don't know may still land (I4).
    `fingerprint` is None for a DELETE.
    """

    seq: int
    name: ObjectName
    kind: EntryKind
    state: EntryState
    fingerprint: Fingerprint | None
    attributes: Attributes
    acked_at: float
    not_before: float = 0.0
    attempts: int = 0
    doubtful: bool = False
    error: str = ""
    receipt: Receipt = field(default_factory=Receipt)

    @property
    def size(self) -> int:
        return self.fingerprint.size if self.fingerprint else 0
