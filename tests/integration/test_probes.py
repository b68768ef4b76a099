"""Probes against real servers: alive, killed, frozen, dripping, and up but unable to store."""

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
from tests.support.children import upload_server
from tests.support.net import free_port
from tests.support.scripted import ScriptedStore

from nobreak.engine.probing import build_probe
from nobreak.errors import NotFoundError, OutageError, OutageKind, RefusedError
from nobreak.settings import load_settings
from nobreak.stores.external.checks import CheckResult, FailureKind
from nobreak.stores.external.probes import (
    DeepProbe,
    HttpProbe,
    ProbeChain,
    TcpProbe,
    answering,
)
from nobreak.words import ObjectName, Receipt

TIMEOUT = 0.5


@pytest.fixture
async def seed_server(tmp_path: Path):
    child = upload_server(tmp_path)
    await child.start()
    yield child
    await child.kill()


@contextlib.asynccontextmanager
async def raw_server(answer):
    """A socket server that runs `answer(writer)` for each connection; gives its port."""
    connections = []

    async def serve(reader, writer):
        connections.append(writer)
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.connections = connections
    try:
        yield server
    finally:
        server.close()
        for writer in connections:
            writer.transport.abort()
        await asyncio.sleep(0)


def port_of(server) -> int:
    return server.sockets[0].getsockname()[1]


async def http_check(port: int, **kwargs) -> CheckResult:
    return await HttpProbe(f"http://127.0.0.1:{port}/health", TIMEOUT, **kwargs).check()


async def test_a_healthy_server_is_healthy(seed_server):
    """Seed: `/health` answers OK."""
    result = await http_check(seed_server.port)
    assert (result.ok, result.kind, result.detail) == (True, None, "HTTP 200")
    assert 0 < result.seconds < TIMEOUT


async def test_a_killed_server_is_a_connection_failure_and_well_again_when_it_is_back(seed_server):
    """Seed, "Auto-Recovery": the same probe finds the outage and the end of it."""
    probe = HttpProbe(f"{seed_server.url}/health", TIMEOUT)
    await seed_server.kill()
    dead = await probe.check()
    assert (dead.ok, dead.kind, dead.detail) == (
        False,
        FailureKind.CONNECTION,
        "Connection refused",
    )
    await seed_server.start()
    assert (await probe.check()).ok


async def test_a_frozen_server_is_a_timeout_although_its_port_still_accepts(seed_server):
    """I5: accepting and never answering is an outage; only the TCP probe can't see it."""
    seed_server.freeze()
    try:
        started = time.monotonic()
        result = await http_check(seed_server.port)
        assert result.kind is FailureKind.TIMEOUT
        assert time.monotonic() - started < TIMEOUT + 0.3
        assert (await TcpProbe("127.0.0.1", seed_server.port, TIMEOUT).check()).ok
    finally:
        seed_server.thaw()


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Drip: ", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", id="body"),
    ],
)
async def test_a_dripping_server_is_bounded_by_the_timeout_as_a_whole(beginning):
    """I5: a byte now and then is no sign of life."""

    async def drip(writer):
        writer.write(beginning)
        for _ in range(200):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with raw_server(drip) as server:
        started = time.monotonic()
        result = await http_check(port_of(server))
        assert result.kind is FailureKind.TIMEOUT
        assert time.monotonic() - started < TIMEOUT + 0.3


@pytest.mark.parametrize(
    ("status", "alive", "ok"),
    [
        ("503 Service Unavailable", None, False),
        ("403 Forbidden", None, False),
        ("302 Found", None, False),
        ("204 No Content", None, True),
        ("403 Forbidden", answering, True),
        ("503 Slow Down", answering, False),
    ],
)
async def test_the_status_decides(status, alive, ok):
    """DESIGN, HEALTH_CHECK_URL: /health wants 2xx; an S3 endpoint is alive below 500."""

    async def answer(writer):
        location = b"Location: http://127.0.0.1:1/\r\n"
        writer.write(b"HTTP/1.1 " + status.encode() + b"\r\n" + location)
        writer.write(b"Content-Length: 0\r\n\r\n")

    async with raw_server(answer) as server:
        result = await http_check(port_of(server), **({"alive": alive} if alive else {}))
    assert result.ok is ok
    assert result.kind is (None if ok else FailureKind.STATUS)
    assert result.detail == f"HTTP {status[:3]}"


