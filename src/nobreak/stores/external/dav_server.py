"""The requests of WebDAV (RFC 4918) that the driver needs, one method each.

Paths are tuples of path segments below the base URL, as `dav_names` makes them.
"""

from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from urllib.parse import unquote_to_bytes, urlsplit

from nobreak.errors import OutageError, OutageKind, RefusedError, UnsupportedError
from nobreak.stores.external.base import Body
from nobreak.stores.external.dav_answers import CREATED, MULTISTATUS, OK, raise_unless_done
from nobreak.stores.external.dav_names import url_path
from nobreak.stores.external.dav_propfind import Found, parse_multistatus
from nobreak.stores.external.http import HttpClient, Timeouts
from nobreak.stores.external.http_response import Response
from nobreak.stores.external.reading import ABSENT, plain_etag, refused
from nobreak.stores.external.sending import arrived, exactly

Path = tuple[str, ...]

FORBIDDEN, CONFLICT, LENGTH_REQUIRED = 403, 409, 411
METHOD_UNKNOWN = frozenset({405, 501})
NOT_MADE = METHOD_UNKNOWN | {301, 423}
"""Answers to MKCOL: it is there (405, 301), somebody is making it (423), it can't be."""
REDIRECTS = frozenset({301, 302, 307, 308})
PRECONDITION_FAILED = 412


class DavServer:
    """One WebDAV server, or one that knows no more than PUT, GET and DELETE.

    `finds` and `moves`: whether it knows PROPFIND and MOVE, by its last answer; true before.
    """

    def __init__(self, base_url: str, *, username: str, password: str, timeouts: Timeouts) -> None:
        self.http = HttpClient(timeouts)
        self.finds = True
        self.moves = True
        self.credentials: Mapping[str, str] = {}
        if username or password:
            pair = b64encode(f"{username}:{password}".encode()).decode()
            self.credentials = {"Authorization": f"Basic {pair}"}
        self._base = base_url.rstrip("/")
        self._base_path = unquote_to_bytes(urlsplit(self._base).path)

    def url(self, path: Path) -> str:
        return self._base + url_path(path)

    async def find(self, path: Path) -> Found | None:
        """The file or folder at `path`; None when there is none. Raises `UnsupportedError`."""
        entries = await self._propfind(path, depth=0)
        own = self._raw_path(path)
        return next((entry for entry in entries if entry.path.removesuffix(b"/") == own), None)

    async def children(self, folder: Path) -> list[tuple[str, Found]]:
        """What lies directly in `folder`, by name, in no order. Raises `UnsupportedError`."""
        own = self._raw_path(folder)
        named: list[tuple[str, Found]] = []
        for entry in await self._propfind(folder, depth=1):
            parent, _, raw_name = entry.path.removesuffix(b"/").rpartition(b"/")
            if entry.path.removesuffix(b"/") == own:
                continue
            if parent != own:
                detail = "the answer to PROPFIND is about another folder"
                raise OutageError(OutageKind.BROKEN, detail, in_doubt=False)
            named.append((raw_name.decode(errors="replace"), entry))
        return named

    async def make_folder(self, folder: Path) -> bool:
        """MKCOL: True when it was made now, False when it was there or can't be."""
        url = self.url(folder) + "/"
        async with self._request("MKCOL", url, changes=True) as response:
            if response.status == CREATED:
                return True
            if response.status in NOT_MADE:
                return False
            raise refused(response, in_doubt=True)

    async def upload(self, path: Path, body: Body, headers: Mapping[str, str]) -> tuple[str, bool]:
        """PUT: the server's ETag, empty when it gives none, and whether the answer is sure.

        It is not where it is a mere 200: anybody might have said it. Then look.

        A body of unknown length goes out in chunks, or is waited for where the server wants a
        Content-Length (411).
        """
        try:
            return await self._put(path, body, headers, body.size)
        except RefusedError as error:
            if error.status != LENGTH_REQUIRED or body.size is not None:
                raise
        return await self._put(path, body, headers, (await body.finished()).size)

    async def move(self, source: Path, target: Path, *, overwrite: bool) -> None:
        """MOVE, which never overwrites unless told. Raises `UnsupportedError`."""
        headers = {"Destination": self.url(target), "Overwrite": "T" if overwrite else "F"}
        async with self._request("MOVE", self.url(source), headers, changes=True) as response:
            if response.status in METHOD_UNKNOWN:
                self.moves = False
                raise UnsupportedError("this server does not know MOVE")
            raise_unless_done(response)
            self.moves = True

    async def delete(self, path: Path) -> None:
        """DELETE; what is not there is a success. Deletes whole folders, too: look first."""
        async with self._request("DELETE", self.url(path), changes=True) as response:
            if response.status not in ABSENT:
                raise_unless_done(response, or_ok=True)

    async def aclose(self) -> None:
        await self.http.aclose()

    async def _put(
        self, path: Path, body: Body, headers: Mapping[str, str], size: int | None
    ) -> tuple[str, bool]:
        chunks = body.chunks()
        if size is not None:
            headers = {**headers, "Content-Length": str(size)}
            chunks = exactly(size, chunks)
        all_sent = False

        async def watched(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            nonlocal all_sent
            async for chunk in chunks:
                yield chunk
            all_sent = True

        data = watched(await arrived(chunks))
        async with self._request("PUT", self.url(path), headers, data, changes=True) as response:
            raise_unless_done(response, or_ok=True)
            if not all_sent:
                detail = "a success before the body was sent"
                raise OutageError(OutageKind.BROKEN, detail, in_doubt=True)
            return plain_etag(response.headers.get("ETag", "")), response.status != OK

    async def _propfind(self, path: Path, *, depth: int) -> list[Found]:
        """Without a body it asks for all properties (RFC 4918, 9.1); [] when nothing is there."""
        url = self.url(path) + "/" * depth
        async with self._request("PROPFIND", url, {"Depth": str(depth)}) as response:
            self.finds = response.status not in METHOD_UNKNOWN
            if not self.finds:
                raise UnsupportedError("this server does not know PROPFIND")
            if response.status in ABSENT:
                return []
            if response.status in REDIRECTS and _adds_a_slash(response):
                return [Found(self._raw_path(path), is_folder=True)]
            if response.status != MULTISTATUS:
                raise refused(response)
            return await parse_multistatus(response.chunks())

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        data: AsyncIterator[bytes] | None = None,
        *,
        changes: bool = False,
    ) -> AbstractAsyncContextManager[Response]:
        everything = {**self.credentials, **(headers or {})}
        return self.http.request(method, url, headers=everything, data=data, changes=changes)

    def _raw_path(self, path: Path) -> bytes:
        return b"/".join([self._base_path, *(segment.encode() for segment in path)])


def _adds_a_slash(response: Response) -> bool:
    """Whether the server only wants a slash at the end: so this is a folder."""
    location = urlsplit(response.headers.get("Location", "")).path
    return location == f"{response.path}/"
