"""The driver for WebDAV (RFC 4918) and plain HTTP PUT servers.

Where an object lies: `dav_names`. How a write becomes visible, on a server with PROPFIND and
MOVE: the bytes go into a temporary file beside the target, which is then moved into its place.
A connection that breaks in mid-body, which leaves a cut file on many servers, thus never touches
the object; only the MOVE leaves doubt. Two things to know:

* The first MOVE does not overwrite. Only a target that was seen to be a file is overwritten,
  since servers replace a whole folder as willingly.
* Some servers (all that use Go's `x/net/webdav`, such as rclone) delete the target before they
  rename. A reader could meet that instant, so what is missing is looked for twice.

Elsewhere it is a plain PUT, and how a broken one looks to readers is up to that server. A
temporary file outlives its write only if the server can't be reached to delete it; names that
begin with `%tmp-` can be deleted by anybody at any time. Folders that became empty stay.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from nobreak.errors import (
    NobreakError,
    NotFoundError,
    OutageError,
    RefusedError,
    UnsupportedError,
)
from nobreak.stores.external.base import Body, Listing, Traits, pages_in_order
from nobreak.stores.external.dav_answers import not_kept, nothing_changed, stated_md5
from nobreak.stores.external.dav_folders import Folders
from nobreak.stores.external.dav_listing import Walk
from nobreak.stores.external.dav_names import TEMPORARY_PREFIX, segments_of
from nobreak.stores.external.dav_server import (
    CONFLICT,
    FORBIDDEN,
    PRECONDITION_FAILED,
    DavServer,
    Path,
)
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.reading import (
    ABSENT,
    HttpDownload,
    look,
    open_download,
    read_back,
)
from nobreak.words import (
    Attributes,
    Fingerprint,
    ObjectInfo,
    ObjectName,
    RangeRequest,
    Receipt,
)

T = TypeVar("T")

NO_FOLDER = ABSENT | {FORBIDDEN, CONFLICT, 500}
"""How servers answer a PUT into a folder that is not there; 500 is nginx's way."""

SWEEP_PAUSES = (0.0, 0.2, 2.0)
"""In seconds, before each attempt to delete a temporary file."""


