"""From rows to the values of `nobreak.words`, and back."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from nobreak.stores.interfaces import KeptSegment
from nobreak.words import (
    Attributes,
    Entry,
    EntryKind,
    EntryState,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    Receipt,
    Segment,
)

ENTRY_COLUMNS = (
    "seq, bucket, key, kind, state, size, md5, attributes, acked_at, not_before, "
    "attempts, doubtful OR doubt_until > 0, error, remote, etag"
)
SURROGATES = range(0xD800, 0xE000)
"""Code points that no UTF-8 text holds."""

OBJECT_COLUMNS = "bucket, key, size, our_etag, attributes, modified, remote, etag, whole"


def entry_from(row: Any) -> Entry:
    """An entry from `ENTRY_COLUMNS`."""
    seq, bucket, key, kind, state, size, md5, attributes, acked_at, not_before, *rest = row
    attempts, doubtful, error, remote, etag = rest
    return Entry(
        seq=seq,
        name=ObjectName(bucket, key),
        kind=EntryKind(kind),
        state=EntryState(state),
        fingerprint=None if md5 is None else Fingerprint(size, md5),
        attributes=attributes_from(attributes),
        acked_at=acked_at,
        not_before=not_before,
        attempts=attempts,
        doubtful=bool(doubtful),
        error=error,
        receipt=Receipt(remote, etag),
    )


def segment_from(row: Any) -> KeptSegment:
    """A segment from its file, size, MD5 and checksums."""
    file, size, md5, checksums = row
    return KeptSegment(file, Segment(size, md5, json.loads(checksums)))


def segment_row(seq: int, number: int, kept: KeptSegment) -> tuple[int, int, str, int, str, str]:
    """All columns of a segment."""
    segment = kept.segment
    return seq, number, kept.file, segment.size, segment.md5, json.dumps(dict(segment.checksums))


def object_from(row: Any) -> tuple[ObjectInfo, Receipt]:
    """An object and its receipt from `OBJECT_COLUMNS`."""
    bucket, key, size, our_etag, attributes, modified, remote, etag, whole = row
    info = ObjectInfo(
        ObjectName(bucket, key),
        size,
        our_etag,
        datetime.fromtimestamp(modified, UTC),
        attributes_from(attributes),
        whole=whole == 1,
    )
    return info, Receipt(remote, etag)


def attributes_text(attributes: Attributes) -> str:
    """Attributes as the text that is stored."""
    kinds = {
        "headers": attributes.headers,
        "metadata": attributes.metadata,
        "s3": attributes.s3,
    }
    kept = {kind: dict(pairs) for kind, pairs in kinds.items() if pairs}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def attributes_from(text: str) -> Attributes:
    """Attributes from the stored text."""
    return Attributes(**json.loads(text)) if text != "{}" else Attributes()


def prefix_end(prefix: str) -> str | None:
    """The first text after all that begin with `prefix`, by UTF-8 bytes; None: there is none."""
    for cut in range(len(prefix), 0, -1):
        point = ord(prefix[cut - 1]) + 1
        if SURROGATES.start <= point < SURROGATES.stop:
            point = SURROGATES.stop
        if point <= sys.maxunicode:
            return prefix[: cut - 1] + chr(point)
    return None
