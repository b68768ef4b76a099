"""The scenario that every client goes through: before, during and after an outage.

An act is what an application does, in a bucket of its own so that keys are as odd as they say.
`truth` is what the client was told to be true: what must be there in the end.
"""

import asyncio
import hashlib
import http.client
import logging
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients.outage import Outage
from tests.clients.protocol import PATIENCE, Client, Failed, Silent, Unsupported
from tests.clients.report import READ_OLD, Cell, Outcome, Report

ODD_KEYS = [
    "a//b",
    "x/",
    "../y",
    "with space.txt",
    "plus+plus.txt",
    "per%cent.txt",
    "escaped%41.txt",
    "ação/ü.txt",
    "emoji/😀.txt",
]
SERVER_CANNOT = ("x/", "../y")
FOLDED = {"a//b": "a/b"}
LEFT_BEHIND = "x/x"
"""Measured, with SeaweedFS 4.48: how it lists one odd key, and what it makes of a body under `x/`."""
SMALL = 10_000
_log = logging.getLogger("clients")  # `--log-cli-level=INFO` shows them as they come
PRESIGNED_PUT = "presigned PUT"
LIST_OLD = "list older objects"

Truth = dict[tuple[str, str], str | None]
"""(bucket, key) → SHA-256 of what it holds; None: deleted."""


class WrongError(Exception):
    """The client reported success, and the result is not what was written."""


