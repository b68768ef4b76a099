"""What a read that was passed on to an S3 store teaches the catalog, from status and headers alone."""

from collections.abc import Mapping
from dataclasses import replace

from nobreak.engine.cache import Version
from nobreak.engine.context import Context
from nobreak.engine.follower import Follower
from nobreak.engine.learning import teach
from nobreak.engine.reading import is_same
from nobreak.stores.external.s3_headers import extent_of, md5_of, object_info, of_customers_key
from nobreak.stores.external.sigv4 import QueryPairs
from nobreak.words import Attributes, ObjectInfo, ObjectName

OK, PARTIAL, NOT_FOUND = 200, 206, 404
OF_SOMETHING_ELSE = ("versionid", "partnumber", "response-")
"""With arguments that begin so, an answer is not about the object as a plain read sees it."""


class Lesson:
    """Begun before a GET or HEAD is sent; costs nothing without a cache, in buckets that nobody indexed."""

    def __init__(self, context: Context, name: ObjectName, method: str, query: QueryPairs) -> None:
        plain = not any(each.lower().startswith(OF_SOMETHING_ELSE) for each, _ in query)
        relied_on = context.cache.relied_on or context.index.follows(name.bucket)
        self._wanted = method in {"GET", "HEAD"} and plain and relied_on
        self._reads_all = method == "GET"
        self._context = context
        self._name = name
        self._known = context.catalog.get(name) if self._wanted else None
        self._since = context.cache.moment if self._wanted else 0

    async def take(self, status: int, headers: Mapping[str, str]) -> Follower | None:
        """The answer's head is here; who wants its bytes, too."""
        if not self._wanted:
            return None
        if status == NOT_FOUND:
            await teach(self._context, self._name, self._known, None)
        info = _object_of(self._name, status, headers) if status in {OK, PARTIAL} else None
        if info is None:
            return None
        await teach(self._context, self._name, self._known, info)
        if status != OK or not self._reads_all or self._known is None:
            return None
        if not is_same(info, *self._known) or of_customers_key(headers):
            return None
        traits = self._context.external.traits
        version = Version.of(*self._known, traits, self._since)
        return self._context.cache.follow(version, md5_of(headers))


def _object_of(name: ObjectName, status: int, headers: Mapping[str, str]) -> ObjectInfo | None:
    """The object; its checksums may be those of a part, where only a part is answered."""
    try:
        _part, size = extent_of(headers)
    except ValueError:
        return None
    info = object_info(name, headers, size)
    if status == OK:
        return info
    return replace(info, attributes=_without_s3(info.attributes))


def _without_s3(attributes: Attributes) -> Attributes:
    kept = {n: v for n, v in attributes.s3.items() if not n.startswith("x-amz-checksum-")}
    return replace(attributes, s3=kept)
