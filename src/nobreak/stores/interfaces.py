"""The small interfaces behind which journal, catalog and board stand.

One contract test suite (`tests/contract`) holds for every implementation. Methods that are not
`async` answer at once, without waiting for a disk or a network.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from nobreak.words import (
    Attributes,
    Entry,
    EntryKind,
    Fingerprint,
    Mode,
    ObjectInfo,
    ObjectName,
    Override,
    Precondition,
    Receipt,
    Segment,
)


@dataclass(frozen=True, slots=True)
class KeptSegment:
    """A segment of a body, in a fsynced file of its own."""

    file: str
    segment: Segment


@dataclass(frozen=True, slots=True)
class KeptBody:
    """Where the bytes of an entry are: `inline` in the journal, in a fsynced `file`, or in several.

    Exactly one of the three is set. `file` is the name that the body store gave.
    """

    inline: bytes | None = None
    file: str | None = None
    segments: tuple[KeptSegment, ...] = ()

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files."""
        whole = () if self.file is None else (self.file,)
        return (*whole, *(each.file for each in self.segments))


@dataclass(frozen=True, slots=True)
class Look:
    """What the external store said of a key just now: its ETags, or None for no object.

    `row`: the ETags of the key's catalog row before that look, None without a row. If another
    one is there by now, somebody wrote meanwhile, and the look is worth nothing.
    """

    etags: frozenset[str] | None
    row: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Condition:
    """What a write depends on, and what was seen for the case that the journal knows nothing."""

    precondition: Precondition
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """How a multipart upload ended. `request` identifies what it was completed from.

    `etag`, and `checksums` by the name of their header, are what its client was told; `at`:
    seconds since the epoch.
    """

    upload_id: str
    request: str
    etag: str
    at: float
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that is about to be appended. For a DELETE, `body` and `fingerprint` are None."""

    name: ObjectName
    kind: EntryKind
    attributes: Attributes = field(default_factory=Attributes)
    fingerprint: Fingerprint | None = None
    body: KeptBody | None = None
    doubtful: bool = False
    not_before: float = 0.0
    condition: Condition | None = None
    completes: Completion | None = None
    """The upload whose parts are the body's segments: it ends with the same commit."""
    only_after: int | None = None
    """The number of the newest entry of the key that may be there; 0: none may."""


@dataclass(frozen=True, slots=True)
class Alias:
    """An object that its writer knows by another ETag than the external store does."""

    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Appended:
    """The new entry, and what nobody needs now.

    `files` of entries that made way, which may still be read; `unused`: those of parts that its
    upload was not completed from.
    """

    entry: Entry
    files: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """The journal at a glance. `oldest_acked_at`: seconds since the epoch, None when empty."""

    entries: int = 0
    bytes: int = 0
    parked: int = 0
    oldest_acked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """What left the journal: the files of its bodies, and older entries that it superseded."""

    gone: bool
    """The entry itself has left; False when it stays to settle, or had left before."""
    files: tuple[str, ...] = ()
    superseded: tuple[Entry, ...] = ()


class Journal(Protocol):
    """The durable, ordered record of every acknowledged write that is not confirmed (I1, I3)."""

    async def append(self, draft: Draft, now: float) -> Appended:
        """Add an entry. It is durable when this returns; `OutOfSpaceError` when it can't be.

        An entry of the same key that only settles makes way: the new one inherits its doubt.
        A draft's condition is decided in the same transaction, whoever else writes: raises as
        `decide`, and nothing is changed then. So is `only_after`: raises `OvertakenError` when a
        newer entry is there. Raises `NoUploadError` when the upload that it completes, or a part
        of it, is gone.
        """

    def decide(self, name: ObjectName, condition: Condition) -> None:
        """Whether a condition holds now, by the newest entry, else by what is known of the key.

        Raises `PreconditionFailedError`, `NotFoundError` (no object that it could hold for) and
        `UndecidedError` when only the external store knows (I2).
        """

    def newest(self, name: ObjectName) -> Entry | None:
        """The newest entry of a key: what a read of it must answer (I2).

        It may be what one look in this turn of the event loop has found: see `look_anew`.
        """

    def look_anew(self) -> None:
        """From here on see what other processes have committed up to now, not only up to this turn."""

    def count(self, name: ObjectName) -> int:
        """How many entries a key has."""

    def get(self, seq: int) -> Entry | None:
        """The entry with this number, if it is still here."""

    def body(self, entry: Entry) -> KeptBody | None:
        """Where the bytes of a PUT are; None when the entry has left."""

    def ready(self, now: float, limit: int) -> Sequence[Entry]:
        """Entries that may be begun now: the first of each key, those due longest first.

        A bucket is made before anything happens in it, and deleted after everything that was to.
        """

    async def confirm(
        self, entry: Entry, receipt: Receipt, now: float, settle: float, *, anew: bool = False
    ) -> Left:
        """The external store holds exactly this version (I3).

        It leaves the journal and enters the catalog, unless it is doubtful and nothing newer
        waits: then it settles for `settle` seconds and is looked at again (I4). What is newer, or
        comes while it settles, takes over what is left of its doubt, and settles only that long.
        `anew`: the external store was away meanwhile, and what passed of the doubt counts as nothing.
        """

    async def forget(self, entry: Entry) -> Left:
        """A settled entry was found well: it leaves."""

    async def begin(self, entries: Sequence[Entry]) -> None:
        """These are about to be sent. Whoever dies now leaves them in doubt, and it is known."""

    async def withdraw(self, entries: Sequence[Entry]) -> None:
        """These were begun and will not be sent after all: nothing of them is in doubt."""

    async def resume(self) -> int:
        """What was begun and not ended is in doubt now (I4); how many entries these are."""

    async def defer(self, entry: Entry, *, not_before: float, error: str, in_doubt: bool) -> None:
        """It failed, for now. Replay it (again) when `not_before` has come."""

    async def park(self, entry: Entry, *, not_before: float, error: str) -> None:
        """The external store refused it. Kept, shown, tried again at `not_before` (I7)."""

    async def reattribute(self, entry: Entry, attributes: Attributes) -> Entry | None:
        """Give a PUT other attributes: it is sent (again) with these. The entry that it is now.

        None when it is not the newest of its key any more, or has left.
        """

    async def retry_parked(self) -> int:
        """Let all parked entries be tried at once; how many these are."""

    async def postpone_settling(self, until: float) -> None:
        """The external store was away: whatever settles, or took over doubt, begins to anew."""

    async def wait_at_most(self, until: float) -> int:
        """Nothing that may be replayed waits for later than `until`; how many entries did."""

    def needs(self, file: str) -> bool:
        """Whether an entry needs this body file."""

    def tally(self) -> Tally:
        """Counts and bytes, in constant time."""

    def entries(self, *, parked: bool, after: int, limit: int) -> Sequence[Entry]:
        """Entries in order, those with a number above `after`."""

    def bucket_entries(self) -> Sequence[Entry]:
        """The newest entry of each bucket that is made or deleted: those with an empty key."""

    def page(self, bucket: str, prefix: str, start_after: str, limit: int) -> Sequence[Entry]:
        """The newest entry of each key that begins with `prefix`, in the keys' byte order."""


