"""nobreak: a UPS for object storage."""

from nobreak.app import Nobreak
from nobreak.engine.store import Store
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
