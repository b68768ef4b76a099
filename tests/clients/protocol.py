"""What every client is to the scenario: one call that does an operation, unsupported or failed.

The operations, all with `bucket`: put, get, multipart (`key`, `path`), range (`first`, `last`
too), list, delete (`key`), copy (`key`, `target`), presign_get, presign_put (`key`), parquet.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

PATIENCE = 90.0
"""After so long an operation is broken off (seconds)."""


class Unsupported(Exception):  # noqa: N818 - no error: the client can't do it, with any server
    """The client itself can't do this; the message says why."""


class Failed(Exception):  # noqa: N818 - what an application would see
    """What the client reported to the application."""


class Silent(Failed):
    """It did not come to an end while anybody had patience (seconds); it was ended then."""

    def __init__(self, patience: float) -> None:
        super().__init__(f"no end within {patience:g} s")


@dataclass(frozen=True, slots=True)
class Place:
    """Where to work, and as whom: all that a client is told. `folder` is its home."""

    endpoint: str
    access_key: str
    secret_key: str
    folder: Path


class Client(Protocol):
    """A client that was pointed to one endpoint."""

    version: str

    async def start(self) -> None: ...

    async def do(self, operation: str, **arguments: Any) -> Any:
        """Raises `Unsupported`, `Failed`."""

    async def close(self) -> None: ...
