"""The S3 front: who asks, what for, and who answers. Apart from the server that carries it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime

from nobreak.app import Nobreak
from nobreak.faces.s3.acl import Acls
from nobreak.faces.s3.addressing import read_copy_source
from nobreak.faces.s3.answer import Answer
from nobreak.faces.s3.auth import authenticate
from nobreak.faces.s3.browsers import is_form, is_preflight, preflight
from nobreak.faces.s3.buckets import BucketOperations
from nobreak.faces.s3.copies import Copies
from nobreak.faces.s3.deletions import Deletions
from nobreak.faces.s3.hoisting import check_header_values, effective_headers
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.keyring import KeyRing
from nobreak.faces.s3.lists import Lists, may_list
from nobreak.faces.s3.multipart import Multipart
from nobreak.faces.s3.operations import RULES, BodyKind, Operation, classify
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.payload import PayloadDecoder, payload_decoder
from nobreak.faces.s3.reads import Reads
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.tagging import Tagging
from nobreak.faces.s3.writes import Writes

METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"})
"""The methods of S3."""
Handler = Callable[[S3Request, Incoming], Awaitable[Answer]]


ON_BUCKETS = frozenset(
    {
        Operation.CREATE_BUCKET,
        Operation.DELETE_BUCKET,
        Operation.HEAD_BUCKET,
        Operation.GET_BUCKET_LOCATION,
    }
)
"""Operations that see for themselves whether the bucket is there."""


class Front:
    """Answers requests. What has no handler here is passed on to the external store."""

    def __init__(self, nobreak: Nobreak, keys: KeyRing) -> None:
        forwarding = nobreak.forwarding
        passing = Passing(forwarding)
        reads, tagging = Reads(nobreak, forwarding, passing), Tagging(nobreak, forwarding, passing)
        copies, lists = Copies(nobreak, forwarding, passing), Lists(nobreak, passing)
        writes, deletions = Writes(nobreak, passing), Deletions(nobreak, passing)
        multipart = Multipart(nobreak, passing)
        acls = Acls(nobreak, forwarding, passing)
        self._keys = keys
        self._buckets = BucketOperations(nobreak, passing)
        self._pass_on: Handler = passing.on
        self._list_there: Handler = lists.others
        self._handlers: Mapping[Operation, Handler] = {
            Operation.CREATE_BUCKET: self._buckets.create,
            Operation.DELETE_BUCKET: self._buckets.delete,
            Operation.HEAD_BUCKET: self._buckets.head,
            Operation.GET_BUCKET_LOCATION: self._buckets.location,
            Operation.PUT_OBJECT: writes.put,
            Operation.GET_OBJECT: reads.get,
            Operation.HEAD_OBJECT: reads.head,
            Operation.GET_OBJECT_ATTRIBUTES: reads.attributes,
            Operation.DELETE_OBJECT: writes.delete,
            Operation.DELETE_OBJECTS: deletions.delete_many,
            Operation.COPY_OBJECT: copies.copy,
            Operation.GET_OBJECT_TAGGING: tagging.get,
            Operation.PUT_OBJECT_TAGGING: tagging.put,
            Operation.DELETE_OBJECT_TAGGING: tagging.delete,
            Operation.CREATE_MULTIPART_UPLOAD: multipart.create,
            Operation.UPLOAD_PART: multipart.put_part,
            Operation.UPLOAD_PART_COPY: multipart.copy_part,
            Operation.COMPLETE_MULTIPART_UPLOAD: multipart.complete,
            Operation.ABORT_MULTIPART_UPLOAD: multipart.abort,
            Operation.LIST_PARTS: multipart.list_parts,
            Operation.LIST_MULTIPART_UPLOADS: multipart.list_uploads,
            Operation.GET_OBJECT_ACL: acls.get,
            Operation.PUT_OBJECT_ACL: acls.put,
            Operation.LIST_OBJECTS: lists.objects,
            Operation.LIST_OBJECTS_V2: lists.objects,
            Operation.LIST_OBJECT_VERSIONS: lists.others,
        }

    def use_keys(self, keys: KeyRing) -> None:
        """From now on these are the keys."""
        self._keys = keys

    async def answer(
        self,
        request: S3Request,
        body: AsyncIterator[bytes],
        content_length: int | None,
        now: datetime,
    ) -> Answer:
        """The answer to a request. Raises `S3Error` and nobreak's own errors."""
        if request.method not in METHODS:
            raise S3Error("MethodNotAllowed")
        check_header_values(request)
        if is_preflight(request):
            unread = Incoming(PayloadDecoder([]), body, content_length)
            return await self._pass_on(preflight(request), unread)
        if is_form(request):
            raise S3Error("NotImplemented", "Uploads by form are not supported.")
        verified = authenticate(request, self._keys, now)
        operation = classify(request)
        self._check_allowed(verified.access_key, operation, request)
        _check_length(operation, request, content_length)
        of_body = operation is not Operation.COMPLETE_MULTIPART_UPLOAD
        decoder = payload_decoder(verified, request.headers, of_body=of_body)
        incoming = Incoming(decoder, body, content_length)
        if operation is Operation.LIST_BUCKETS:
            return await self._buckets.list(request, self._keys.visible(verified.access_key))
        bucket = None if operation in ON_BUCKETS else request.bucket
        if bucket is not None:
            self._buckets.check(bucket)
        unknown = self._list_there if may_list(request) else self._pass_on
        handler = self._handlers.get(operation, unknown)
        answer = await handler(request, incoming)
        if bucket is not None and answer.succeeded:
            await self._buckets.learn(bucket)
        return answer

    def _check_allowed(self, access_key: str, operation: Operation, request: S3Request) -> None:
        """What an identity may do. Of an operation that we don't know, only that it may write."""
        rule = RULES.get(operation)
        writes = rule.writes if rule else request.method not in {"GET", "HEAD"}
        allowed = self._keys.allowed(access_key, write=writes, bucket=request.bucket)
        source = effective_headers(request).get("x-amz-copy-source")
        if allowed and source is not None:
            bucket = read_copy_source(source).name.bucket
            allowed = self._keys.allowed(access_key, write=False, bucket=bucket)
        if not allowed:
            raise S3Error("AccessDenied", "Access Denied")


def _check_length(operation: Operation, request: S3Request, content_length: int | None) -> None:
    """An object whose length nobody announced, in any way, would be an empty one by accident."""
    rule = RULES.get(operation)
    holds_object = rule is not None and rule.body is BodyKind.OBJECT
    if holds_object and content_length is None and "transfer-encoding" not in request.headers:
        raise S3Error("MissingContentLength")
