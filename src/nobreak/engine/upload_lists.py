"""Lists of the uploads under way: ours, and those that were begun on the external store without us."""

from datetime import UTC, datetime

from nobreak.core.routing import Link
from nobreak.engine.attempt import read_within
from nobreak.engine.context import Context
from nobreak.errors import OutageError, OutageKind, UnavailableError
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_xml import ListedUpload
from nobreak.words import ObjectName

PAGE = 1000


async def under_way(context: Context, bucket: str, prefix: str) -> list[ListedUpload]:
    """All uploads under way. None is there twice, though ours have a twin.

    Raises `UnavailableError` while the external store is away, and may have some (I2).
    """
    ours = _ours(context, bucket, prefix)
    external, link = context.external, context.link
    if not isinstance(external, S3Store):
        return ours
    if link.state() is not Link.OPEN:
        raise UnavailableError("the external store is away, and may have other uploads")
    twins = context.uploads.twins(bucket)
    try:
        found = await _foreign(context, external, bucket, prefix)
    except OutageError as error:
        link.failed(ObjectName(bucket, prefix), error)
        raise UnavailableError(f"the external store failed: {error}") from error
    link.answered()
    return [*ours, *(each for each in found if each.upload_id not in twins)]


def _ours(context: Context, bucket: str, prefix: str) -> list[ListedUpload]:
    found: list[ListedUpload] = []
    after = ("", "")
    while page := context.uploads.page(bucket, prefix, after, PAGE):
        for each in page:
            begun = datetime.fromtimestamp(each.begun_at, UTC)
            found.append(ListedUpload(each.name.key, each.id, begun))
        after = (page[-1].name.key, page[-1].id)
    return found


async def _foreign(
    context: Context, external: S3Store, bucket: str, prefix: str
) -> list[ListedUpload]:
    """All uploads of the external store. Raises `OutageError`, `RefusedError`."""
    found: list[ListedUpload] = []
    query = [("encoding-type", "url"), ("prefix", prefix)]
    markers: list[tuple[str, str]] = []
    while True:
        asking = external.uploads.list(bucket, [*query, *markers])
        page = await read_within(asking, context.writes.divert_after)
        found += page.uploads
        following = [("key-marker", page.next_key), ("upload-id-marker", page.next_id)]
        if not page.truncated:
            return found
        if following == markers or not page.uploads:
            broken = "a list of uploads that does not go on"
            raise OutageError(OutageKind.BROKEN, broken, in_doubt=False)
        markers = following
