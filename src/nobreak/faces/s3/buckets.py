"""Buckets: the external store's where it can be asked, else from what is known and the journal."""

from collections.abc import Callable, Mapping

from nobreak.app import Nobreak
from nobreak.engine.buckets import AWAY, Presence
from nobreak.errors import OutageError, UnavailableError
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.list_request import ours, read_number
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.tokens import read_token, write_token
from nobreak.faces.s3.xml_in import read_bucket_configuration
from nobreak.faces.s3.xml_out import Bucket, bucket_location, list_buckets

MOST = 10_000
OK, NO_CONTENT = 200, 204
DEFAULT_REGION = "us-east-1"
PLAIN = frozenset({"", "private"})
SPECIAL = (
    "x-amz-bucket-object-lock-enabled",
    "x-amz-grant-",
    "x-amz-object-ownership",
)
"""What only the external store can give a bucket."""


class BucketOperations:
    """ListBuckets, and the operations on one bucket."""

    def __init__(self, nobreak: Nobreak, passing: Passing) -> None:
        self._store = nobreak.store
        self._buckets = nobreak.buckets
        self._forwarding = nobreak.forwarding
        self._passing = passing
        self._region = nobreak.settings.external.region
        self._learned: set[str] = set()

    async def list(self, request: S3Request, visible: Callable[[str], bool] | None) -> Answer:
        """ListBuckets; `visible` says which of them the identity may see, None: all of them."""
        if visible is None and self._forwarding.possible and not self._buckets.holds_any():
            return await self._passing.on(request, Incoming.of(b""))
        prefix, token = request.argument("prefix") or "", request.argument("continuation-token")
        after = ours(read_token(token)) if token else ""
        most = read_number(request, "max-buckets", MOST)
        found = [
            Bucket(each.name, each.created)
            for each in await self._buckets.all()
            if each.name.startswith(prefix)
            and each.name > after
            and (visible is None or visible(each.name))
        ]
        following = write_token(found[most - 1].name) if len(found) > most > 0 else None
        return xml_answer(list_buckets(found[:most], prefix=prefix, token=following))

    async def create(self, request: S3Request, body: Incoming) -> Answer:
        """CreateBucket: journalled like a write when the external store can't be had."""
        bucket = _bucket_of(request)
        content = await body.whole()
        region = read_bucket_configuration(content)
        if self._asks_external(bucket):
            try:
                answer = await self._passing.on(request, Incoming.of(content))
            except OutageError as error:
                return await self._make(bucket, region, request, doubtful=error.in_doubt)
            if answer.succeeded:
                await self._buckets.note_made(bucket)
            return answer
        return await self._make(bucket, region, request, doubtful=False)

    async def delete(self, request: S3Request, body: Incoming) -> Answer:
        """DeleteBucket: journalled where it is known to be empty."""
        bucket = _bucket_of(request)
        if self._forwarding.possible and not self._buckets.has_pending(bucket):
            answer = await self._passing.on(request, body)
            if answer.succeeded:
                self._learned.discard(bucket)
                await self._buckets.note_deleted(bucket)
            return answer
        self._require(bucket)
        if not await self._is_empty(bucket):
            raise S3Error("BucketNotEmpty")
        await self._buckets.delete(bucket)
        return Answer(NO_CONTENT)

    async def head(self, request: S3Request, body: Incoming) -> Answer:
        """HeadBucket."""
        bucket = _bucket_of(request)
        if self._asks_external(bucket):
            return await self._passing.on(request, body)
        self._require(bucket)
        return Answer(OK, {"x-amz-bucket-region": self._region})

    async def location(self, request: S3Request, body: Incoming) -> Answer:
        """GetBucketLocation."""
        bucket = _bucket_of(request)
        if self._asks_external(bucket):
            return await self._passing.on(request, body)
        self._require(bucket)
        return xml_answer(bucket_location(self._region))

    async def learn(self, bucket: str) -> None:
        """The external store has just served something in it: it is there, whoever made it (I2)."""
        if bucket in self._learned or not self._asks_external(bucket):
            return
        if self._buckets.presence(bucket) is Presence.GONE:
            await self._buckets.note_made(bucket)
        self._learned.add(bucket)

    def check(self, bucket: str) -> None:
        """Refuse what concerns a bucket that is known not to be. Raises `S3Error`."""
        if self._asks_external(bucket):
            return
        if self._buckets.presence(bucket) is Presence.GONE:
            raise S3Error("NoSuchBucket", extra={"BucketName": bucket})

    def _asks_external(self, bucket: str) -> bool:
        """Whether the external store may be asked, and the journal has nothing to say of it."""
        return self._forwarding.possible and self._buckets.pending(bucket) is None

    async def _make(
        self, bucket: str, region: str | None, request: S3Request, *, doubtful: bool
    ) -> Answer:
        if self._buckets.presence(bucket) is Presence.THERE:  # whatever else was asked for it
            raise S3Error("BucketAlreadyOwnedByYou", extra={"BucketName": bucket})
        _check_plain(request.headers)
        if region not in {None, DEFAULT_REGION, self._region}:
            raise S3Error("IllegalLocationConstraintException")
        await self._buckets.make(bucket, doubtful=doubtful)
        return Answer(OK, {"location": f"/{bucket}"})

    async def _is_empty(self, bucket: str) -> bool:
        """Raises `UnavailableError` when only the external store could say."""
        if self._buckets.is_new(bucket):
            return not self._buckets.holds_objects(bucket)
        return not (await self._store.list(bucket, limit=1)).objects

    def _require(self, bucket: str) -> None:
        match self._buckets.presence(bucket):
            case Presence.GONE:
                raise S3Error("NoSuchBucket", extra={"BucketName": bucket})
            case Presence.UNKNOWN:
                raise UnavailableError(AWAY)


def _check_plain(headers: Mapping[str, str]) -> None:
    """A bucket with rights or locks of its own can't be made here. Raises `UnavailableError`."""
    special = any(
        name.startswith(SPECIAL) and value.lower() != "false" for name, value in headers.items()
    )
    if special or headers.get("x-amz-acl", "") not in PLAIN:
        raise UnavailableError("only the external store can make such a bucket")


def _bucket_of(request: S3Request) -> str:
    if request.bucket is None:
        raise S3Error("InvalidURI")
    return request.bucket
