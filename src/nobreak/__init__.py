"""nobreak: a UPS for object storage."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nobreak.errors import (
    BodyMismatchError,
    CorruptBodyError,
    ExternalError,
    InvalidRequestError,
    LocalStoreError,
    NobreakError,
    NotFoundError,
    OutOfSpaceError,
    RangeNotSatisfiableError,
    RefusedError,
    SettingsError,
    UnavailableError,
    UnsupportedError,
)
from nobreak.settings import Settings, load_settings
from nobreak.words import (
    Attributes,
    ByteRange,
    Mode,
    ObjectInfo,
    ObjectName,
    Override,
    RangeRequest,
)

if TYPE_CHECKING:
    from nobreak.app import Nobreak
    from nobreak.engine.store import Store

_ON_DEMAND = {"Nobreak": "nobreak.app", "Store": "nobreak.engine.store"}
"""What brings the engine and its HTTP client along, which `nobreak status` does without."""


def __getattr__(name: str) -> Any:
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ON_DEMAND[name]), name)


__all__ = [
    "Attributes",
    "BodyMismatchError",
    "ByteRange",
    "CorruptBodyError",
    "ExternalError",
    "InvalidRequestError",
    "LocalStoreError",
    "Mode",
    "Nobreak",
    "NobreakError",
    "NotFoundError",
    "ObjectInfo",
    "ObjectName",
    "OutOfSpaceError",
    "Override",
    "RangeNotSatisfiableError",
    "RangeRequest",
    "RefusedError",
    "Settings",
    "SettingsError",
    "Store",
    "UnavailableError",
    "UnsupportedError",
    "load_settings",
]
