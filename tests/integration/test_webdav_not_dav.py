"""Answers that are not a WebDAV server's: 200 to everything confirms nothing (I1, I2)."""

import pytest
from tests.contract.external_store import QUICK, TEXT
from tests.support.bodies import ArrivedBody
from tests.support.faults import answers, faulty_server

from nobreak.errors import OutageError, OutageKind
from nobreak.stores.external.webdav import WebDavStore
from nobreak.words import Attributes, ObjectName

NAME = ObjectName("b", "k")
HTML = "content-type: text/html\r\n"
PAGES = {
    "page": answers("200 OK", headers=HTML, body=b"<html>Back soon</html>", read_body=True),
    "text": answers("200 OK", headers="content-type: text/plain\r\n", body=b"ok", read_body=True),
    "nothing": answers("200 OK", read_body=True),
}


@pytest.fixture
async def store_at():
    stores = []

    def make(port: int) -> WebDavStore:
        stores.append(WebDavStore(f"http://127.0.0.1:{port}", timeouts=QUICK))
        return stores[-1]

    yield make
    for store in stores:
        await store.aclose()


def put(store):
    return store.put(NAME, ArrivedBody(TEXT), Attributes())


REQUESTS = {
    "put": put,
    "delete": lambda store: store.delete(NAME, receipt=None),
    "list": lambda store: store.list("b", prefix="", start_after="", limit=9),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("request_", REQUESTS)
async def test_200_to_everything_is_an_outage_and_no_refusal(store_at, request_, page):
    """I8: a refusal would be relayed for ever, while the server is away."""
    async with faulty_server(PAGES[page]) as server:
        with pytest.raises(OutageError) as caught:
            await REQUESTS[request_](store_at(server.port))
    assert caught.value.kind is OutageKind.BROKEN


async def test_a_page_is_not_read_as_an_object(store_at):
    """I2"""
    async with faulty_server(PAGES["page"]) as server:
        with pytest.raises(OutageError):
            await store_at(server.port).get(NAME, receipt=None)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("knows_propfind", [True, False])
async def test_200_to_everything_confirms_no_put_after_all_had_gone_well_before(
    store_at, page, knows_propfind
):
    """I1: the folders are known, or can't be looked for, and nothing else is asked before.

    I4: a page in answer to the temporary file's PUT leaves no doubt about the object.
    """
    async with faulty_server(PAGES[page]) as server:
        store = store_at(server.port)
        store._folders._known.add(("b",))
        store._server.finds = knows_propfind
        with pytest.raises(OutageError) as caught:
            await put(store)
    in_doubt = not (knows_propfind and page == "page")
    assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, in_doubt)


@pytest.mark.parametrize(("kept", "believed"), [(TEXT, True), (TEXT[::-1], False), (b"", False)])
async def test_a_plain_server_that_answers_200_to_a_put_has_to_show_the_bytes(
    store_at, kept, believed
):
    """I1: RFC 9110 allows 200, and so some say it."""

    async def answer(reader, writer):
        method = server.requests[-1].split()[0]
        if method == b"PUT":
            await answers("200 OK", read_body=True)(reader, writer)
        elif method == b"HEAD":
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(kept)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode())
        else:
            await answers("200 OK", body=kept)(reader, writer)

    async with faulty_server(answer) as server:
        store = store_at(server.port)
        store._server.finds = False
        if believed:
            await put(store)
        else:
            with pytest.raises(OutageError) as caught:
                await put(store)
            assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, True)