class WebDavStore:
    """The `ExternalStore` at `base_url`, such as `http://host:8080/files`; Basic auth if given.

    It keeps bytes and at most a content type. It can list until the server says that it knows
    no PROPFIND.
    """

    def __init__(
        self, base_url: str, *, username: str = "", password: str = "", timeouts: Timeouts
    ) -> None:
        self._server = DavServer(base_url, username=username, password=password, timeouts=timeouts)
        self._folders = Folders(self._server)
        self._sweeps: set[asyncio.Task[None]] = set()

    @property
    def traits(self) -> Traits:
        return Traits(keeps_attributes=False, chooses_names=False, lists=self._server.finds)

    async def put(self, name: ObjectName, body: Body, attributes: Attributes) -> Receipt:
        path = segments_of(name)
        headers = {"Content-Type": attributes.content_type}
        if body.fingerprint is not None and body.fingerprint.whole_md5:
            # ownCloud, Nextcloud and others compare it, and answer 400 when it differs.
            headers["OC-Checksum"] = f"MD5:{body.fingerprint.md5}"
        with nothing_changed():
            await self._folders.ensure(path[:-1])
        if self._server.finds and self._server.moves and await self._put_aside(path, body, headers):
            return Receipt()
        etag, sure = await self._upload(path, body, headers)
        if not sure:
            await self._check_kept(name, await body.finished())
        return Receipt(etag=etag)

    async def get(
        self,
        name: ObjectName,
        *,
        range_: RangeRequest | None = None,
        receipt: Receipt | None,  # noqa: ARG002 - the signature is the protocol's
    ) -> HttpDownload:
        return await self._twice(lambda: self._open(name, range_))

    async def head(self, name: ObjectName, *, receipt: Receipt | None) -> ObjectInfo:  # noqa: ARG002 - the signature is the protocol's
        info, _ = await self._twice(lambda: self._look(name))
        return info

    async def delete(self, name: ObjectName, *, receipt: Receipt | None) -> None:  # noqa: ARG002 - the signature is the protocol's
        """Looks first: a folder of this name, with all that is in it, is not the object.

        Asks even a server that did not know PROPFIND before: whoever said so may have been
        a proxy on a bad day, and what a DELETE takes is gone.
        """
        path = segments_of(name)
        if not await self._is_no_file(path):
            await self._server.delete(path)

    async def list(self, bucket: str, *, prefix: str, start_after: str, limit: int) -> Listing:
        walk = Walk(self._server, bucket, prefix=prefix, start_after=start_after)
        objects: list[ObjectInfo] = []
        async for info in walk.objects():
            if len(objects) == limit:
                return Listing(tuple(objects), truncated=True)
            objects.append(info)
        return Listing(tuple(objects), truncated=False)

    def pages(self, bucket: str) -> AsyncIterator[Sequence[ObjectInfo]]:
        return pages_in_order(self, bucket)

    async def holds(self, name: ObjectName, fingerprint: Fingerprint, receipt: Receipt) -> bool:
        """By the server's MD5 where it states one, else by reading the bytes back."""
        try:
            info, headers = await self._twice(lambda: self._look(name))
            if info.size != fingerprint.size:
                return False
            stated = stated_md5(headers)
            if stated and fingerprint.whole_md5:
                return stated == fingerprint.whole_md5
            if info.etag == fingerprint.md5:
                return True  # an ETag of another kind would be no MD5, so it proves nothing else
            return await read_back(await self.get(name, receipt=receipt), fingerprint)
        except NotFoundError:
            return False

    async def ensure_bucket(self, bucket: str) -> None:
        """Folders are made when a first object needs them."""

    async def delete_bucket(self, bucket: str) -> None:
        """This kind of store has none."""

    async def aclose(self) -> None:
        for sweep in self._sweeps:
            sweep.cancel()
        await asyncio.gather(*self._sweeps, return_exceptions=True)
        await self._server.aclose()

    async def _check_kept(self, name: ObjectName, fingerprint: Fingerprint) -> None:
        """After a mere 200 to a PUT: the server has to show the bytes (I1)."""
        try:
            held = await self.holds(name, fingerprint, Receipt())
        except (OutageError, RefusedError) as error:
            raise not_kept(str(error)) from error
        if not held:
            raise not_kept("the bytes are not there")

    async def _put_aside(self, path: Path, body: Body, headers: Mapping[str, str]) -> bool:
        """Upload beside the target and move; False when this server can't move."""
        temporary = (*path[:-1], TEMPORARY_PREFIX + secrets.token_hex(16))
        moved = False
        try:
            with nothing_changed():
                await self._upload(temporary, body, headers)
            moved = await self._move(temporary, path)
            return moved
        finally:
            if not moved:
                self._sweep(temporary)

    async def _move(self, source: Path, target: Path) -> bool:
        """Put a file into its place; False when the server can't move, or not this file."""
        try:
            try:
                await self._server.move(source, target, overwrite=False)
            except RefusedError as error:
                if error.status != PRECONDITION_FAILED:
                    raise
                await self._refuse_folder(target)
                await self._server.move(source, target, overwrite=True)
        except UnsupportedError:
            return False
        except RefusedError as error:
            if error.status != FORBIDDEN:
                raise
            return False  # rclone, over a storage that can't rename
        return True

    async def _refuse_folder(self, path: Path) -> None:
        found = await self._server.find(path)
        if found is not None and found.is_folder:
            raise RefusedError(CONFLICT, "Conflict", f"{'/'.join(path)} is a folder")

    async def _upload(self, path: Path, body: Body, headers: Mapping[str, str]) -> tuple[str, bool]:
        """PUT; a folder that is missing after all is made, and the PUT sent once more."""
        try:
            return await self._server.upload(path, body, headers)
        except (RefusedError, OutageError) as error:
            if error.status not in NO_FOLDER or not await self._folders.mend(path[:-1]):
                raise
        return await self._server.upload(path, body, headers)

    def _sweep(self, temporary: Path) -> None:
        """Delete a temporary file without letting anybody wait for that.

        Several times: rclone brings a cut file back a moment after the connection broke.
        """

        async def sweep() -> None:
            for pause in SWEEP_PAUSES:
                await asyncio.sleep(pause)
                with suppress(NobreakError):
                    await self._server.delete(temporary)

        task = asyncio.create_task(sweep())
        self._sweeps.add(task)
        task.add_done_callback(self._sweeps.discard)

    async def _open(self, name: ObjectName, range_: RangeRequest | None) -> HttpDownload:
        path = segments_of(name)
        url, credentials = self._server.url(path), self._server.credentials
        try:
            download = await open_download(
                self._server.http, url, name, range_=range_, headers=credentials
            )
        except RefusedError:
            await self._raise_for_folder(name, path)
            raise
        try:
            await self._distrust_pages(download.info, path)
        except BaseException:
            await download.aclose()
            raise
        return download

    async def _look(self, name: ObjectName) -> tuple[ObjectInfo, Mapping[str, str]]:
        path = segments_of(name)
        try:
            info, headers = await look(
                self._server.http, self._server.url(path), name, self._server.credentials
            )
        except RefusedError:
            await self._raise_for_folder(name, path)
            raise
        await self._distrust_pages(info, path)
        return info, headers

    async def _distrust_pages(self, info: ObjectInfo, path: Path) -> None:
        """A page in HTML may be the server's own, about a folder of this name."""
        if info.attributes.content_type.startswith("text/html"):
            await self._raise_for_folder(info.name, path)

    async def _raise_for_folder(self, name: ObjectName, path: Path) -> None:
        """A folder of this name, which servers answer in many ways, is not the object."""
        if await self._is_no_file(path):
            raise NotFoundError(name)

    async def _is_no_file(self, path: Path) -> bool:
        """Whether there is surely no file; False on servers that can't tell."""
        try:
            found = await self._server.find(path)
        except UnsupportedError:
            return False
        return found is None or found.is_folder

    async def _twice(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read again what is missing: it may have been in the middle of a MOVE."""
        try:
            return await read()
        except NotFoundError:
            if not self._server.moves:
                raise
        return await read()
