"""Many objects at one look: a list of their folder states size and ETag of each of them.

Where few of a folder's objects are wanted, single looks are cheaper: LEAST and PAGES bound what is
listed for nothing.
"""

from collections import defaultdict
from collections.abc import Mapping

from nobreak.stores.external.s3_listing import MAX_KEYS, S3Lister
from nobreak.words import ObjectName

LEAST = 16
"""Fewer objects of a folder are not worth a list."""
PAGES = 3
"""So many pages of a folder are read at most."""

Expected = Mapping[ObjectName, tuple[int, frozenset[str]]]
"""The size of each object, and the ETags of which it must have one."""


async def shown(lister: S3Lister, expected: Expected) -> frozenset[ObjectName]:
    """Those that are listed just as expected; of all others nothing is known."""
    folders: dict[tuple[str, str], list[ObjectName]] = defaultdict(list)
    for name in expected:
        folders[name.bucket, name.key[: name.key.rfind("/") + 1]].append(name)
    found: set[ObjectName] = set()
    for (bucket, folder), names in folders.items():
        if len(names) >= LEAST:
            found |= await _of_a_folder(lister, bucket, folder, names, expected)
    return frozenset(found)


async def _of_a_folder(
    lister: S3Lister, bucket: str, folder: str, names: list[ObjectName], expected: Expected
) -> set[ObjectName]:
    keys = sorted(name.key for name in names)
    before_first = keys[0][:-1]  # comes before it, and little lies between
    limit = min(MAX_KEYS, 2 * len(keys))
    found, token = set(), ""
    for _ in range(PAGES):
        page = await lister.folder(bucket, folder, before_first, token, limit)
        for item in page.objects:
            name = ObjectName(bucket, item.key)
            size, etags = expected.get(name, (-1, frozenset()))
            if item.size == size and item.etag in etags:
                found.add(name)
        token = page.token
        if not page.truncated or (page.objects and page.objects[-1].key >= keys[-1]):
            break
    return found
