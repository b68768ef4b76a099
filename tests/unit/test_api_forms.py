"""Forms, however their bytes are cut: the file comes out exactly, or not at all (I1)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nobreak.faces.api.forms import UploadForm
from nobreak.faces.api.problems import ApiError

TYPE = "multipart/form-data; boundary=cut"
HEAD = b'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
LOOKALIKES = [b"\r\n--cut", b"\r\n--cu", b"--cut--", b"\r\n", b"-", b"\r", b"x" * 50]

contents = st.lists(st.sampled_from(LOOKALIKES) | st.binary(max_size=20)).map(b"".join)
cuts = st.lists(st.integers(1, 40), min_size=1)


def form_of(content: bytes) -> bytes:
    title = b'--cut\r\nContent-Disposition: form-data; name="title"\r\n\r\na title\r\n'
    return title + b"--cut\r\n" + HEAD + content + b"\r\n--cut--\r\n"


def received(form: bytes, sizes: list[int]) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        at = turn = 0
        while at < len(form):
            size = sizes[turn % len(sizes)]
            yield form[at : at + size]
            at, turn = at + size, turn + 1

    async def receive() -> bytes:
        upload = UploadForm(TYPE, chunks())
        assert (await upload.file()).filename == "a.bin"
        return b"".join([data async for data in upload.content()])

    return asyncio.run(receive())


@given(contents, cuts)
def test_the_file_comes_out_exactly_however_the_form_is_cut(content, sizes):
    if b"\r\n--cut" in content:
        return  # then it is no content: a sender would have chosen another boundary
    assert received(form_of(content), sizes) == content


@given(contents, cuts, st.integers(1, 12))
def test_a_form_that_is_cut_short_never_passes_for_a_whole_one(content, sizes, missing):
    if b"\r\n--cut" in content:
        return
    form = form_of(content)[: -2 - missing]  # the line's end after the last boundary may lack
    with pytest.raises(ApiError):
        received(form, sizes)