@dataclass
class Application:
    """One client at work."""

    name: str
    client: Client
    folder: Path
    report: Report
    large: int
    cannot_name: dict[str, str]
    renamed: dict[str, str]
    truth: Truth = field(default_factory=dict)
    bucket: str = ""
    act: str = ""
    _number: int = 0

    async def work(self, act: str) -> None:
        """One act: each operation of the protocol, and each odd key."""
        self.act = act
        self.bucket = f"{act}-{self.slug}"
        await self.step("put", self._put("plain.txt"))
        await self.step("get", self._get("plain.txt"))
        await self.step("range", self._range("plain.txt", 100, 999))
        await self.step("put over it", self._overwrite("plain.txt"))
        await self.step("copy", self._copy("plain.txt", "copied.txt"))
        await self.step("delete", self._delete("gone.txt"))
        await self.step("presigned GET", self._presigned_get("plain.txt"))
        await self.step(PRESIGNED_PUT, self._presigned_put("presigned.txt"))
        await self.step("multipart", self._multipart("large.bin"))
        await self.step("range of it", self._range("large.bin", self.large - 6_000_000, -1))
        if self.name == "pyarrow":
            await self.step("parquet", self._parquet("table"))
        for key in ODD_KEYS:
            await self.step(odd_row(key), self._round_trip(key), self.cannot_name.get(key))
        await self.step("list", self._list())

    async def old(self, act: str, bucket: str) -> None:
        """What was written in an earlier act is read, overwritten and deleted."""
        self.act, self.bucket = act, f"{bucket}-{self.slug}"
        await self.step(READ_OLD, self._get("plus+plus.txt"))
        await self.step(LIST_OLD, self._list())
        await self.step("put over an older object", self._overwrite("plain.txt"))
        await self.step("delete an older object", self._delete_old("with space.txt"))

    async def cut(self, outage: Outage) -> None:
        """A large upload, in the middle of which the server dies."""
        self.act, self.bucket = "during", f"during-{self.slug}"
        upload = asyncio.create_task(self.step("multipart, cut off", self._multipart("cut.bin")))
        deadline = time.monotonic() + 5
        while not upload.done() and time.monotonic() < deadline:
            if await outage.uploads(self.bucket):
                break
            await asyncio.sleep(0.05)
        await outage.begin()
        await upload

    async def still(self, bucket: str, key: str) -> None:
        """What the server refuses for good is not lost: it can be read here."""
        self.bucket = bucket
        await self._get(key)

    async def returning(self) -> None:
        """A write of a key that is just being given back (I4)."""
        self.act, self.bucket = "after", f"during-{self.slug}"
        await self.step("put while given back", self._overwrite("plain.txt"))

    async def step(self, row: str, action: Awaitable[None], cannot: str | None = None) -> None:
        """One operation, timed. `cannot`: why the client can't do it; found out anew."""
        began = time.monotonic()
        outcome, note = Outcome.DONE, ""
        try:
            await action
        except Unsupported as reason:
            outcome, note = Outcome.UNSUPPORTED, str(reason)
        except Silent:
            outcome = Outcome.SILENT
        except Failed as error:
            outcome, note = Outcome.FAILED, " ".join(str(error).split())[:300]
        except WrongError as error:
            outcome, note = Outcome.WRONG, str(error)
        if cannot is not None and outcome is not Outcome.DONE:
            outcome, note = Outcome.UNSUPPORTED, cannot
        elif cannot is not None:
            outcome, note = Outcome.WRONG, f"declared impossible: {cannot}"
        seconds = time.monotonic() - began
        if outcome is Outcome.DONE and row in self._renamed_rows:
            note = f"it names it {self._renamed_rows[row]}"
        self.report.cells.append(Cell(self.name, row, self.act, outcome, seconds, note))
        _log.info("%s %s %s: %s %.2f s %s", self.name, self.act, row, outcome.value, seconds, note)

    @property
    def _renamed_rows(self) -> dict[str, str]:
        return {odd_row(key): f"`{name}`" for key, name in self.renamed.items()}

    @property
    def slug(self) -> str:
        return slug(self.name)

    def _file(self, size: int) -> tuple[Path, str]:
        """New random content; its place and digest."""
        path = self._path()
        content = os.urandom(size)
        path.write_bytes(content)
        return path, hashlib.sha256(content).hexdigest()

    def _path(self) -> Path:
        self._number += 1
        return self.folder / f"body-{self._number}"

    async def _put(self, key: str, operation: str = "put", size: int = SMALL) -> None:
        path, digest = self._file(size)
        if self.truth.get((self.bucket, key)) is not None:
            del self.truth[self.bucket, key]  # until the client says how it ended
        await self.client.do(operation, bucket=self.bucket, key=key, path=path)
        self.truth[self.bucket, key] = digest
        path.unlink()

    async def _get(self, key: str) -> None:
        path = self._path()
        await self.client.do("get", bucket=self.bucket, key=key, path=path)
        self._compare(key, path.read_bytes())
        path.unlink()

    def _compare(self, key: str, content: bytes) -> None:
        if hashlib.sha256(content).hexdigest() != self.truth.get((self.bucket, key)):
            raise WrongError(f"{len(content)} other bytes than were written")

    async def _overwrite(self, key: str) -> None:
        await self._put(key)
        await self._get(key)

    async def _range(self, key: str, first: int, last: int) -> None:
        path, whole = self._path(), self._path()
        end = last if last >= 0 else self.large - 1
        await self.client.do("range", bucket=self.bucket, key=key, path=path, first=first, last=end)
        await self.client.do("get", bucket=self.bucket, key=key, path=whole)
        self._compare(key, whole.read_bytes())
        if path.read_bytes() != whole.read_bytes()[first : end + 1]:
            raise WrongError("other bytes than were asked for")
        path.unlink()
        whole.unlink()

    async def _copy(self, key: str, target: str) -> None:
        await self.client.do("copy", bucket=self.bucket, key=key, target=target)
        self.truth[self.bucket, target] = self.truth[self.bucket, key]
        await self._get(target)

    async def _delete(self, key: str) -> None:
        await self._put(key)
        await self._delete_old(key)

    async def _delete_old(self, key: str) -> None:
        await self.client.do("delete", bucket=self.bucket, key=key)
        self.truth[self.bucket, key] = None
        try:
            await self.client.do("get", bucket=self.bucket, key=key, path=self._path())
        except Silent:
            raise
        except Failed:
            return
        raise WrongError("it can still be read")

    async def _multipart(self, key: str) -> None:
        await self._put(key, "multipart", self.large)
        await self._get(key)

    async def _round_trip(self, key: str) -> None:
        """What the client makes of the name shows in the list, and on the server in the end."""
        await self._put(key)
        await self._get(key)
        if key in self.renamed:
            self.truth[self.bucket, self.renamed[key]] = self.truth.pop((self.bucket, key))

    async def _list(self) -> None:
        found = set(await self.client.do("list", bucket=self.bucket))
        wanted = {key for bucket, key in self.alive() if bucket == self.bucket}
        if self.act == "direct":
            wanted -= set(SERVER_CANNOT)
        if not self.bucket.startswith(self.act) or self.act != "during":
            found, wanted = as_listed(found), as_listed(wanted)
        missing, further = sorted(wanted - found), sorted(found - wanted)
        further = [key for key in further if not parquet(key)]
        if missing or further:
            raise WrongError(f"without {missing}, with {further}")

    async def _parquet(self, key: str) -> None:
        await self.client.do("parquet", bucket=self.bucket, key=key)

    async def _presigned_get(self, key: str) -> None:
        url = await self.client.do("presign_get", bucket=self.bucket, key=key)
        self._compare(key, await asyncio.to_thread(fetch, "GET", url))

    async def _presigned_put(self, key: str) -> None:
        path, digest = self._file(SMALL)
        url = await self.client.do("presign_put", bucket=self.bucket, key=key)
        await asyncio.to_thread(fetch, "PUT", url, path.read_bytes())
        self.truth[self.bucket, key] = digest
        await self._get(key)

    def alive(self) -> dict[tuple[str, str], str]:
        """What must be there, in all buckets."""
        return {name: digest for name, digest in self.truth.items() if digest is not None}


