"""Multipart upload of one large body: a few parts at once, each compared by its MD5.

An upload that fails or is cancelled is aborted in the background, so that nobody waits for a
server that may be dead (I5). Until it is completed it has no effect on the object, so only
the last request can leave a write in doubt (I4), and the abort fences a late one.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from nobreak.errors import ExternalError, OutageError, OutageKind, RefusedError
from nobreak.stores.external.base import Body
from nobreak.stores.external.s3_answers import not_s3, stored_etag
from nobreak.stores.external.s3_client import S3Client, read_answer
from nobreak.stores.external.s3_headers import etag_of, md5_of
from nobreak.stores.external.s3_xml import Element, XmlError, complete_upload, parse
from nobreak.stores.external.sending import arrived, exactly, hashed
from nobreak.words import ObjectName, Receipt

MIB = 1024 * 1024
MAX_PARTS = 10_000
ABORT_WITHIN = 5.0
PASSING_ERRORS = frozenset({"InternalError", "ServiceUnavailable", "SlowDown"})


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` to `stop` (exclusive); parts are numbered from one."""

    number: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class MultipartPlan:
    """When a body is sent in parts, and how. Sizes in bytes."""

    threshold: int = 64 * MIB
    part_size: int = 16 * MIB
    at_once: int = 3

    def parts(self, size: int) -> Iterator[Part]:
        """The parts of a body: larger ones where there would be too many."""
        step = max(self.part_size, -(-size // MAX_PARTS))
        starts = range(0, size, step)
        return (Part(number, at, min(at + step, size)) for number, at in enumerate(starts, 1))


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that the server has; `compared`: its ETag was the MD5 of what we sent."""

    etag: str
    md5: bytes
    compared: bool


class MultipartSender:
    """Sends large bodies, and aborts what it could not finish."""

    def __init__(self, client: S3Client, plan: MultipartPlan) -> None:
        self._client = client
        self._plan = plan
        self._aborts: set[asyncio.Task[None]] = set()

    async def put(
        self, name: ObjectName, body: Body, size: int, headers: Mapping[str, str]
    ) -> Receipt:
        """Send the body in parts; `headers` are the object's."""
        begun = asyncio.create_task(self._begin(name, headers))
        try:
            upload_id = await asyncio.shield(begun)  # or nobody knew what to abort
            sent = await self._send_all(name, upload_id, body, size)
            return await self._complete(name, upload_id, sent)
        except BaseException:
            self._abort_in_background(name, begun)
            raise

    async def aclose(self) -> None:
        """Give aborts under way a second, then drop them."""
        if self._aborts:
            await asyncio.wait(self._aborts, timeout=1.0)
        for abort in self._aborts:
            abort.cancel()

    async def _begin(self, name: ObjectName, headers: Mapping[str, str]) -> str:
        query = [("uploads", "")]
        async with self._client.call(
            "POST", name.bucket, name.key, query=query, headers=headers, data=b""
        ) as response:
            upload_id = _parsed(await read_answer(response), in_doubt=False).text_of("UploadId")
        if not upload_id:
            raise OutageError(OutageKind.BROKEN, "an upload without an id", in_doubt=False)
        return upload_id

    async def _send_all(
        self, name: ObjectName, upload_id: str, body: Body, size: int
    ) -> list[SentPart]:
        """All parts; the first failure stops the others and comes out as it is."""
        waiting = self._plan.parts(size)
        sent: dict[int, SentPart] = {}

        async def work() -> None:
            for part in waiting:
                sent[part.number] = await self._send(name, upload_id, body, part)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._plan.at_once):
                    group.create_task(work())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [sent[number] for number in sorted(sent)]

    async def _send(self, name: ObjectName, upload_id: str, body: Body, part: Part) -> SentPart:
        size = part.stop - part.start
        digest = hashlib.md5()
        chunks = await arrived(hashed(digest, exactly(size, body.chunks(part.start, part.stop))))
        query = [("partNumber", str(part.number)), ("uploadId", upload_id)]
        headers = {"content-length": str(size)}
        async with self._client.call(
            "PUT", name.bucket, name.key, query=query, headers=headers, data=chunks
        ) as response:
            stored_etag(response, in_doubt=False)
            etag, stated = response.headers["ETag"], md5_of(response.headers)
        if stated is not None and stated != digest.hexdigest():
            detail = f"part {part.number} arrived as {stated}, not {digest.hexdigest()}"
            raise OutageError(OutageKind.BROKEN, detail, in_doubt=False)
        return SentPart(etag, digest.digest(), compared=stated is not None)

    async def _complete(self, name: ObjectName, upload_id: str, sent: list[SentPart]) -> Receipt:
        """Make the parts one object. A 200 may still carry an error: S3 answers early."""
        query = [("uploadId", upload_id)]
        data = complete_upload([part.etag for part in sent])
        async with self._client.call(
            "POST", name.bucket, name.key, query=query, data=data, changes=True
        ) as response:
            answer = _parsed(await read_answer(response), in_doubt=True)
        if answer.tag == "Error":
            raise _refusal(answer.text_of("Code"), answer.text_of("Message"))
        etag = etag_of({"ETag": answer.text_of("ETag")})
        if answer.tag != "CompleteMultipartUploadResult" or not etag:
            raise not_s3("an upload completed without an ETag", in_doubt=True)
        expected = _composite_etag(sent)
        if all(part.compared for part in sent) and etag != expected:
            detail = f"the parts became {etag}, not {expected}"
            raise OutageError(OutageKind.BROKEN, detail, in_doubt=True)
        return Receipt(etag=etag)

    def _abort_in_background(self, name: ObjectName, begun: asyncio.Task[str]) -> None:
        abort = asyncio.create_task(self._abort(name, begun))
        self._aborts.add(abort)
        abort.add_done_callback(self._aborts.discard)

    async def _abort(self, name: ObjectName, begun: asyncio.Task[str]) -> None:
        with suppress(ExternalError, TimeoutError):
            async with asyncio.timeout(ABORT_WITHIN):
                query = [("uploadId", await begun)]
                async with self._client.call("DELETE", name.bucket, name.key, query=query):
                    pass


def _composite_etag(sent: list[SentPart]) -> str:
    """The ETag of a multipart object: the MD5 of its parts' MD5s, and their number."""
    digest = hashlib.md5(b"".join(part.md5 for part in sent)).hexdigest()
    return f"{digest}-{len(sent)}"


def _parsed(answer: bytes, *, in_doubt: bool) -> Element:
    try:
        return parse(answer)
    except XmlError as error:
        raise OutageError(OutageKind.BROKEN, str(error), in_doubt=in_doubt) from error


def _refusal(code: str, message: str) -> ExternalError:
    if code in PASSING_ERRORS:
        return OutageError(OutageKind.STATUS, f"{code}: {message}", in_doubt=True, status=200)
    return RefusedError(400, code, message)
