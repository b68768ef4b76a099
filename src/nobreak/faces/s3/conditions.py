"""Conditional requests and ranges as S3 has them.

The order of precedence is RFC 9110's (13.2.2), which is also S3's: "Conditional requests" in the
Amazon S3 user guide, GetObject and CopyObject in its API reference. S3 takes ETags without
quotes as well. `also`, everywhere: further ETags that a client may know the object by, such as
the one that it was given in an outage.
"""

import re
from collections.abc import Collection, Mapping

from nobreak.errors import RangeNotSatisfiableError
from nobreak.faces.http_conditions import Conditions, Verdict, etags_in, range_of
from nobreak.faces.s3.request import S3Error
from nobreak.words import ByteRange, ObjectInfo, Precondition, RangeRequest

_COPY_SOURCE = "x-amz-copy-source-"
_BARE_TAG = re.compile(r'[^\s",*]+')
_COPY_RANGE = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})")


def is_not_modified(
    headers: Mapping[str, str], info: ObjectInfo, *, also: Collection[str] = ()
) -> bool:
    """Whether a GET or HEAD is answered with 304. Raises `S3Error` `PreconditionFailed`."""
    verdict = Conditions(_with_quotes(headers)).verdict(info, also)
    if verdict is Verdict.FAILED:
        raise _failed("if-match" if "if-match" in headers else "if-unmodified-since")
    return verdict is Verdict.NOT_MODIFIED


def check_copy_source(
    headers: Mapping[str, str], info: ObjectInfo, *, also: Collection[str] = ()
) -> None:
    """The `x-amz-copy-source-if-*` headers: one that fails is a `PreconditionFailed`."""
    conditions = {
        name.removeprefix(_COPY_SOURCE): value
        for name, value in headers.items()
        if name.startswith(_COPY_SOURCE + "if-")
    }
    verdict = Conditions(_with_quotes(conditions)).verdict(info, also)
    if verdict is not Verdict.PROCEED:
        raise _failed(*(_COPY_SOURCE + name for name in conditions))


def precondition(headers: Mapping[str, str]) -> Precondition | None:
    """`If-Match` and `If-None-Match` of a write or delete; None without either.

    Raises `S3Error` `NotImplemented` for `If-None-Match` with anything but `*`, as S3 does.
    """
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    if unwanted is not None and unwanted.strip() != "*":
        raise S3Error("NotImplemented", "If-None-Match of a write can only be *.")
    if wanted is None and unwanted is None:
        return None
    etags = None if wanted is None else frozenset(etags_in(_quoted(wanted)))
    return Precondition(etags, absent=unwanted is not None)


def wanted_range(headers: Mapping[str, str], info: ObjectInfo) -> RangeRequest | None:
    """The one range wanted of this object; None, and so all of it, for several or nonsense."""
    asked = range_of(headers.get("range"))
    return asked if asked and Conditions(headers).allow_range(info) else None


def resolved_range(asked: RangeRequest | None, info: ObjectInfo) -> ByteRange:
    """The bytes meant. Raises `RangeNotSatisfiableError`."""
    found = ByteRange(0, info.size) if asked is None else asked.resolve(info.size)
    if found is None:
        raise RangeNotSatisfiableError(info.name, info.size)
    return found


def copy_source_range(headers: Mapping[str, str], info: ObjectInfo) -> ByteRange:
    """The bytes that UploadPartCopy takes from its source. Raises `S3Error`."""
    header = headers.get(_COPY_SOURCE + "range")
    if header is None:
        return ByteRange(0, info.size)
    match = _COPY_RANGE.fullmatch(header.strip())
    first, last = (int(match[1]), int(match[2])) if match else (1, 0)
    if first > last:
        message = "x-amz-copy-source-range is not bytes=first-last."
        raise S3Error("InvalidArgument", message)
    if last >= info.size:
        raise S3Error("InvalidRange", extra={"ActualObjectSize": str(info.size)})
    return ByteRange(first, last + 1)


def _failed(*names: str) -> S3Error:
    shown = ", ".join("-".join(map(str.capitalize, name.split("-"))) for name in names)
    return S3Error("PreconditionFailed", extra={"Condition": shown})


def _with_quotes(headers: Mapping[str, str]) -> Mapping[str, str]:
    return {
        name: _quoted(value) if name in {"if-match", "if-none-match"} else value
        for name, value in headers.items()
    }


def _quoted(header: str) -> str:
    """A header of ETags with quotes around them, where it has none."""
    return header if '"' in header else _BARE_TAG.sub(r'"\g<0>"', header)
