"""Signed requests to an S3 server: path-style, keys exactly as they are, refusals as errors."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

from nobreak.errors import OutageError, OutageKind, RefusedError
from nobreak.stores.external.http import HttpClient
from nobreak.stores.external.http_request import RequestBody
from nobreak.stores.external.http_response import Response
from nobreak.stores.external.s3_xml import read_error
from nobreak.stores.external.sigv4 import (
    UNSIGNED_PAYLOAD,
    Credentials,
    QueryPairs,
    SignedRequest,
    encode_path,
    encode_query,
    sign,
)

MAX_ERROR_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024


def utc_now() -> datetime:
    """The time that signatures carry."""
    return datetime.now(UTC)


class S3Client:
    """One endpoint and one key pair. `endpoint`: `http(s)://host:port`, without a path."""

    def __init__(
        self,
        endpoint: str,
        credentials: Credentials,
        http: HttpClient,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.credentials = credentials
        self._endpoint = endpoint.rstrip("/")
        self._host = urlsplit(endpoint).netloc
        self._http = http
        self._clock = clock

    @asynccontextmanager
    async def call(
        self,
        method: str,
        bucket: str = "",
        key: str = "",
        *,
        query: QueryPairs = (),
        headers: Mapping[str, str] | None = None,
        data: RequestBody | None = None,
        changes: bool = False,
        payload: str = UNSIGNED_PAYLOAD,
    ) -> AsyncIterator[Response]:
        """A signed request and its answer. Raises `RefusedError`, also for redirects."""
        response = await self.send(
            method,
            bucket,
            key,
            query=query,
            headers=headers,
            data=data,
            changes=changes,
            payload=payload,
        )
        try:
            if not response.ok:
                code, message = read_error(await response.read(MAX_ERROR_BYTES))
                raise RefusedError(response.status, code, message or response.reason)
            yield response
        finally:
            response.close()

    async def send(
        self,
        method: str,
        bucket: str = "",
        key: str = "",
        *,
        query: QueryPairs = (),
        headers: Mapping[str, str] | None = None,
        data: RequestBody | None = None,
        changes: bool = False,
        payload: str = UNSIGNED_PAYLOAD,
        deadline: float | None = None,
    ) -> Response:
        """A signed request and whatever is answered, refusals too. Raises `OutageError`.

        Close the answer in all cases. `deadline`: when its head must be here (the loop's time).
        The payload is not part of the signature: its hash is not known while it streams.
        `payload`: the word that says so, or says how the body is framed.
        """
        path = encode_path(f"/{bucket}/{key}" if key else f"/{bucket}")
        own_headers = {"host": self._host, **(headers or {})}
        request = SignedRequest(method, path, query, own_headers, payload)
        signed = sign(request, self.credentials, now=self._clock())
        url = f"{self._endpoint}{path}"
        if query:
            url += f"?{encode_query(query)}"
        return await self._http.send(
            method, url, headers=signed, data=data, changes=changes, deadline=deadline
        )


async def read_answer(response: Response) -> bytes:
    """An answer's whole body. Raises `OutageError` when it is absurdly long."""
    content = await response.read(MAX_ANSWER_BYTES + 1)
    if len(content) > MAX_ANSWER_BYTES:
        raise OutageError(OutageKind.BROKEN, "an answer without end", in_doubt=False)
    return content
