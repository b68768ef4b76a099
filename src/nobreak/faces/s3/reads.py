"""Reads of objects: as the external store answers them, or from the journal."""

from collections.abc import Sequence

from nobreak.app import Nobreak
from nobreak.core.routing import Operation
from nobreak.engine.forwarding import AWAY, Forwarding
from nobreak.errors import OutageError, UnavailableError
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.conditions import is_not_modified, resolved_range, wanted_range
from nobreak.faces.s3.hoisting import effective_headers
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.kept import checksums_of
from nobreak.faces.s3.named import name_of
from nobreak.faces.s3.object_headers import overrides, response_headers, version_headers
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.xml_attributes import read_wanted, write_attributes
from nobreak.words import ByteRange, Mode, ObjectInfo, RangeRequest, Segment

NOT_MODIFIED, PARTIAL, OK = 304, 206, 200
NULL_VERSION = "null"
"""What an object has that was written where versions are not kept."""
MOST_PARTS = 10_000


class Reads:
    """GetObject, HeadObject and GetObjectAttributes."""

    def __init__(self, nobreak: Nobreak, forwarding: Forwarding, passing: Passing) -> None:
        self._store = nobreak.store
        self._forwarding = forwarding
        self._passing = passing

    async def get(self, request: S3Request, body: Incoming) -> Answer:
        """GetObject."""
        tried = False
        if self._asks_external(request):
            answer = await self._passed(request, body, Operation.GET)
            if answer is not None:
                return answer
            tried = True
        while True:
            info = await self._store.head(name_of(request), tried=tried)
            if is_not_modified(request.headers, info):
                return Answer(NOT_MODIFIED, version_headers(info))
            asked = self._asked(request, info)
            status, headers = _head(request, info, asked)
            reading = await self._store.get(info.name, range_=asked, tried=tried)
            if reading.info.etag == info.etag:
                return Answer(status, headers, reading.chunks(), reading.aclose)
            await reading.aclose()  # overwritten between the two looks

    async def head(self, request: S3Request, body: Incoming) -> Answer:
        """HeadObject."""
        tried = False
        if self._asks_external(request):
            answer = await self._passed(request, body, Operation.HEAD)
            if answer is not None:
                return answer
            tried = True
        info = await self._store.head(name_of(request), tried=tried)
        if is_not_modified(request.headers, info):
            return Answer(NOT_MODIFIED, version_headers(info))
        return Answer(*_head(request, info, self._asked(request, info)))

    async def _passed(
        self, request: S3Request, body: Incoming, operation: Operation
    ) -> Answer | None:
        """The external store's answer; None where it failed, and what is known here answers as well."""
        try:
            return await self._passing.on(request, body, of_object=True)
        except OutageError:
            meant = request.argument("versionId") in {None, NULL_VERSION}
            if not meant or not self._store.answers(operation, name_of(request)):
                raise
            return None

    async def attributes(self, request: S3Request, body: Incoming) -> Answer:
        """GetObjectAttributes."""
        if self._asks_external(request):
            return await self._passing.on(request, body)
        wanted = read_wanted(effective_headers(request))
        info = await self._store.head(name_of(request))
        segments = self._segments(info) if "ObjectParts" in wanted else ()
        if "Checksum" in wanted and self._is_theirs(info) and not checksums_of(info.attributes):
            raise UnavailableError(f"{info.name}: {AWAY}")
        content = write_attributes(info, wanted, segments)
        answer = xml_answer(content)
        modified = version_headers(info)["last-modified"]
        return Answer(OK, {**answer.headers, "last-modified": modified}, content)

    def _asks_external(self, request: S3Request) -> bool:
        """Whether a read is the external store's to answer."""
        if request.argument("versionId") not in {None, NULL_VERSION}:
            return True
        return self._forwarding.possible and not self._forwarding.holds_back(name_of(request))

    def _asked(self, request: S3Request, info: ObjectInfo) -> RangeRequest | None:
        """The range that is asked for, as such or as a part. Raises `S3Error`."""
        part = request.argument("partNumber")
        if part is None:
            return wanted_range(request.headers, info)
        if "range" in request.headers:
            raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber.")
        return part_range(part, info, [each.size for each in self._segments(info)])

    def _segments(self, info: ObjectInfo) -> Sequence[Segment]:
        """The parts that it came in. Raises `UnavailableError` when only the external store knows."""
        if self._is_theirs(info) and "-" in info.etag:
            raise UnavailableError(f"{info.name}: {AWAY}")
        return self._store.segments(info.name)

    def _is_theirs(self, info: ObjectInfo) -> bool:
        """Whether an S3 server has more to say of it than the catalog, which has answered."""
        return self._forwarding.to_s3 and info.mode is Mode.EXTERNAL


def part_range(text: str, info: ObjectInfo, sizes: list[int]) -> RangeRequest | None:
    """The bytes of a part; an object that came whole is one part. Raises `S3Error`."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len("10000") else 0
    if not 1 <= number <= MOST_PARTS:
        message = f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive"
        raise S3Error("InvalidArgument", message)
    sizes = sizes or [info.size]
    if number > len(sizes):
        raise S3Error("InvalidPartNumber")
    start = sum(sizes[: number - 1])
    return RangeRequest(start, start + sizes[number - 1] - 1) if info.size else None


def _head(
    request: S3Request, info: ObjectInfo, asked: RangeRequest | None
) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer. Raises `RangeNotSatisfiableError`, `S3Error`."""
    part: ByteRange | None = resolved_range(asked, info) if asked else None
    headers = response_headers(info, part)
    mode = request.headers.get("x-amz-checksum-mode", "")
    if part is None and mode.upper() == "ENABLED":
        headers |= checksums_of(info.attributes)
    return PARTIAL if part else OK, {**headers, **overrides(request)}
