"""Lists never lie (I2): the external list with the journal merged in, folded and paged as S3 does."""

from functools import partial

from nobreak.app import Nobreak
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.folding import fold_listing
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.list_request import read_list_request
from nobreak.faces.s3.request import S3Request
from nobreak.faces.s3.xml_lists import list_objects
from nobreak.stores.external.base import Listing


class Lists:
    """ListObjects, versions 1 and 2."""

    def __init__(self, nobreak: Nobreak) -> None:
        self._store = nobreak.store

    async def objects(self, request: S3Request, _body: Incoming) -> Answer:
        """A page. Raises `UnavailableError` while only the external store knows all (I2)."""
        asked = read_list_request(request)
        page = await fold_listing(asked.fold, partial(self._page, asked.bucket, asked.fold.prefix))
        return xml_answer(list_objects(asked, page))

    async def _page(self, bucket: str, prefix: str, start_after: str, limit: int) -> Listing:
        return await self._store.list(bucket, prefix=prefix, start_after=start_after, limit=limit)
