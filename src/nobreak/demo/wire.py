"""The HTTP files face as a client sees it: what was answered, in the words of the history."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

import aiohttp
from yarl import URL

from nobreak.demo.record import Outcome

FILES = "/files/"
NOT_FOUND, UNAVAILABLE, ERRORS = 404, 503, 400
PATIENCE = aiohttp.ClientTimeout(total=30.0)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` of a read: None when there is no such object. `key` of an upload."""

    outcome: Outcome
    body: bytes | None = None
    key: str = ""
    detail: str = ""


class Wire:
    """Requests to the files face at `base` (`http://host:port`). Nothing is retried.

    No method raises: what goes wrong is an answer too.
    """

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base

    async def put(self, key: str, body: bytes) -> Answer:
        """`PUT /files/{key}`."""
        return await self._ask("PUT", FILES + quote(key), data=body)

    async def delete(self, key: str) -> Answer:
        """`DELETE /files/{key}`."""
        return await self._ask("DELETE", FILES + quote(key))

    async def read(self, key: str, *, span: str = "") -> Answer:
        """`GET /files/{key}`, or the bytes that `span` names (`0-99`, `-5`)."""
        headers = {"Range": f"bytes={span}"} if span else {}
        return await self._ask("GET", FILES + quote(key), headers=headers)

    async def upload(self, filename: str, body: bytes) -> Answer:
        """`POST /api/upload`; the key of the answer is where its `url` leads."""
        form = aiohttp.FormData()
        form.add_field("file", body, filename=filename, content_type="application/octet-stream")
        answer = await self._ask("POST", "/api/upload", data=form)
        if answer.outcome is not Outcome.DONE:
            return answer
        return Answer(Outcome.DONE, key=key_of(answer.body or b""))

    async def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, data: Any = None
    ) -> Answer:
        url = URL(self._base + path, encoded=True)
        answered = False
        try:
            async with self._session.request(
                method, url, headers=headers, data=data, timeout=PATIENCE
            ) as response:
                answered = response.status < ERRORS
                return _read_answer(response, await response.read())
        except (aiohttp.ClientError, TimeoutError) as error:
            outcome = Outcome.CUT if answered else Outcome.FAILED
            return Answer(outcome, detail=f"{method}: {error!r}")


def key_of(answer: bytes) -> str:
    """The key that an answer of `POST /api/upload` leads to."""
    url = URL(json.loads(answer)["url"], encoded=True)
    return unquote(url.raw_path.removeprefix(FILES))


def _read_answer(response: aiohttp.ClientResponse, body: bytes) -> Answer:
    if response.status < ERRORS:
        return Answer(Outcome.DONE, body)
    if response.status == NOT_FOUND and response.method == "GET":
        return Answer(Outcome.DONE, None)
    detail = f"{response.method}: HTTP {response.status} {body[:200].decode(errors='replace')}"
    honest = response.status == UNAVAILABLE and response.headers.get("Retry-After", "").isdigit()
    return Answer(Outcome.REFUSED if honest else Outcome.FAILED, detail=detail)