@pytest.mark.parametrize(
    ("status", "kind", "pages", "expected"),
    [
        ("200 OK", "text/html; charset=utf-8", False, FailureKind.UNEXPECTED),
        ("200 OK", "text/html", True, None),
        ("200 OK", "application/xml", False, None),
        ("403 Forbidden", "text/html", False, None),
    ],
)
async def test_a_web_page_is_no_s3_server(status, kind, pages, expected):
    """I8: a load balancer's page "back soon" is no sign of life; a proxy's refusal of `/` is."""

    async def answer(writer):
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n\r\nok"
        writer.write(head.encode())

    async with raw_server(answer) as server:
        assert (await http_check(port_of(server), alive=answering, pages=pages)).kind is expected


async def test_the_probe_of_an_s3_endpoint_knows_a_real_one_from_a_web_page(seaweed, tmp_path):
    """I1, I8: nothing may be sent to a load balancer whose server is away."""

    async def page(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n")

    async def look(url: str) -> FailureKind | None:
        variables = {
            "EXTERNAL_STORAGE_URL": f"s3+{url}",
            "EXTERNAL_STORAGE_ACCESS_KEY": "key",
            "EXTERNAL_STORAGE_SECRET_KEY": "secret",
            "NOBREAK_DATA_DIR": str(tmp_path),
        }
        settings = load_settings(variables)
        return (await build_probe(settings, ScriptedStore(), doubt=False).check()).kind

    assert await look(seaweed.endpoint) is None
    async with raw_server(page) as server:
        assert await look(f"http://127.0.0.1:{port_of(server)}") is FailureKind.UNEXPECTED


async def test_an_answer_that_is_no_http_is_unexpected():
    async def answer(writer):
        writer.write(b"220 mail.example ESMTP\r\n\r\n")

    async with raw_server(answer) as server:
        assert (await http_check(port_of(server))).kind is FailureKind.UNEXPECTED


async def test_a_connection_closed_before_the_answer_is_a_connection_failure():
    async def answer(writer):
        writer.close()

    async with raw_server(answer) as server:
        assert (await http_check(port_of(server))).kind is FailureKind.CONNECTION


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "nonsense", "http://[::1/", ""])
async def test_a_hopeless_address_is_a_verdict_not_an_exception(url):
    result = await HttpProbe(url, TIMEOUT).check()
    assert not result.ok
    assert result.detail
    assert "\n" not in result.detail


async def test_each_check_opens_a_fresh_connection():
    """A kept-alive connection could hide a dead listener."""

    async def answer(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")

    async with raw_server(answer) as server:
        probe = HttpProbe(f"http://127.0.0.1:{port_of(server)}/", TIMEOUT)
        assert (await probe.check()).ok
        assert (await probe.check()).ok
        assert len(server.connections) == 2


async def test_a_cancelled_check_ends_at_once(seed_server):
    seed_server.freeze()
    try:
        task = asyncio.create_task(HttpProbe(f"{seed_server.url}/health", 30).check())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 0.5)
    finally:
        seed_server.thaw()


async def test_the_tcp_probe_sees_who_does_not_listen(seed_server):
    assert (await TcpProbe("127.0.0.1", seed_server.port, TIMEOUT).check()).ok
    result = await TcpProbe("127.0.0.1", free_port(), TIMEOUT).check()
    assert (result.kind, result.detail) == (FailureKind.CONNECTION, "Connection refused")


async def test_a_full_backlog_is_a_timeout():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with contextlib.ExitStack() as queue:
            for _ in range(3):
                waiting = queue.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            result = await TcpProbe("127.0.0.1", port, TIMEOUT).check()
    assert result.kind is FailureKind.TIMEOUT


class Fixed:
    def __init__(self, result: CheckResult) -> None:
        self.result = result
        self.checks = 0

    async def check(self) -> CheckResult:
        self.checks += 1
        return self.result


async def test_in_a_chain_the_first_failure_is_the_verdict():
    good = Fixed(CheckResult(ok=True, seconds=0.25, detail="HTTP 200"))
    bad = Fixed(CheckResult(ok=False, seconds=0.5, kind=FailureKind.STATUS, detail="HTTP 503"))
    never = Fixed(CheckResult(ok=True, seconds=1.0))
    assert await ProbeChain([good, bad, never]).check() == CheckResult(
        ok=False, seconds=0.75, kind=FailureKind.STATUS, detail="HTTP 503"
    )
    assert never.checks == 0
    assert await ProbeChain([good, good]).check() == CheckResult(
        ok=True, seconds=0.5, detail="HTTP 200, HTTP 200"
    )