class Catalog(Protocol):
    """What we know of the objects that the external store holds."""

    def get(self, name: ObjectName) -> tuple[ObjectInfo, Receipt] | None:
        """The object as the external store last confirmed it."""

    async def put(self, info: ObjectInfo, receipt: Receipt) -> None:
        """Remember an object; durable when this returns."""

    def put_soon(
        self, info: ObjectInfo, receipt: Receipt, untold: Callable[[], None] | None = None
    ) -> None:
        """Remember an object; durable with one of the next commits. `untold`: called if it can't be."""

    async def remove(self, name: ObjectName) -> None:
        """Forget an object that was deleted."""

    def alias(self, name: ObjectName) -> Alias | None:
        """The two ETags of an object, where they differ; costs next to nothing where none does."""

    def remove_soon(self, name: ObjectName, untold: Callable[[], None] | None = None) -> None:
        """Forget an object; durable with one of the next commits. `untold`: called if it can't be."""

    def page(
        self, bucket: str, prefix: str, start_after: str, limit: int
    ) -> Sequence[tuple[ObjectInfo, Receipt]]:
        """Objects whose key begins with `prefix`, in the keys' byte order."""


class GivenUp(Protocol):
    """Versions that any process asked the external store for, and gave up: they may land yet."""

    def note_soon(self, name: ObjectName, etag: str) -> None:
        """One more, for all to see with one of the next commits; an empty `etag` is a DELETE."""

    def has(self, name: ObjectName, etag: str) -> bool:
        """Whether it is one of them. The oldest are forgotten when they are very many."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What stands on the board: one machine, one mode (I6).

    `asked` counts the suspicions that live traffic raised, `answered` those that a check has
    looked into since. `checks` numbers the checks. `report` is what the monitor and the drain
    want others to see, ready for JSON.
    """

    mode: Mode = Mode.EXTERNAL
    override: Override = Override.AUTO
    use_external: bool = True
    trusted: bool = True
    breaks: int = 0
    """How often the checks have lost trust in the external store: who looks seldom sees it too."""
    asked: int = 0
    answered: int = 0
    crashed: bool = False
    """A process died lately: what it had under way may still land on any key (I4)."""
    suspicion: str = ""
    """What made live traffic suspicious last."""
    chosen_by: str = ""
    """Who changed the override last."""
    external: str = ""
    """The address of the external store that the journal is kept for."""
    leader: int = 0
    """Process id of the monitor; 0 when there was none yet."""
    failover: Mapping[str, object] = field(default_factory=dict)
    monitor: Mapping[str, object] = field(default_factory=dict)
    drain: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModeChange:
    """A change of mode: when (seconds since the epoch), to what, and why."""

    at: float
    mode: Mode
    reason: str


Decide = Callable[[Notice], tuple[Notice, ModeChange | None]]
"""From the present notice to the new one; a change of mode, if given, is recorded."""


class Board(Protocol):
    """Where all processes of a machine read the mode. Reading takes microseconds."""

    def read(self) -> Notice:
        """What stands there now."""

    async def update(self, decide: Decide) -> Notice:
        """Change the notice by what `decide` makes of the present one, in one transaction.

        Nobody else changes it between `decide`'s look and the change. Returns the new notice.
        """

    def changes_of_mode(self, limit: int) -> Sequence[ModeChange]:
        """The last changes of mode, newest first."""
