"""What a request for a list of objects asks for: ListObjects, versions 1 and 2."""

import re
from dataclasses import dataclass
from typing import TypeVar

from nobreak.faces.s3.folding import MAX_KEYS, Fold
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.tokens import Place, read_place

T = TypeVar("T")
_NUMBER = re.compile("[0-9]{1,10}")
_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The arguments of a list, as sent; None where one was not sent."""

    bucket: str
    version: int
    fold: Fold
    encode: bool = False
    """Whether keys are wanted percent-encoded (`encoding-type=url`)."""
    fetch_owner: bool = False
    marker: str | None = None
    start_after: str | None = None
    token: str | None = None
    place: Place | None = None
    """What the token stands for."""


def read_list_request(request: S3Request) -> ListRequest:
    """Understand ListObjects or ListObjectsV2.

    Raises `S3Error` `InvalidArgument`, also for a continuation token that is not ours.
    """
    version = 2 if request.argument("list-type") == "2" else 1
    marker = request.argument("marker") if version == 1 else None
    start_after = request.argument("start-after") if version == 2 else None  # noqa: PLR2004 - S3's
    token = request.argument("continuation-token") if version == 2 else None  # noqa: PLR2004 - S3's
    place = None if token is None else ours(read_place(token))
    return ListRequest(
        bucket=request.bucket or "",
        version=version,
        fold=Fold(
            prefix=request.argument("prefix") or "",
            delimiter=request.argument("delimiter") or "",
            after=place.last if place else marker or start_after or "",
            max_keys=read_number(request, "max-keys", MAX_KEYS),
        ),
        encode=read_encoding(request),
        fetch_owner=version == 1 or request.argument("fetch-owner") == "true",
        marker=marker,
        start_after=start_after,
        token=token,
        place=place,
    )


def read_number(request: S3Request, name: str, most: int) -> int:
    """An argument that limits a page: a number that is cut to `most`, which is the default."""
    text = request.argument(name)
    if not text:
        return most
    if not _NUMBER.fullmatch(text) or int(text) > _LARGEST:
        message = f"{name} is not a number from 0 to {_LARGEST}."
        raise S3Error("InvalidArgument", message, extra={"ArgumentName": name})
    return min(int(text), most)


def read_encoding(request: S3Request) -> bool:
    """Whether `encoding-type=url` was asked for. Raises `S3Error`."""
    wanted = request.argument("encoding-type")
    if wanted not in {None, "", "url"}:
        message = "The only encoding-type is url."
        raise S3Error("InvalidArgument", message, extra={"ArgumentName": "encoding-type"})
    return wanted == "url"


def ours(place: T | None) -> T:
    """What a continuation token of ours stands for. Raises `S3Error` when it is none."""
    if place is None:
        message = "The continuation token is not one of ours."
        raise S3Error("InvalidArgument", message, extra={"ArgumentName": "continuation-token"})
    return place
