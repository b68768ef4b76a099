"""What a PUT says to S3 beyond bytes, content headers and metadata: kept, given on, given back."""

from collections.abc import Mapping

from nobreak.faces.s3.checksums import HEADER_PREFIX, NOT_VALUES
from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.request import S3Request
from nobreak.faces.s3.tags import read_tags_header
from nobreak.stores.external.s3_headers import STATED, TAGGING
from nobreak.words import Attributes

CHECKSUM_TYPE = "x-amz-checksum-type"
WHOLE = "FULL_OBJECT"
STORAGE_CLASS = "x-amz-storage-class"

KEPT = STATED | {
    "x-amz-acl",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write-acp",
    "x-amz-server-side-encryption-context",
    TAGGING,
}
"""What is kept with an object, and given to the external store later."""

_ENCRYPTION = "x-amz-server-side-encryption"


def kept_headers(request: S3Request) -> dict[str, str]:
    """What a PUT or copy asks to be kept. Raises `S3Error` for tags that can't be."""
    headers = effective_headers(request)
    if TAGGING in headers:
        read_tags_header(headers[TAGGING])
    return {name: value for name, value in headers.items() if name in KEPT}


def is_checksum(name: str) -> bool:
    """Whether this header's value is a checksum."""
    return name.startswith(HEADER_PREFIX) and name not in NOT_VALUES


def checksums_of(attributes: Attributes) -> dict[str, str]:
    """The headers with the checksum of a whole object, and what kind it is; empty without one."""
    found = {name: text for name, text in attributes.s3.items() if is_checksum(name)}
    return {**found, CHECKSUM_TYPE: attributes.s3.get(CHECKSUM_TYPE, WHOLE)} if found else {}


def tags_of(attributes: Attributes) -> dict[str, str]:
    """The tags of an object."""
    return read_tags_header(attributes.s3.get(TAGGING, ""))


def read_headers(attributes: Attributes) -> dict[str, str]:
    """What S3 says of these with the object itself."""
    found = {name: value for name, value in attributes.s3.items() if name in STATED}
    if found.get(STORAGE_CLASS) == "STANDARD":
        del found[STORAGE_CLASS]
    if tags := tags_of(attributes):
        found["x-amz-tagging-count"] = str(len(tags))
    return found


def write_headers(attributes: Attributes, said: Mapping[str, str]) -> dict[str, str]:
    """What the answer to a PUT says: what the external store `said`, else what it would say."""
    if said:
        return dict(said)
    found = {n: v for n, v in attributes.s3.items() if n in STATED and n.startswith(_ENCRYPTION)}
    return {**found, **checksums_of(attributes)}
