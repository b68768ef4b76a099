"""The fingerprint of bytes that were read back, of one piece or in segments."""

import hashlib
from collections.abc import Sequence

from nobreak.words import Fingerprint, Segment


class BodyDigest:
    """Finds the fingerprint of bytes that come by; with the boundaries of these segments, if any."""

    def __init__(self, segments: Sequence[Segment] = ()) -> None:
        self._sizes = iter([each.size for each in segments])
        self._left: int | None = next(self._sizes, None)
        self._size = 0
        self._digest = hashlib.md5()
        self._segments: list[Segment] = []
        self._within = 0

    def update(self, data: bytes) -> None:
        """Take bytes in."""
        view = memoryview(data)
        while self._left is not None and len(view) >= self._left - self._within:
            room = self._left - self._within
            self._add(view[:room])
            view = view[room:]
            self._segments.append(Segment(self._left, self._digest.hexdigest()))
            self._digest, self._within = hashlib.md5(), 0
            self._left = next(self._sizes, None)
            if self._left is None:
                break
        self._add(view)

    def _add(self, view: memoryview) -> None:
        self._digest.update(view)
        self._within += len(view)
        self._size += len(view)

    def fingerprint(self) -> Fingerprint:
        """That of all bytes so far."""
        self.update(b"")  # segments without bytes end here, too
        if not self._segments and self._left is None:
            return Fingerprint(self._size, self._digest.hexdigest())
        return Fingerprint.of_segments(tuple(self._segments))
