"""What is remembered of multipart uploads: those that clients began here, and ours over there.

Every upload of a client has an id of ours. Its parts are kept on this machine until it is
completed or aborted, so that it may go on, and end, while the external store is away. One contract
test suite (`tests/contract`) holds for every implementation. Times are seconds since the epoch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from nobreak.errors import NobreakError
from nobreak.stores.interfaces import Completion
from nobreak.words import Attributes, ObjectName, Segment


class NoUploadError(NobreakError):
    """The upload was completed or aborted meanwhile, or a part of it replaced."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload. `attributes` are those of the object that it is to become.

    `external`: the id of its twin on the external store, empty when none was begun there.
    `completion`: how it ended, None while it is under way.
    """

    id: str
    name: ObjectName
    attributes: Attributes
    begun_at: float
    external: str = ""
    completion: Completion | None = None


@dataclass(frozen=True, slots=True)
class UploadedPart:
    """A part that is kept here, in a fsynced `file`.

    `sent`: the ETag, quotes included, that the external store gave it; empty when it doesn't have
    it, or might have another one of this number.
    """

    number: int
    segment: Segment
    file: str
    kept_at: float
    sent: str = ""

    @property
    def modified(self) -> datetime:
        """When it was kept."""
        return datetime.fromtimestamp(self.kept_at, UTC)


class Uploads(Protocol):
    """The uploads of clients."""

    async def begin(self, upload: Upload) -> None:
        """Remember a new one."""

    def get(self, upload_id: str) -> Upload | None:
        """The upload of this id, also for a while after it was completed or aborted."""

    async def keep(self, upload_id: str, part: UploadedPart) -> tuple[str, ...]:
        """Remember a part; the files of the one that it replaces.

        A part that replaces another counts as not sent, whatever it says: nobody knows which of
        the two the external store has in the end. Raises `NoUploadError`.
        """

    def note_sent(self, upload_id: str, part: UploadedPart, etag: str) -> None:
        """The external store has this part, too; nobody waits for this to be written."""

    def parts(self, upload_id: str, *, after: int = 0, limit: int = 10_000) -> list[UploadedPart]:
        """Parts with a number above `after`, in order."""

    async def finish(
        self, completion: Completion, *, abandon: float | None = None
    ) -> tuple[str, ...]:
        """The upload has ended without an entry; the files of all its parts.

        `abandon`: when its twin is to be aborted; None when that is an object now. One that becomes an entry of the journal is finished by that: see `Draft.completes`.
        """

    async def abort(self, upload_id: str, now: float) -> tuple[str, ...]:
        """End an upload; the files of its parts. Its twin is to be aborted.

        For a while it is remembered, with a completion from nothing: nobody has to ask the
        external store for it.
        """

    def page(
        self, bucket: str, prefix: str, after: tuple[str, str], limit: int
    ) -> Sequence[Upload]:
        """Uploads under way, by key and then by id, those after this key and id."""

    def twins(self, bucket: str) -> frozenset[str]:
        """The ids of all uploads of this bucket that are ours on the external store."""

    def idle_since(self, time: float, limit: int) -> Sequence[Upload]:
        """Uploads under way that began, and got their last part, before `time`; oldest first."""

    async def expire(self, upload_id: str, idle_since: float, now: float) -> tuple[str, ...] | None:
        """As `abort`; None when it ended, or a part of it came, since it was found idle."""

    async def forget_completed(self, before: float) -> None:
        """Nobody will ask again for those that were completed or aborted before."""

    def needs(self, file: str) -> bool:
        """Whether a part needs this file. To be asked before `Journal.needs`: files go that way."""

    def bytes(self) -> int:
        """What all parts have together, in constant time."""


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload on the external store that nobody works on."""

    name: ObjectName
    upload_id: str


class OpenUploads(Protocol):
    """The uploads that we have open on the external store, so that none stays there for good.

    Also `nobreak.stores.external.s3_multipart.Register`, for those that a driver began.
    """

    async def opened(self, name: ObjectName, upload_id: str) -> None:
        """A driver began this one, and says so again with `renew` while it works on it."""

    async def renew(self, upload_id: str) -> None:
        """Somebody still works on it."""

    async def leave(self, upload_id: str) -> None:
        """Nobody works on it any more: it is to be aborted."""

    async def closed(self, upload_id: str) -> None:
        """It is an object now, or was aborted."""

    async def abandon(self, name: ObjectName, upload_id: str, due: float) -> None:
        """One of a client that is to be aborted at `due`."""

    async def postpone(self, upload_id: str, due: float) -> None:
        """It could not be aborted; not before `due` again."""

    def due(self, now: float, limit: int) -> Sequence[OpenUpload]:
        """Those that are to be aborted now, and those that nobody has renewed in time."""
