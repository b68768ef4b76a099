"""The HTTP client of the drivers, against a server that says whatever it is told to."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Iterable

import pytest
from tests.support import certificates
from tests.support.net import eventually, free_port
from tests.support.wire import Wire, wire_server

from nobreak.errors import BodyMismatchError, OutageError, OutageKind
from nobreak.stores.external import http_connection
from nobreak.stores.external.http import HttpClient, Timeouts

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
LENGTHLESS = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
MIB = 1024 * 1024
WITHIN = 20.0


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient(Timeouts(connect=5.0, silence=1.0))
    yield client
    await client.aclose()


async def call(client: HttpClient, url: str, method: str = "GET", **options) -> tuple[int, bytes]:
    """Status and body of the answer."""
    async with asyncio.timeout(WITHIN), client.request(method, f"{url}/x", **options) as response:
        return response.status, await response.read(64 * MIB)


async def outage(work) -> tuple[OutageKind, bool]:
    with pytest.raises(OutageError) as caught:
        await work
    return caught.value.kind, caught.value.in_doubt


async def pieces(chunks: Iterable[bytes], pause: float = 0.0) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(pause)
        yield chunk


async def endless(first: bytes = b"x") -> AsyncIterator[bytes]:
    """A body whose sender has fallen asleep."""
    yield first
    await asyncio.Event().wait()


def always(*answer: bytes):
    """Gives this answer to every request, and keeps the connection."""

    async def act(wire: Wire) -> None:
        while True:
            await wire.request()
            await wire.say(*answer)

    return act


def once(*answer: bytes):
    """Gives this answer to the first request, and closes the connection."""

    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.say(*answer)

    return act


BODIES = {
    "of known length": (OK, b"hi"),
    "empty": (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
    "in chunks": (CHUNKED + b"3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n", b"abcd"),
    "in chunks, with a trailer": (CHUNKED + b"1\r\na\r\n0\r\nx: y\r\n\r\n", b"a"),
    "after 100": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi"),
    "after 102 and 103": (
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK,
        b"hi",
    ),
    "with bare line feeds": (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", b"hi"),
    "without a reason": (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
}


@pytest.mark.parametrize("kind", BODIES)
async def test_answers_are_read_however_they_are_cut_and_the_connection_is_used_again(client, kind):
    answer, body = BODIES[kind]
    async with wire_server(always(answer)) as server:
        for _ in range(3):
            assert await call(client, server.url) == (200, body)
        assert server.made == 1
    async with wire_server(always(*(answer[n : n + 1] for n in range(len(answer))))) as server:
        for _ in range(2):
            assert await call(client, server.url) == (200, body)
        assert server.made == 1


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"),
        ("HEAD", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
async def test_some_answers_have_no_body_whatever_they_announce(client, method, answer):
    async with wire_server(always(answer)) as server:
        for _ in range(2):
            assert (await call(client, server.url, method))[1] == b""
        assert server.made == 1


@pytest.mark.parametrize(
    "answer",
    [
        LENGTHLESS + b"all of it",
        b"HTTP/1.0 200 OK\r\n\r\nall of it",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nall of it",
    ],
)
async def test_a_body_may_end_with_its_connection(client, answer):
    async with wire_server(once(answer)) as server:
        for _ in range(2):
            assert await call(client, server.url) == (200, b"all of it")
        assert server.made == 2


BROKEN = {
    "no answer": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nconten",
    "half a body": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
    "half of the chunks": CHUNKED + b"3\r\nabc\r\n",
    "no last chunk": CHUNKED + b"3\r\nabc\r\n0\r\n",
    "a size that is none": CHUNKED + b"xyz\r\nabc\r\n",
    "a chunk that is too long": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
    "a length and chunks": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"
    + CHUNKED[17:]
    + b"0\r\n\r\n",
    "a length that is none": b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
    "a length beyond all bounds": b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 30 + b"\r\n\r\n",
    "a header that is too long": b"HTTP/1.1 200 OK\r\nx: " + b"y" * 9000 + b"\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    "a head without end": b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 30_000,
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n",
    "an empty head": b"\r\n\r\n" + OK,
}


CUT = {"no answer", "half a head", "half a body", "half of the chunks", "no last chunk"}
"""These become broken by the end of the connection, the others by what they say."""


@pytest.mark.parametrize("changes", [False, True])
@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_no_whole_answer_is_a_broken_one(client, kind, changes):
    """I1, I4: nothing that was cut off is taken for the whole, and a change is in doubt then."""
    method = "PUT" if changes else "GET"

    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.say(BROKEN[kind])
        if kind not in CUT:
            await wire.until_closed()

    async with wire_server(act) as server:
        work = call(client, server.url, method, changes=changes)
        assert await outage(work) == (OutageKind.BROKEN, changes)
        await eventually(lambda: server.open == 0)


async def test_a_reset_in_the_middle_of_a_body_is_not_its_end(client):
    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.say(LENGTHLESS + b"half")
        await asyncio.sleep(0.1)
        wire.reset()

    async with wire_server(act) as server:
        assert await outage(call(client, server.url)) == (OutageKind.BROKEN, False)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"!",
        OK + OK,
        CHUNKED + b"2\r\nhi\r\n0\r\n\r\n" + b"HTTP/1.1 200",
        CHUNKED + b"2\r\nhi\r\n0\r\n\r\n" + OK.replace(b"hi", b"h\n"),
    ],
)
async def test_what_comes_after_an_answer_is_no_answer_to_another_request(client, answer):
    async with wire_server(always(answer)) as server:
        for _ in range(3):
            assert await call(client, server.url) == (200, b"hi")
        assert server.made == 3


async def test_what_an_idle_connection_says_unasked_ends_it(client):
    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.say(OK)
        await asyncio.sleep(0.1)
        await wire.say(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        assert await wire.until_closed() == b""

    async with wire_server(act) as server:
        assert await call(client, server.url) == (200, b"hi")
        await eventually(lambda: server.open == 0)
        assert await call(client, server.url) == (200, b"hi")


async def test_a_closed_connection_is_found_out_once_and_only_where_nobody_can_tell(client):
    """I4: what changes something is never sent twice, nor what was answered in part."""
    heads: list[bytes] = []

    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.say(OK)
        heads.append(await wire.head())  # it closes on the second request

    async with wire_server(act) as server:
        await call(client, server.url)
        assert await call(client, server.url) == (200, b"hi")  # the one that was sent again
        assert await outage(call(client, server.url, "PUT", data=b"hi", changes=True)) == (
            OutageKind.BROKEN,
            True,
        )
        await call(client, server.url)
        assert await outage(call(client, server.url, "POST", data=b"hi")) == (
            OutageKind.BROKEN,
            False,
        )
        assert [head.split()[0] for head in heads] == [b"GET", b"PUT", b"POST"]


async def test_a_request_that_was_answered_in_part_is_not_sent_again(client):
    async with wire_server(once(b"HTTP/1.1 2")) as server:
        assert await outage(call(client, server.url)) == (OutageKind.BROKEN, False)
        assert server.made == 1


async def test_requests_at_the_same_time_have_connections_of_their_own(client):
    async def act(wire: Wire) -> None:
        while True:
            await wire.request()
            await asyncio.sleep(0.1)
            await wire.say(OK)

    async with wire_server(act) as server:
        for _ in range(2):
            await asyncio.gather(*(call(client, server.url) for _ in range(5)))
        assert server.made == 5


async def test_an_answer_that_nobody_reads_costs_its_connection(client):
    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.say(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        await wire.until_closed()

    async with wire_server(act) as server:
        async with client.request("GET", f"{server.url}/x") as response:
            assert await response.some() == b"half"
        await eventually(lambda: server.open == 0, within=0.7)  # before it would be silence


async def test_who_gives_up_closes_the_connection(client):
    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.until_closed()

    async with wire_server(act) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.send("PUT", f"{server.url}/x", data=b"hi", changes=True)
        await eventually(lambda: server.open == 0)


# Requests


async def test_requests_say_how_long_they_are(client):
    requests: list[tuple[bytes, bytes]] = []

    async def act(wire: Wire) -> None:
        while True:
            requests.append(await wire.request())
            await wire.say(OK)

    async with wire_server(act) as server:
        await call(client, server.url)
        await call(client, server.url, "DELETE")
        await call(client, server.url, "PUT", data=b"abc")
        await call(client, server.url, "PUT", data=pieces([b"ab", b"", b"c"]))
        headers = {"Content-Length": "3"}
        await call(client, server.url, "PUT", data=pieces([b"ab", b"c"]), headers=headers)
        await call(client, server.url, "PUT", data=pieces([]))
    host = server.url.removeprefix("http://")
    lines = [sorted(head.decode().lower().strip().split("\r\n")[1:]) for head, _ in requests]
    assert [body for _, body in requests] == [b"", b"", b"abc", b"abc", b"abc", b""]
    assert lines == [
        [f"host: {host}"],
        ["content-length: 0", f"host: {host}"],
        ["content-length: 3", f"host: {host}"],
        [f"host: {host}", "transfer-encoding: chunked"],
        ["content-length: 3", f"host: {host}"],
        [f"host: {host}", "transfer-encoding: chunked"],
    ]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a b", {}),
        ("/a\r\nx: y", {}),
        ("/\u00e9", {}),
        ("/a", {"x": "a\r\ny: z"}),
        ("/a", {"x": "a\nb"}),
        ("/a", {"x": "a\0b"}),
        ("/a", {"x\r\ny": "a"}),
    ],
)
async def test_nothing_is_smuggled_into_a_head(client, path, headers):
    async with wire_server(always(OK)) as server:
        with pytest.raises(ValueError, match="request"):
            await client.send("GET", server.url + path, headers=headers)
        assert server.made == 0


async def test_repeated_headers_are_all_there_in_order(client):
    head = b"HTTP/1.1 200 OK\r\nVary: a\r\nETag: x\r\nvary: b\r\ncontent-length: 0\r\n\r\n"
    async with wire_server(always(head)) as server, client.request("GET", server.url) as response:
        found = [value for name, value in response.headers.items() if name.lower() == "vary"]
        assert found == ["a", "b"]
        assert response.headers["etag"] == response.headers["ETAG"] == "x"


@pytest.mark.parametrize("chunks", [[b"abcd"], [b"ab"], [b"ab", b"cd"]])
async def test_a_body_of_another_length_is_not_sent_as_if_it_were_whole(client, chunks):
    async def act(wire: Wire) -> None:
        await wire.head()
        received.append(await wire.until_closed())

    received: list[bytes] = []
    async with wire_server(act) as server:
        with pytest.raises(BodyMismatchError):
            await call(
                client, server.url, "PUT", data=pieces(chunks), headers={"content-length": "3"}
            )
        await eventually(lambda: server.open == 0)
    assert received in ([], [b""], [b"ab"])


async def test_what_a_body_raises_comes_out_unchanged_and_ends_the_connection(client):
    async def broken() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(0.05)
        raise TimeoutError("of the body")

    async with wire_server(lambda wire: wire.until_closed()) as server:
        with pytest.raises(TimeoutError, match="of the body"):
            await call(client, server.url, "PUT", data=broken(), changes=True)
        await eventually(lambda: server.open == 0)


REFUSAL = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"


@pytest.mark.parametrize("chunks", ["asleep", "busy"])
async def test_an_answer_that_comes_before_the_body_has_ended_is_heard(client, chunks):
    async def act(wire: Wire) -> None:
        await wire.head()
        await wire.say(REFUSAL)
        await wire.until_closed()

    body = endless() if chunks == "asleep" else pieces(itertools.repeat(b"x" * 4096), 0.001)
    async with wire_server(act) as server:
        assert await call(client, server.url, "PUT", data=body, changes=True) == (403, b"no")
        await eventually(lambda: server.open == 0)  # what is left of the body has no place on it


async def test_an_early_answer_is_heard_from_a_server_that_reads_nothing_more(client):
    async def act(wire: Wire) -> None:
        await wire.head()
        await asyncio.sleep(0.1)
        await wire.say(REFUSAL)
        await asyncio.sleep(3)

    async with wire_server(act) as server:
        body = pieces([b"x" * 65536] * 1000)
        assert await call(client, server.url, "PUT", data=body, changes=True) == (403, b"no")


async def test_a_success_before_the_body_was_sent_confirms_nothing(client):
    """I1: whoever says so has not read what it says is stored."""

    async def act(wire: Wire) -> None:
        await wire.head()
        await wire.say(OK)
        await wire.until_closed()

    async with wire_server(act) as server:
        headers = {"content-length": "9"}
        for data, named in ((endless(), headers), (endless(), {})):
            work = call(client, server.url, "PUT", data=data, headers=named, changes=True)
            assert await outage(work) == (OutageKind.BROKEN, True)
        await eventually(lambda: server.open == 0)


async def test_a_server_that_hangs_up_while_the_body_is_sent_is_noticed_at_once(client):
    async with wire_server(lambda wire: wire.head()) as server:
        work = call(client, server.url, "PUT", data=endless(), changes=True)
        assert await outage(work) == (OutageKind.BROKEN, True)


# Patience and memory


async def test_a_server_that_does_not_answer_is_given_up(client):
    async with wire_server(lambda wire: wire.until_closed()) as server:
        for data in (None, b"x", pieces([b"x"])):
            began = asyncio.get_running_loop().time()
            work = call(client, server.url, "PUT", data=data, changes=True)
            assert await outage(work) == (OutageKind.TIMEOUT, True)
            assert 0.95 < asyncio.get_running_loop().time() - began < 3.0
        await eventually(lambda: server.open == 0)


async def test_a_server_that_says_a_little_now_and_then_is_not_silent(client):
    async with wire_server(always(*[OK[n : n + 5] for n in range(0, len(OK), 5)])) as server:
        assert await call(client, server.url) == (200, b"hi")

    async def act(wire: Wire) -> None:
        await wire.request()
        for piece in (OK[:5], OK[5:-1], OK[-1:]):
            await asyncio.sleep(0.6)
            await wire.say(piece)

    async with wire_server(act) as server:
        assert await call(client, server.url) == (200, b"hi")


async def test_an_answer_that_stops_is_given_up(client):
    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.say(OK[:-1])
        await wire.until_closed()

    async with wire_server(act) as server:
        assert await outage(call(client, server.url)) == (OutageKind.TIMEOUT, False)
        async with client.request("GET", server.url) as response:
            assert await response.some() == b"h"
            began = asyncio.get_running_loop().time()
            assert await outage(response.some(within=0.1)) == (OutageKind.TIMEOUT, False)
            assert asyncio.get_running_loop().time() - began < 0.9
            await eventually(lambda: server.open == 0, within=0.6)


async def test_a_deadline_ends_the_wait_also_on_a_connection_that_is_used_again(client):
    """I5: no later than that, whatever the time-outs are."""

    async def act(wire: Wire) -> None:
        await wire.request()
        await wire.say(OK)
        await wire.request()
        await wire.until_closed()

    loop = asyncio.get_running_loop()
    async with wire_server(act) as server:
        await call(client, server.url)
        began = loop.time()
        late = client.send("GET", f"{server.url}/x", deadline=began + 0.1)
        assert await outage(late) == (OutageKind.TIMEOUT, False)
        assert 0.05 < loop.time() - began < 0.9


async def test_a_server_that_takes_no_bytes_is_given_up(client):
    async with wire_server(lambda _wire: asyncio.sleep(5)) as server:
        body = pieces([b"x" * 65536] * 1000)
        work = call(client, server.url, "PUT", data=body, changes=True)
        assert await outage(work) == (OutageKind.TIMEOUT, True)


async def test_a_body_that_is_slow_to_come_is_nobodys_silence(client):
    async with wire_server(always(OK)) as server:
        body = pieces([b"x", b"y"], pause=1.5)
        assert await call(client, server.url, "PUT", data=body, changes=True) == (200, b"hi")


async def test_a_reader_that_is_slow_is_nobodys_silence_and_costs_little_memory(client):
    size = 64 * MIB
    sent = 0

    async def act(wire: Wire) -> None:
        nonlocal sent
        await wire.request()
        await wire.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            await wire.say(b"x" * 65536)
            sent += 65536
        await wire.request()
        await wire.say(OK)

    async with wire_server(act) as server:
        async with client.request("GET", server.url) as response:
            await asyncio.sleep(2.0)
            assert sent < 16 * MIB  # what the kernel holds, and half a MiB here
            assert response._held < MIB
            total = 0
            while piece := await response.some():
                total += len(piece)
        assert total == size
        assert await call(client, server.url) == (200, b"hi")
        assert server.made == 1


async def test_a_body_is_not_taken_faster_than_it_goes_out(client):
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 65536
            yield b"x" * 65536

    async with wire_server(lambda _wire: asyncio.sleep(5)) as server:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.send("PUT", server.url, data=body(), changes=True)
    assert taken < 16 * MIB


async def test_idle_connections_are_closed_after_a_while(client, monkeypatch):
    monkeypatch.setattr(http_connection, "KEEP_ALIVE", 0.1)
    async with wire_server(always(OK)) as server:
        await call(client, server.url)
        await asyncio.sleep(0.05)
        assert server.open == 1
        await eventually(lambda: server.open == 0, within=1.0)


async def test_closing_the_client_closes_all_connections():
    client = HttpClient(Timeouts(connect=5.0, silence=5.0))
    async with wire_server(lambda wire: wire.until_closed()) as server:
        asking = asyncio.create_task(client.send("PUT", server.url, data=b"x", changes=True))
        await eventually(lambda: server.open == 1)
        await client.aclose()
        assert await outage(asking) == (OutageKind.BROKEN, True)
        await eventually(lambda: server.open == 0)


# Connections


async def test_no_connection_leaves_no_doubt(client):
    refused = call(client, f"http://127.0.0.1:{free_port()}", "PUT", changes=True)
    assert await outage(refused) == (OutageKind.CONNECTION, False)
    unknown = call(client, "http://no-such-host.invalid", "PUT", changes=True)
    assert (await outage(unknown))[1] is False


async def test_a_name_is_looked_up_once_for_all_who_ask(client, monkeypatch):
    loop = asyncio.get_running_loop()
    look_up, asked = loop.getaddrinfo, []

    async def counted(host, *arguments, **options):
        asked.append(host)
        await asyncio.sleep(0.05)
        return await look_up("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(loop, "getaddrinfo", counted)
    async with wire_server(always(OK)) as server:
        url = server.url.replace("127.0.0.1", "store.example")
        await asyncio.gather(*(call(client, url) for _ in range(5)))
    assert asked.count("store.example") == 1


async def test_servers_have_to_show_who_they_are(client, monkeypatch):
    """TLS: an unknown certificate is no connection; a known one is spoken to, and kept."""
    folder = certificates.make()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "first.crt", folder / "first.key")
    async with wire_server(always(OK), tls) as server:
        work = call(client, server.url, "PUT", data=b"x", changes=True)
        assert await outage(work) == (OutageKind.CONNECTION, False)
        monkeypatch.setenv("SSL_CERT_FILE", str(folder / "first.crt"))
        trusting = HttpClient(Timeouts(connect=5.0, silence=5.0))
        try:
            made = server.made
            for _ in range(2):
                body = pieces([b"x" * 65536] * 32)
                assert await call(trusting, server.url, "PUT", data=body) == (200, b"hi")
            assert server.made == made + 1
        finally:
            await trusting.aclose()


async def test_plain_bytes_where_tls_was_due_are_no_connection(client):
    async with wire_server(lambda wire: wire.say(OK)) as server:
        url = server.url.replace("http:", "https:")
        assert (await outage(call(client, url, "PUT", changes=True)))[1] is False