class Keeper:
    """An external store in memory, with faults where a real one has them."""

    def __init__(self, **faults) -> None:
        self.kept = {}
        self.faults = faults

    async def put(self, name, body, attributes):
        await self._fault("put")
        self.kept[name] = b"".join([chunk async for chunk in body.chunks()])
        await self._fault("after_put")
        return Receipt(remote="handle")

    async def get(self, name, *, range_=None, receipt):
        await self._fault("get")
        assert receipt == Receipt(remote="handle")
        return Reading(self.faults.get("content", self.kept[name]))

    async def delete(self, name, *, receipt):
        await self._fault("delete")
        self.kept.pop(name, None)

    async def _fault(self, where: str) -> None:
        if error := self.faults.get(where):
            if error == "hang":
                await asyncio.sleep(60)
            raise error


class Reading:
    def __init__(self, content: bytes) -> None:
        self.content = content

    async def chunks(self):
        yield self.content

    async def aclose(self):
        pass


async def deep_check(store: Keeper) -> CheckResult:
    return await DeepProbe(store, "nobreak", TIMEOUT).check()


async def test_the_deep_probe_writes_reads_and_deletes_a_canary():
    store = Keeper()
    assert (await deep_check(store)).ok
    assert store.kept == {}


NAME = ObjectName("nobreak", "canary")


@pytest.mark.parametrize(
    ("faults", "kind", "detail"),
    [
        (
            {"put": RefusedError(403, "AccessDenied", "read-only")},
            FailureKind.CANNOT_STORE,
            "canary write: HTTP 403 AccessDenied: read-only",
        ),
        (
            {"put": OutageError(OutageKind.STATUS, "HTTP 507", in_doubt=True, status=507)},
            FailureKind.CANNOT_STORE,
            "canary write: HTTP 507",
        ),
        (
            {"put": OutageError(OutageKind.CONNECTION, "refused", in_doubt=False)},
            FailureKind.CONNECTION,
            "canary write: refused",
        ),
        (
            {"after_put": OutageError(OutageKind.TIMEOUT, "no answer in time", in_doubt=True)},
            FailureKind.TIMEOUT,
            "canary write: no answer in time",
        ),
        ({"after_put": "hang"}, FailureKind.TIMEOUT, "no answer within 0.5 s"),
        (
            {"get": NotFoundError(NAME)},
            FailureKind.CANNOT_STORE,
            "canary read: nobreak/canary does not exist",
        ),
        (
            {"content": b"stale"},
            FailureKind.CANNOT_STORE,
            "canary read: other bytes came back",
        ),
    ],
)
async def test_the_deep_probe_finds_who_is_up_but_cannot_store_and_leaves_no_canary(
    faults, kind, detail
):
    """I7: a full or read-only server is an outage that only a canary finds."""
    store = Keeper(**faults)
    result = await deep_check(store)
    assert (result.kind, result.detail) == (kind, detail)
    assert store.kept == {}


async def test_a_canary_that_cannot_be_deleted_is_a_failure_too():
    result = await deep_check(Keeper(delete=RefusedError(403, "AccessDenied", "")))
    assert (result.kind, result.detail) == (
        FailureKind.CANNOT_STORE,
        "canary delete: HTTP 403 AccessDenied",
    )


@pytest.mark.parametrize("step", ["put", "delete"])
async def test_a_canary_of_our_own_accord_may_be_refused_but_not_fail(step):
    """I8: a server that refuses our bucket may serve everybody else's."""
    refused = Keeper(**{step: RefusedError(403, "AccessDenied", "")})
    assert (await DeepProbe(refused, "nobreak", TIMEOUT, strict=False).check()).ok
    broken = Keeper(**{step: OutageError(OutageKind.STATUS, "HTTP 500", in_doubt=True)})
    assert not (await DeepProbe(broken, "nobreak", TIMEOUT, strict=False).check()).ok


async def test_the_deep_probe_is_bounded_even_when_the_cleaning_hangs():
    started = time.monotonic()
    result = await deep_check(Keeper(put="hang", delete="hang"))
    assert result.kind is FailureKind.TIMEOUT
    assert time.monotonic() - started < TIMEOUT + 0.3


async def test_a_canary_that_an_outage_left_behind_goes_with_the_next_one():
    store = Keeper(after_put="hang", delete="hang")
    for _ in range(3):
        await deep_check(store)
    assert len(store.kept) == 1
    store.faults.clear()
    assert (await deep_check(store)).ok
    assert store.kept == {}


async def test_a_cancelled_deep_probe_leaves_no_canary():
    store = Keeper(after_put="hang")
    task = asyncio.create_task(deep_check(store))
    await asyncio.sleep(0.1)
    assert store.kept
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.kept == {}
