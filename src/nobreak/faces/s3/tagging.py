"""Tags of objects: kept with an object that the journal holds, else the external store's."""

from collections.abc import Mapping
from contextlib import aclosing

from nobreak.app import Nobreak
from nobreak.engine.forwarding import Forwarding
from nobreak.errors import OutageError, OutageKind, RefusedError
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.incoming import MAX_XML_BYTES, Incoming
from nobreak.faces.s3.kept import tags_of
from nobreak.faces.s3.named import name_of
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.reads import NULL_VERSION
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.tags import write_tags_header
from nobreak.faces.s3.xml_in import read_tagging
from nobreak.faces.s3.xml_out import tagging
from nobreak.stores.external.s3_headers import TAGGING
from nobreak.words import Attributes, ObjectName

OK, NO_CONTENT = 200, 204
REFUSED = 300


class Tagging:
    """GetObjectTagging, PutObjectTagging and DeleteObjectTagging."""

    def __init__(self, nobreak: Nobreak, forwarding: Forwarding, passing: Passing) -> None:
        self._store = nobreak.store
        self._forwarding = forwarding
        self._passing = passing

    async def get(self, request: S3Request, body: Incoming) -> Answer:
        """GetObjectTagging."""
        if not self._is_here(request):
            return await self._passing.on(request, body)
        info = await self._store.head(name_of(request))
        return xml_answer(tagging(tags_of(info.attributes)))

    async def put(self, request: S3Request, body: Incoming) -> Answer:
        """PutObjectTagging."""
        if not self._is_here(request):
            return await self._passing.on(request, body)
        await self._write(request, read_tagging(await body.whole()))
        return Answer(OK)

    async def delete(self, request: S3Request, body: Incoming) -> Answer:
        """DeleteObjectTagging."""
        if not self._is_here(request):
            return await self._passing.on(request, body)
        await self._write(request, {})
        return Answer(NO_CONTENT)

    def _is_here(self, request: S3Request) -> bool:
        """Whether the journal has the newest version, and that is the one that is meant."""
        meant = request.argument("versionId") in {None, NULL_VERSION}
        return meant and self._forwarding.holds_back(name_of(request))

    async def _write(self, request: S3Request, tags: Mapping[str, str]) -> None:
        def tagged(old: Attributes) -> Attributes:
            others = {name: value for name, value in old.s3.items() if name != TAGGING}
            own = {TAGGING: write_tags_header(tags)} if tags else {}
            return Attributes(old.headers, old.metadata, {**others, **own})

        await self._store.reattribute(name_of(request), tagged)


async def external_tags(forwarding: Forwarding, name: ObjectName) -> dict[str, str]:
    """The tags of an object that the external store has. Raises `RefusedError`, `OutageError`."""
    sent = await forwarding.send("GET", name, query=[("tagging", "")], headers={}, data=None)
    content = bytearray()
    async with aclosing(sent):
        async for chunk in sent.chunks():
            content += chunk
            if len(content) > MAX_XML_BYTES:
                break
    if sent.status >= REFUSED:
        raise RefusedError(sent.status, "", "the tags of the source can't be read")
    try:
        return read_tagging(bytes(content))
    except S3Error as error:
        detail = "tags that can't be read"
        raise OutageError(OutageKind.BROKEN, detail, in_doubt=False) from error
