"""The checksums that a client may send with a body, in a header or in a trailer.

Source: "Checking object integrity in Amazon S3" in the Amazon S3 user guide.
"""

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any, Protocol

from nobreak.faces.s3.request import S3Error

HEADER_PREFIX = "x-amz-checksum-"
NOT_VALUES = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"})
"""Headers that begin like a checksum and are none."""


class Algorithm(StrEnum):
    """The name of a checksum, as in `x-amz-sdk-checksum-algorithm`."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    MD5 = "MD5"
    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"
    XXHASH3 = "XXHASH3"
    XXHASH64 = "XXHASH64"
    XXHASH128 = "XXHASH128"

    @property
    def header(self) -> str:
        """`x-amz-checksum-crc32`, ..., also the name of the trailer."""
        return HEADER_PREFIX + self.lower()

    @property
    def text_length(self) -> int:
        """How many characters its value has, in base64."""
        return 4 * -(-_HASHERS[self][0] // 3)


BY_HEADER = MappingProxyType({each.header: each for each in Algorithm})


class Hasher(Protocol):
    """A checksum being computed."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class Crc:
    """A CRC as a `Hasher`; its digest has `size` bytes, the highest first."""

    __slots__ = ("_function", "_size", "_value")

    def __init__(self, function: Callable[[bytes, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class XxHash:
    """One of the XXHash family as a `Hasher`; its digest can be asked for once."""

    __slots__ = ("_native",)

    def __init__(self, native: Any) -> None:
        self._native = native

    def update(self, data: bytes) -> None:
        self._native.update(data)

    def digest(self) -> bytes:
        return bytes(self._native.finalize())


@cache
def _crt() -> ModuleType:
    """The module of the fast checksums: loaded when a client first sends one of these."""
    return import_module("awscrt.checksums")


_HASHERS: Mapping[Algorithm, tuple[int, Callable[[], Hasher]]] = {
    Algorithm.CRC32: (4, lambda: Crc(zlib.crc32, 4)),
    Algorithm.CRC32C: (4, lambda: Crc(_crt().crc32c, 4)),
    Algorithm.CRC64NVME: (8, lambda: Crc(_crt().crc64nvme, 8)),
    Algorithm.MD5: (16, hashlib.md5),
    Algorithm.SHA1: (20, hashlib.sha1),
    Algorithm.SHA256: (32, hashlib.sha256),
    Algorithm.SHA512: (64, hashlib.sha512),
    Algorithm.XXHASH3: (8, lambda: XxHash(_crt().XXHash.new_xxhash3_64())),
    Algorithm.XXHASH64: (8, lambda: XxHash(_crt().XXHash.new_xxhash64())),
    Algorithm.XXHASH128: (16, lambda: XxHash(_crt().XXHash.new_xxhash3_128())),
}


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum of a whole body."""

    algorithm: Algorithm
    value: bytes

    @property
    def text(self) -> str:
        """In base64, as in headers and XML."""
        return base64.b64encode(self.value).decode()


def hasher(algorithm: Algorithm) -> Hasher:
    """A new one, of nothing yet."""
    return _HASHERS[algorithm][1]()


def from_base64(text: str, algorithm: Algorithm) -> bytes | None:
    """A digest of the right length; None when it isn't one."""
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if len(value) == _HASHERS[algorithm][0] else None


def checksum(name: str, text: str) -> Checksum:
    """The checksum in a header or trailer. Raises `S3Error` (`InvalidRequest`)."""
    value = from_base64(text, BY_HEADER[name])
    if value is None:
        raise S3Error("InvalidRequest", f"Value for {name} header is invalid.")
    return Checksum(BY_HEADER[name], value)


def checksum_header(headers: Mapping[str, str]) -> Checksum | None:
    """The checksum that came as a header; there is at most one. Raises `S3Error`."""
    names = [name for name in headers if name.startswith(HEADER_PREFIX)]
    names = [name for name in names if name not in NOT_VALUES]
    if any(name not in BY_HEADER for name in names):
        raise S3Error("NotImplemented", "This kind of checksum is not supported.")
    if len(names) > 1:
        raise _several()
    return checksum(names[0], headers[names[0]]) if names else None


def checksum_trailer(headers: Mapping[str, str]) -> Algorithm | None:
    """The kind of checksum that `x-amz-trailer` announces; there is at most one.

    Raises `S3Error` (`InvalidRequest`), also when it announces anything else.
    """
    announced = headers.get("x-amz-trailer", "").lower().split(",")
    names = [name.strip() for name in announced if name.strip()]
    if any(name not in BY_HEADER for name in names):
        raise S3Error(
            "InvalidRequest", "The value specified in the x-amz-trailer header is not supported"
        )
    if len(names) > 1:
        raise _several()
    return BY_HEADER[names[0]] if names else None


def require_promised(headers: Mapping[str, str], found: Algorithm | None) -> None:
    """`x-amz-sdk-checksum-algorithm` must name the checksum that is there. Raises `S3Error`."""
    promised = headers.get("x-amz-sdk-checksum-algorithm")
    if promised is None:
        return
    if found is None:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* "
            "or x-amz-trailer headers were found.",
        )
    if promised.upper() != found:
        raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")


def _several() -> S3Error:
    return S3Error(
        "InvalidRequest",
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    )
