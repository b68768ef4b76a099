"""Answers to PROPFIND are hostile input: bounded, and nothing in them is expanded."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.errors import OutageError, OutageKind
from nobreak.stores.external import dav_propfind
from nobreak.stores.external.dav_propfind import Found, parse_multistatus


async def parse(*chunks: bytes) -> list[Found]:
    async def stream():
        for chunk in chunks:
            yield chunk

    return await parse_multistatus(stream())


def response(href: str, properties: str, status: str = "HTTP/1.1 200 OK") -> str:
    return (
        f"<d:response><d:href>{href}</d:href><d:propstat><d:prop>{properties}</d:prop>"
        f"<d:status>{status}</d:status></d:propstat></d:response>"
    )


def multistatus(*responses: str) -> bytes:
    return f'<d:multistatus xmlns:d="DAV:">{"".join(responses)}</d:multistatus>'.encode()


FILE = response(
    "/b/ol%C3%A1%2525.txt",
    '<d:getcontentlength>12</d:getcontentlength><d:getetag>W/"abc"</d:getetag>'
    "<d:getlastmodified>Mon, 23 Nov 2026 15:53:53 GMT</d:getlastmodified><d:resourcetype/>",
)
FOLDER = response("http://host/b/x/", "<d:resourcetype><d:collection/></d:resourcetype>")


async def test_files_and_folders_are_told_apart():
    file, folder = await parse(multistatus(FILE, FOLDER))
    assert (file.path, file.size, file.etag) == ("/b/olá%25.txt".encode(), 12, "abc")
    assert file.modified.isoformat() == "2026-11-23T15:53:53+00:00"
    assert not file.is_folder
    assert (folder.path, folder.is_folder) == (b"/b/x/", True)


async def test_it_does_not_matter_how_the_answer_is_cut():
    whole = multistatus(FILE, FOLDER)
    assert await parse(*(whole[i : i + 1] for i in range(len(whole)))) == await parse(whole)


async def test_properties_that_were_not_granted_do_not_count():
    denied = response(
        "/b/f", "<d:resourcetype><d:collection/></d:resourcetype>", "HTTP/1.1 404 Not Found"
    )
    granted = FILE.replace(
        "<d:propstat>", denied[denied.index("<d:propstat>") :][:-13] + "<d:propstat>"
    )
    (file,) = await parse(multistatus(granted))
    assert not file.is_folder


LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "/&a;&a;&a;">]>' + multistatus(
    FILE.replace("/b/ol", "&b;")
)
OUTSIDE = b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">' + multistatus(FILE)


@pytest.mark.parametrize(
    "answer",
    [
        LAUGHS,
        OUTSIDE,
        b"",
        b"<html></html>",
        b"not XML",
        multistatus(FILE)[:-5],
        multistatus(FILE) + b"<more/>",
        multistatus(response("/b/f", "<d:getcontentlength>-1</d:getcontentlength>")),
        multistatus(response("/b/f", f"<d:getcontentlength>{'9' * 30}</d:getcontentlength>")),
        multistatus(response("/b/f", "")),
        multistatus(response("/" + "x" * 100_000, "")),
        multistatus("<d:a>" * 100 + "</d:a>" * 100),
        multistatus(response("http://[/", "")),
    ],
)
async def test_what_is_no_answer_is_a_broken_one(answer):
    """I2: a listing never hides what could not be read."""
    with pytest.raises(OutageError) as caught:
        await parse(answer)
    assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, False)


async def test_a_folder_beyond_the_bound_is_not_listed_in_part(monkeypatch):
    monkeypatch.setattr(dav_propfind, "MAX_ENTRIES", 10)
    with pytest.raises(dav_propfind.UnsupportedError):
        await parse(multistatus(*[FILE] * 11))


@given(st.binary(max_size=200), st.integers(0, 300))
async def test_nothing_but_our_own_errors_comes_out(noise, at):
    whole = multistatus(FILE, FOLDER)
    with contextlib.suppress(OutageError):
        await parse(whole[:at] + noise + whole[at:])
