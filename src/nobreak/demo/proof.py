"""The proof: what the external store holds, read from it directly, past nobreak."""

import hashlib
from contextlib import aclosing

from nobreak.demo.record import Version
from nobreak.demo.seaweed import SeaweedServer
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.memory_body import MemoryBody
from nobreak.stores.external.probes import CANARY_PREFIX
from nobreak.stores.external.s3 import S3Store
from nobreak.words import Attributes, ObjectName

PAGE = 1000


async def warm_up(server: SeaweedServer) -> None:
    """The first write to a new SeaweedFS takes a second, while it makes a volume: do it now."""
    name = ObjectName(server.buckets[0], "warm-up")
    async with aclosing(_store(server)) as store:
        await store.put(name, MemoryBody(b"x"), Attributes())
        await store.delete(name)


async def held_by(server: SeaweedServer) -> dict[str, Version]:
    """Every object of clients in the server's first bucket, by key, all bytes read.

    A canary is nobreak's own: one that the server wrote long after its check gave it up is
    nobody's object. Raises what the drivers raise.
    """
    async with aclosing(_store(server)) as store:
        names = await _names(store, server.buckets[0])
        clients = [name for name in names if not name.key.startswith(CANARY_PREFIX)]
        return {name.key: await _version(store, name) for name in clients}


def _store(server: SeaweedServer) -> S3Store:
    return S3Store(
        server.endpoint,
        access_key=server.access_key,
        secret_key=server.secret_key,
        region=server.region,
        timeouts=Timeouts(connect=2.0, silence=10.0),
    )


async def _names(store: S3Store, bucket: str) -> list[ObjectName]:
    names: list[ObjectName] = []
    while True:
        after = names[-1].key if names else ""
        page = await store.list(bucket, prefix="", start_after=after, limit=PAGE)
        names += [info.name for info in page.objects]
        if not page.truncated or not page.objects:
            return names


async def _version(store: S3Store, name: ObjectName) -> Version:
    digest, size = hashlib.sha256(), 0
    async with aclosing(await store.get(name)) as download:
        async for chunk in download.chunks():
            digest.update(chunk)
            size += len(chunk)
    return Version(size, digest.hexdigest())
