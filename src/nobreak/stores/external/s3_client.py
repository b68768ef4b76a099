"""Signed requests to an S3 server: path-style, keys exactly as they are, refusals as errors."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit

import aiohttp

from nobreak.errors import OutageError, OutageKind, RefusedError
from nobreak.stores.external.http import HttpClient, RequestBody
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

FIRST_REFUSAL = 300  # a redirect is one too: it would send the request where nobody wants it
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
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A signed request and its answer. Raises `RefusedError`, also for redirects."""
        async with self.forward(
            method,
            bucket,
            key,
            query=query,
            headers=headers,
            data=data,
            changes=changes,
            payload=payload,
        ) as response:
            if response.status >= FIRST_REFUSAL:
                code, message = read_error(await _read(response, MAX_ERROR_BYTES))
                raise RefusedError(response.status, code, message or response.reason or "")
            yield response

    @asynccontextmanager
    async def forward(
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
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A signed request and whatever is answered, refusals too. Raises `OutageError`.

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
        async with self._http.request(
            method, url, headers=signed, data=data, changes=changes
        ) as response:
            yield response


async def read_answer(response: aiohttp.ClientResponse) -> bytes:
    """An answer's whole body. Raises `OutageError` when it is absurdly long."""
    content = await _read(response, MAX_ANSWER_BYTES + 1)
    if len(content) > MAX_ANSWER_BYTES:
        raise OutageError(OutageKind.BROKEN, "an answer without end", in_doubt=False)
    return content


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """At most `limit` bytes of an answer's body."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk[: limit - len(content)]
        if len(content) >= limit:
            break
    return bytes(content)
