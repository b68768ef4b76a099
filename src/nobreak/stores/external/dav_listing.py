"""Listing a WebDAV server: folders are walked, one PROPFIND each, in the order of the keys."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from nobreak.stores.external.dav_names import is_cut, key_of, key_segments, pieces_of
from nobreak.stores.external.dav_propfind import Found
from nobreak.stores.external.dav_server import DavServer, Path
from nobreak.words import Attributes, ObjectInfo, ObjectName


@dataclass(frozen=True, slots=True)
class Child:
    """A file and its key, or a folder and what the keys in it begin with."""

    key: str
    path: Path
    found: Found

    @property
    def order(self) -> bytes:
        return self.key.encode()


class Walk:
    """The objects of `bucket` whose key starts with `prefix` and lies after `start_after`.

    Only folders that may hold such keys are read, each when its turn comes; one at a time is
    held in memory, and those above it.
    """

    def __init__(self, server: DavServer, bucket: str, *, prefix: str, start_after: str) -> None:
        self._server = server
        self._bucket = bucket
        self._bucket_path = pieces_of(bucket)
        self._prefix = prefix
        self._after = start_after.encode()

    async def objects(self) -> AsyncIterator[ObjectInfo]:
        """In the order of the keys' UTF-8 bytes. Raises `UnsupportedError`."""
        above, slash, _ = self._prefix.rpartition("/")
        top = self._bucket_path + (key_segments(above) if slash else ())
        levels = [iter(await self._read(top))]
        while levels:
            child = next(levels[-1], None)
            if child is None:
                levels.pop()
            elif child.found.is_folder:
                levels.append(iter(await self._read(child.path)))
            else:
                yield self._info(child)

    async def _read(self, folder: Path) -> list[Child]:
        """What is wanted of a folder, in order: a folder's keys all begin with its name and `/`."""
        return sorted(await self._wanted(folder), key=lambda child: child.order)

    async def _wanted(self, folder: Path) -> list[Child]:
        children: list[Child] = []
        for segment, found in await self._server.children(folder):
            path = (*folder, segment)
            if found.is_folder and is_cut(segment):
                # Its keys lie among its neighbours', so they are sorted together.
                children += await self._wanted(path)
                continue
            key = key_of(path[len(self._bucket_path) :])
            if key is None:
                continue  # a temporary file, or nothing of ours
            if found.is_folder and self._may_hold(f"{key}/"):
                children.append(Child(f"{key}/", path, found))
            elif (
                not found.is_folder and key.startswith(self._prefix) and key.encode() > self._after
            ):
                children.append(Child(key, path, found))
        return children

    def _may_hold(self, beginning: str) -> bool:
        """Whether a key with this beginning may be wanted."""
        if not (beginning.startswith(self._prefix) or self._prefix.startswith(beginning)):
            return False
        raw = beginning.encode()
        return raw > self._after or self._after.startswith(raw)

    def _info(self, child: Child) -> ObjectInfo:
        found = child.found
        headers = {"content-type": found.content_type} if found.content_type else {}
        return ObjectInfo(
            name=ObjectName(self._bucket, child.key),
            size=found.size,
            etag=found.etag,
            modified=found.modified,
            attributes=Attributes(headers=headers),
        )
