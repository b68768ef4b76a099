"""From what was asked to parts and pages of uploads: the rules of multipart uploads. Pure.

Source: CompleteMultipartUpload, ListParts and ListMultipartUploads in the Amazon S3 API reference.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nobreak.faces.s3.folding import Fold
from nobreak.faces.s3.list_request import read_encoding, read_number
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.xml_in import MAX_PARTS, CompletedPart
from nobreak.faces.s3.xml_lists import UploadsPage
from nobreak.faces.s3.xml_out import Part
from nobreak.stores.external.s3_xml import ListedUpload, checksum_element
from nobreak.stores.uploads import UploadedPart
from nobreak.words import ObjectName

MIN_PART = 5 * 1024 * 1024
"""What all parts but the last have at least."""
MOST = 1000
_NUMBER = re.compile("[0-9]{1,5}")


def part_number(request: S3Request) -> int:
    """The number of the part that a request is about. Raises `S3Error`."""
    text = request.argument("partNumber") or ""
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_PARTS:
        message = f"Part number must be an integer between 1 and {MAX_PARTS}, inclusive"
        raise S3Error("InvalidArgument", message, extra={"ArgumentName": "partNumber"})
    return int(text)


def chosen_parts(
    asked: Sequence[CompletedPart], kept: Mapping[int, UploadedPart]
) -> list[UploadedPart]:
    """The parts that an upload is completed from. Raises `S3Error` as S3 does."""
    parts = []
    for each in asked:
        part = kept.get(each.number)
        if part is None or part.segment.md5 != each.etag.lower() or _differs(each, part):
            extra = {"PartNumber": str(each.number), "ETag": each.etag}
            raise S3Error("InvalidPart", extra=extra)
        parts.append(part)
    for part in parts[:-1]:
        if part.segment.size < MIN_PART:
            extra = {
                "ProposedSize": str(part.segment.size),
                "MinSizeAllowed": str(MIN_PART),
                "PartNumber": str(part.number),
                "ETag": part.segment.md5,
            }
            raise S3Error("EntityTooSmall", extra=extra)
    return parts


def _differs(asked: CompletedPart, part: UploadedPart) -> bool:
    """Whether a checksum is another one than we have; one that we don't have says nothing."""
    ours = {checksum_element(name): value for name, value in part.segment.checksums.items()}
    return any(ours.get(name, value) != value for name, value in asked.checksums.items())


def check_size(headers: Mapping[str, str], parts: Sequence[UploadedPart]) -> None:
    """`x-amz-mp-object-size` must be the size of the object. Raises `S3Error`."""
    stated = headers.get("x-amz-mp-object-size")
    total = sum(part.segment.size for part in parts)
    if stated is not None and stated.strip() != str(total):
        message = "The provided 'x-amz-mp-object-size' header does not match what was computed."
        raise S3Error("InvalidRequest", message)


def shown_part(part: UploadedPart) -> Part:
    """A part as ListParts shows it."""
    checksums = {checksum_element(name): text for name, text in part.segment.checksums.items()}
    return Part(part.number, part.segment.size, part.segment.md5, part.modified, checksums)


@dataclass(frozen=True, slots=True)
class UploadsRequest:
    """The arguments of ListMultipartUploads."""

    fold: Fold
    after: tuple[str, str]
    """Key and id that the page begins after; an empty id: after all uploads of the key."""
    encode: bool


def read_uploads_request(request: S3Request) -> UploadsRequest:
    """Understand ListMultipartUploads. Raises `S3Error`."""
    key_marker = request.argument("key-marker") or ""
    return UploadsRequest(
        fold=Fold(
            prefix=request.argument("prefix") or "",
            delimiter=request.argument("delimiter") or "",
            after=key_marker,
            max_keys=read_number(request, "max-uploads", MOST),
        ),
        after=(key_marker, request.argument("upload-id-marker") or ""),
        encode=read_encoding(request),
    )


def uploads_page(
    name: ObjectName, asked: UploadsRequest, uploads: Sequence[ListedUpload]
) -> UploadsPage:
    """One page of these, which may come in any order."""
    fold, (key_marker, id_marker) = asked.fold, asked.after
    shown: list[ListedUpload] = []
    prefixes: list[str] = []
    last, truncated = ("", ""), False
    for upload in sorted(uploads, key=lambda each: (each.key.encode(), each.upload_id)):
        rolled = fold.common_prefix(upload.key)
        if _is_before(rolled or upload.key, upload.upload_id, key_marker, id_marker):
            continue
        if rolled and rolled in prefixes[-1:]:
            continue
        if len(shown) + len(prefixes) >= fold.max_keys:
            truncated = fold.max_keys > 0
            break
        if rolled:
            prefixes.append(rolled)
        else:
            shown.append(upload)
        last = (rolled, "") if rolled else (upload.key, upload.upload_id)
    return UploadsPage(
        bucket=name.bucket,
        uploads=shown,
        common_prefixes=prefixes,
        prefix=fold.prefix,
        delimiter=fold.delimiter,
        key_marker=key_marker,
        upload_id_marker=id_marker,
        max_uploads=fold.max_keys,
        truncated=truncated,
        next_key_marker=last[0],
        next_upload_id_marker=last[1],
        encode=asked.encode,
    )


def _is_before(key: str, upload_id: str, key_marker: str, id_marker: str) -> bool:
    """Whether an element comes before the page that begins after these markers."""
    if key.encode() != key_marker.encode():
        return key.encode() < key_marker.encode()
    return bool(key_marker) and (not id_marker or upload_id <= id_marker)
