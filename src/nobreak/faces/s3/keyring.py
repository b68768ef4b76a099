"""The key pairs that clients of the S3 face sign with, and what each of them may do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from nobreak.faces.s3.request import S3Error
from nobreak.printable import printable


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A pair and its limits.

    `buckets`: names or patterns (`*` any characters, `?` one); None: every bucket.
    """

    access_key: str
    secret: str = field(repr=False)
    read_only: bool = False
    buckets: tuple[str, ...] | None = None

    def reaches(self, bucket: str) -> bool:
        """Whether the limits leave this bucket to it."""
        return self.buckets is None or any(fnmatchcase(bucket, each) for each in self.buckets)


class KeyRing:
    """All pairs, by access key. Of two with the same access key the later one counts."""

    def __init__(self, pairs: Iterable[KeyPair]) -> None:
        self._pairs = {pair.access_key: pair for pair in pairs}

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyRing) and self._pairs == other._pairs

    __hash__ = None  # type: ignore[assignment]

    def pair(self, access_key: str) -> KeyPair:
        """The pair of this access key. Raises `S3Error` (`InvalidAccessKeyId`)."""
        found = self._pairs.get(access_key)
        if found is None:
            raise S3Error(
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
                extra={"AWSAccessKeyId": printable(access_key, 128)},
            )
        return found

    def visible(self, access_key: str) -> Callable[[str], bool] | None:
        """Which buckets this identity may know of; None: all of them."""
        pair = self.pair(access_key)
        return None if pair.buckets is None else pair.reaches

    def allowed(self, access_key: str, *, write: bool, bucket: str | None) -> bool:
        """Whether this identity may read from, or write to, a bucket.

        None for what concerns no bucket, such as the list of buckets: anyone may read that (of
        which the caller shows only buckets that are allowed), and only a pair without limits may
        write. An operation that touches two buckets, such as a copy, asks twice.
        """
        pair = self._pairs.get(access_key)
        if pair is None or (write and pair.read_only):
            return False
        if bucket is None:
            return not write or pair.buckets is None
        return pair.reaches(bucket)
