"""Checksums of multipart uploads: of each part, and what they make of the whole. Pure.

An upload may choose a kind of checksum when it begins. Then each part has one, computed here where
the client sent none, and the object's is made of theirs: `COMPOSITE`, the checksum of checksums, or
`FULL_OBJECT`, that of all bytes. Source: "Checking object integrity" in the Amazon S3 user guide.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from nobreak.faces.s3.checksums import Algorithm, checksum_header, checksum_trailer, hasher
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.stores.uploads import UploadedPart

ALGORITHM, TYPE = "x-amz-checksum-algorithm", "x-amz-checksum-type"
COMPOSITE, FULL_OBJECT = "COMPOSITE", "FULL_OBJECT"
_TYPES: Mapping[Algorithm, frozenset[str]] = {
    Algorithm.CRC32: frozenset({COMPOSITE, FULL_OBJECT}),
    Algorithm.CRC32C: frozenset({COMPOSITE, FULL_OBJECT}),
    Algorithm.CRC64NVME: frozenset({FULL_OBJECT}),
    Algorithm.SHA1: frozenset({COMPOSITE}),
    Algorithm.SHA256: frozenset({COMPOSITE}),
}


def chosen_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What CreateMultipartUpload chooses, the default type filled in. Raises `S3Error`."""
    named, type_ = headers.get(ALGORITHM), headers.get(TYPE)
    if named is None:
        if type_ is not None:
            raise S3Error("InvalidRequest", f"{TYPE} needs {ALGORITHM}.")
        return {}
    algorithm = next((each for each in _TYPES if each == named.upper()), None)
    if algorithm is None:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    if type_ is None:
        type_ = FULL_OBJECT if algorithm is Algorithm.CRC64NVME else COMPOSITE
    if type_.upper() not in _TYPES[algorithm]:
        message = f"The {type_.upper()} checksum type cannot be used with {algorithm}."
        raise S3Error("InvalidRequest", message)
    return {ALGORITHM: algorithm.value, TYPE: type_.upper()}


def chosen(headers: Mapping[str, str]) -> Algorithm | None:
    """The kind of checksum that an upload with these headers has chosen."""
    return Algorithm(headers[ALGORITHM]) if ALGORITHM in headers else None


class PartChecksum:
    """The checksum of one part: the client's own kind, or the one that its upload has chosen.

    `known`: it stands in the request's head. Raises `S3Error` for another kind than was chosen.
    """

    def __init__(self, request: S3Request, choice: Algorithm | None) -> None:
        stated = checksum_header(request.headers)
        sent = stated.algorithm if stated else checksum_trailer(request.headers)
        if sent and choice and sent is not choice:
            message = (
                f"Checksum Type mismatch occurred, expected checksum Type: {choice.lower()}, "
                f"actual checksum Type: {sent.lower()}"
            )
            raise S3Error("InvalidRequest", message)
        self._algorithm = choice or sent
        self._hasher = hasher(self._algorithm) if self._algorithm and not stated else None
        self._headers = {stated.algorithm.header: stated.text} if stated else {}
        self.known = self._hasher is None

    def update(self, piece: bytes) -> None:
        """Bytes of the part go by."""
        if self._hasher is not None:
            self._hasher.update(piece)

    def headers(self) -> Mapping[str, str]:
        """By the name of the header; to be asked when all bytes have gone by."""
        if self._hasher is not None and self._algorithm is not None:
            value = base64.b64encode(self._hasher.digest()).decode()
            self._headers, self._hasher = {self._algorithm.header: value}, None
        return self._headers


def whole_checksum(choice: Mapping[str, str], parts: Sequence[UploadedPart]) -> dict[str, str]:
    """The headers with the object's checksum; empty where none was chosen."""
    algorithm = chosen(choice)
    if algorithm is None:
        return {}
    values = [base64.b64decode(part.segment.checksums[algorithm.header]) for part in parts]
    if choice[TYPE] == FULL_OBJECT:
        text = base64.b64encode(_combined(algorithm, values, parts)).decode()
    else:
        digest = hasher(algorithm)
        digest.update(b"".join(values))
        text = f"{base64.b64encode(digest.digest()).decode()}-{len(parts)}"
    return {algorithm.header: text, TYPE: choice[TYPE]}


def _combined(algorithm: Algorithm, values: list[bytes], parts: Sequence[UploadedPart]) -> bytes:
    """The CRC of all bytes, from those of the parts."""
    native = import_module("awscrt.checksums")
    combine: Callable[[int, int, int], int] = getattr(native, f"combine_{algorithm.lower()}")
    total = int.from_bytes(values[0], "big")
    for value, part in zip(values[1:], parts[1:], strict=True):
        total = combine(total, int.from_bytes(value, "big"), part.segment.size)
    return total.to_bytes(len(values[0]), "big")


def check_stated(headers: Mapping[str, str], found: Mapping[str, str]) -> None:
    """What CompleteMultipartUpload says of the object must be so. Raises `S3Error`."""
    if TYPE in headers and headers[TYPE].upper() != found.get(TYPE, headers[TYPE].upper()):
        raise S3Error("InvalidRequest", f"The upload was begun with another {TYPE}.")
    for algorithm in _TYPES:
        stated, computed = headers.get(algorithm.header), found.get(algorithm.header)
        if stated is None or computed is None:
            continue
        if stated not in {computed, computed.partition("-")[0]}:
            message = f"The {algorithm} you specified did not match the calculated checksum."
            raise S3Error("BadDigest", message)
