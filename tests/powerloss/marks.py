"""What clients and the external store saw, as the recorded process writes it down as it happens."""

import json
import os
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path


class Sort(StrEnum):
    """`BEGIN`, `ACK`: a client's operation. `SENT`, `LANDED`: a request to the external store.

    `OPEN`, `CLOSED`: the engine.
    """

    BEGIN = "begin"
    ACK = "ack"
    SENT = "sent"
    LANDED = "landed"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class Mark:
    """`what`: put, delete, begin-upload, part, complete, abort, make-bucket, delete-bucket, mode, index.

    `number` tells operations and requests apart. `key`: of an object; the upload's of a part, the
    bucket's name, or the mode. `version`: the MD5 of the bytes, with tags after a space, or `there` for a bucket; empty:
    no object. `upload`: its id, once known, and `part` a part's number.
    """

    sort: Sort
    number: int = 0
    what: str = ""
    key: str = ""
    version: str = ""
    upload: str = ""
    part: int = 0


class Marks:
    """Writes marks to a file that the recording reads along with the process's calls."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._count = 0

    def number(self) -> int:
        """A new number for an operation."""
        self._count += 1
        return self._count

    def write(self, mark: Mark) -> None:
        """One call for each mark."""
        os.write(self._descriptor, json.dumps(asdict(mark)).encode() + b"\n")


def parsed(text: bytes) -> Mark:
    """A mark as it was written."""
    found = json.loads(text)
    return Mark(**{**found, "sort": Sort(found["sort"])})
