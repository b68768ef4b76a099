"""Lists never lie (I2): the external store's own while the journal can add nothing to them.

Else the external list with the journal merged in, or the complete catalog's; folded and paged as
S3 does. A listing may go on in another mode than it began in: see `passed_lists`.
"""

from functools import partial

from nobreak.app import Nobreak
from nobreak.errors import UnavailableError
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.folding import fold_listing
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.list_request import ListRequest, read_list_request
from nobreak.faces.s3.passed_lists import as_theirs, read_passed, rewritten
from nobreak.faces.s3.passing import (
    Passing,
    answered_headers,
    in_memory,
    passed_headers,
    passed_query,
)
from nobreak.faces.s3.request import S3Request
from nobreak.faces.s3.xml_lists import list_objects
from nobreak.stores.external.base import Listing
from nobreak.words import ObjectName

OK = 200
IN_ANOTHER_ORDER = (
    "this listing was begun in an order of the external store's own, and only it can go on in that"
)


ONLY_THERE = "only the external store can list this, and it does not have all of it yet"
OF_THE_BUCKET = frozenset(
    {
        "accelerate",
        "acl",
        "analytics",
        "cors",
        "encryption",
        "intelligent-tiering",
        "inventory",
        "lifecycle",
        "location",
        "logging",
        "metrics",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "tagging",
        "uploads",
        "versioning",
        "website",
    }
)
"""Query arguments with which a GET of a bucket is about something else than its objects."""


class Lists:
    """ListObjects, versions 1 and 2; and lists that only the external store can make."""

    def __init__(self, nobreak: Nobreak, passing: Passing) -> None:
        self._passing = passing
        self._store = nobreak.store
        self._forwarding = nobreak.forwarding

    async def objects(self, request: S3Request, _body: Incoming) -> Answer:
        """A page. Raises `UnavailableError` while only the external store knows all (I2)."""
        asked = read_list_request(request)
        if self._is_theirs(asked):
            answer = await self._passed(request, asked)
            if answer is not None:
                return answer
        if asked.place is not None and asked.place.by_path:
            raise UnavailableError(IN_ANOTHER_ORDER)
        page = await fold_listing(asked.fold, partial(self._page, asked.bucket, asked.fold.prefix))
        return xml_answer(list_objects(asked, page))

    async def others(self, request: S3Request, body: Incoming) -> Answer:
        """ListObjectVersions, and what else may be a list: servers ignore arguments that they don't know.

        Raises `UnavailableError` while the journal would have something to say to it (I2).
        """
        prefix = request.argument("prefix") or ""
        if self._forwarding.adds_to(request.bucket or "", prefix):
            raise UnavailableError(ONLY_THERE)
        return await self._passing.on(request, body)

    def _is_theirs(self, asked: ListRequest) -> bool:
        """Whether the external store can answer it alone.

        What is journalled from now on is concurrent with this list, and need not be in it.
        """
        if asked.place is not None and not asked.place.theirs:
            return False  # begun by us, in the order of the keys' bytes
        forwarding = self._forwarding
        return forwarding.possible and not forwarding.adds_to(asked.bucket, asked.fold.prefix)

    async def _passed(self, request: S3Request, asked: ListRequest) -> Answer | None:
        """The external store's own answer; None when it can't be passed on."""
        theirs = as_theirs(request, asked)
        sent = await self._forwarding.send(
            "GET",
            ObjectName(asked.bucket, ""),
            query=passed_query(theirs),
            headers=passed_headers(theirs),
            data=None,
        )
        answer = await in_memory(sent)
        assert isinstance(answer.body, bytes)  # noqa: S101 - it is in memory
        if answer.status != OK:
            return answer
        passed = read_passed(answer.body, sent.headers.get("Server", ""))
        if passed is None:
            return None  # no list at all: whoever asks again finds out what it is
        content = rewritten(
            passed, asked, lambda key: self._forwarding.alias(ObjectName(asked.bucket, key))
        )
        if content is None:
            return None
        headers = {n: v for n, v in answered_headers(sent.headers).items() if n != "content-length"}
        return Answer(OK, headers, content)

    async def _page(self, bucket: str, prefix: str, start_after: str, limit: int) -> Listing:
        return await self._store.list(bucket, prefix=prefix, start_after=start_after, limit=limit)


def may_list(request: S3Request) -> bool:
    """Whether an operation that we don't know may be a list of the bucket's objects."""
    of_bucket = request.bucket is not None and request.key is None and request.method == "GET"
    return of_bucket and OF_THE_BUCKET.isdisjoint(name for name, _ in request.query)
