"""Clients of nobreak on both faces, on keys that they share and on keys of their own.

What a client waits for is a byte: the answer to a write, the first byte of a read, and each one
after it. A body that keeps coming is no wait.
"""

import asyncio
import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import unescape
from urllib.parse import unquote

import aiohttp
from yarl import URL

from nobreak.demo.record import ABSENT, SOME, Action, Call, Outcome, Page, Recorder, Version
from nobreak.stores.external.sigv4 import (
    Credentials,
    SignedRequest,
    encode_path,
    encode_query,
    sign,
)

PATIENCE = aiohttp.ClientTimeout(total=60.0)
KIB = 1024
SIZES = ((0, 2 * KIB, 60), (4 * KIB, 60 * KIB, 30), (257 * KIB, 500 * KIB, 10))


@dataclass
class Wait:
    """How long a client was without a byte, and when (seconds)."""

    action: Action
    outcome: Outcome
    began: float
    seconds: float


@dataclass
class Books:
    """What all clients write down together."""

    recorder: Recorder
    waits: list[Wait] = field(default_factory=list)
    versions: dict[str, Version] = field(default_factory=dict)
    """By ETag: what lists and HEADs tell of."""
    complaints: list[str] = field(default_factory=list)


@dataclass
class Face:
    """How to ask: `s3` signs, `files` does not."""

    kind: str
    base: str
    bucket: str
    credentials: Credentials
    session: aiohttp.ClientSession

    def request(self, method: str, key: str, query: tuple[tuple[str, str], ...] = ()):
        """The URL and the headers of a request."""
        if self.kind == "files":
            return URL(f"{self.base}/files{encode_path('/' + key)}", encoded=True), {}
        path = encode_path(f"/{self.bucket}/{key}" if key else f"/{self.bucket}")
        headers = {"host": URL(self.base).authority}
        signed = sign(
            SignedRequest(method, path, query, headers), self.credentials, now=datetime.now(UTC)
        )
        tail = f"?{encode_query(query)}" if query else ""
        return URL(f"{self.base}{path}{tail}", encoded=True), signed


@dataclass
class Client:
    name: str
    face: Face
    books: Books
    chance: random.Random
    keys: tuple[str, ...]
    pause: tuple[float, float] = (0.01, 0.08)
    lists: bool = True

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.step()
            await asyncio.sleep(self.chance.uniform(*self.pause))

    async def step(self) -> None:
        key = self.chance.choice(self.keys)
        does = [self.put, self.delete, self.read, self.head, self.list]
        weights = [40, 12, 30, 8, 6 if self.lists and self.face.kind == "s3" else 0]
        await self.chance.choices(does, weights)[0](key)

    async def put(self, key: str, size: int | None = None) -> bytes:
        """Write so many bytes, or as many as come; which ones."""
        low, high, _ = self.chance.choices(SIZES, [weight for *_, weight in SIZES])[0]
        content = self.chance.randbytes(self.chance.randint(low, high) if size is None else size)
        version = Version.of(content)
        self.books.versions[hashlib.md5(content).hexdigest()] = version
        await self._ask(Action.PUT, "PUT", key, version=version, data=content)
        return content

    async def delete(self, key: str) -> None:
        await self._ask(Action.DELETE, "DELETE", key)

    async def read(self, key: str) -> None:
        await self._ask(Action.READ, "GET", key)

    async def head(self, key: str) -> None:
        await self._ask(Action.READ, "HEAD", key)

    async def list(self, _key: str) -> None:
        await self._ask(Action.LIST, "GET", "", query=(("list-type", "2"), ("max-keys", "8")))

    async def _ask(self, action, method, key, *, version=None, data=None, query=()) -> None:
        clock = self.books.recorder.clock
        url, headers = self.face.request(method, key, query)
        call = self.books.recorder.call(action, key, version, client=self.name)
        began, longest, begun = clock(), 0.0, False
        try:
            async with self.face.session.request(
                method, url, headers=headers, data=data, timeout=PATIENCE
            ) as answer:
                begun = answer.status < 300
                longest, last = clock() - began, clock()
                content = bytearray()
                async for chunk in answer.content.iter_any():
                    longest, last = max(longest, clock() - last), clock()
                    content += chunk
                longest = max(longest, clock() - last)
                outcome = self._answered(call, method, answer, bytes(content))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            outcome = Outcome.CUT if begun and not action.writes else Outcome.FAILED
            longest = max(longest, clock() - began) if not begun else longest
            call.ended(outcome, repr(error))
        self.books.waits.append(Wait(action, outcome, began, longest))

    def _answered(
        self, call: Call, method: str, answer: aiohttp.ClientResponse, content: bytes
    ) -> Outcome:
        status = answer.status
        if status < 300:
            self._succeeded(call, method, answer.headers, content)
            return Outcome.DONE
        if status == 404 and call.action is Action.READ:
            call.done(ABSENT)
            return Outcome.DONE
        outcome = Outcome.FAILED
        if status == 503:
            honest = answer.headers.get("Retry-After", "").isdigit()
            outcome = Outcome.REFUSED if honest else Outcome.FAILED
        elif status < 500:
            outcome = Outcome.DENIED
        detail = f"{method} {status} {content[:300].decode(errors='replace')}"
        call.ended(outcome, detail)
        return outcome

    def _succeeded(
        self, call: Call, method: str, headers: Mapping[str, str], content: bytes
    ) -> None:
        if call.action is Action.LIST:
            call.listed(self._page(content.decode()))
        elif method == "HEAD":
            etag = headers.get("ETag", "").strip('"')
            size = int(headers["Content-Length"])
            call.done(self.books.versions.get(etag, Version(size, f"etag {etag}")))
        else:
            call.done(Version.of(content) if call.action is Action.READ else None)

    def _page(self, xml: str) -> Page:
        shown = {}
        for each in re.findall(r"<Contents>(.*?)</Contents>", xml, re.DOTALL):
            key = unquote(unescape(re.search(r"<Key>(.*?)</Key>", each)[1]))
            etag = unescape(re.search(r"<ETag>(.*?)</ETag>", each)[1]).strip('"')
            shown[key] = self.books.versions.get(etag, SOME)
        more = "<IsTruncated>true" in xml
        ours = {key: version for key, version in shown.items() if not key.startswith(".nobreak/")}
        return Page(ours, until=max(shown, key=str.encode) if more and shown else None)