def parquet(key: str) -> bool:
    """Whether a key is one of the many of a data set."""
    return key.startswith("table")


def odd_row(key: str) -> str:
    return f"key `{key}`"


def as_listed(keys: set[str]) -> set[str]:
    """What SeaweedFS makes of these keys, so that both can be compared."""
    return {FOLDED.get(key, key) for key in keys} - {LEFT_BEHIND}


def fetch(method: str, url: str, body: bytes | None = None) -> bytes:
    """Use a presigned URL as whoever was given it: nothing but HTTP. Raises `Failed`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body)
        answer = connection.getresponse()
        content = answer.read()
    except OSError as error:
        raise Failed(repr(error)) from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise Failed(f"{answer.status} {content[:300].decode(errors='replace')}")
    return content


def slug(name: str) -> str:
    """A name that a bucket may have."""
    return "".join(each if each.isalnum() else "-" for each in name.lower()).strip("-")


async def through_an_outage(outage: Outage, applications: list[Application]) -> None:
    """All of them together: one outage."""
    for each in applications:
        await each.work("before")
    await index(outage)
    cut, *_ = applications
    await cut.cut(outage)
    for each in applications:
        await each.work("during")
        await each.old("during", "before")
    assert (await outage.status())["current_mode"] == "local"
    await outage.server.start()
    for each in applications:
        await each.returning()
    await outage.over()
    for each in applications:
        await each.work("after")
        await each.old("after", "during")


async def index(outage: Outage) -> None:
    """Let nobreak know all objects, as an operator does once."""
    await outage.nobreak("index")


async def verified(outage: Outage, application: Application) -> list[str]:
    """Compare with the server itself, past nobreak; what is not as it must be."""
    problems = []
    parked = await outage.nobreak("pending", "--parked")
    for (bucket, key), digest in application.truth.items():
        content = await outage.read(bucket, key)
        found = None if content is None else hashlib.sha256(content).hexdigest()
        if found == digest:
            continue
        if digest is not None and f"{bucket}/{key}" in parked:
            await application.step(f"key `{key}`, parked", application.still(bucket, key))
            continue
        problems.append(f"{bucket}/{key}: the server holds {found and len(content or b'')}")
    for bucket in {bucket for bucket, _ in application.truth}:
        wanted = as_listed({key for each, key in application.alive() if each == bucket})
        further = as_listed(await outage.keys(bucket)) - wanted
        problems += [f"{bucket}/{key}: nobody wrote it" for key in further if not parquet(key)]
    return problems
