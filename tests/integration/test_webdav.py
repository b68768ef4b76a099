"""The WebDAV driver against real servers: rclone, nginx with and without PROPFIND, SeaweedFS."""

import asyncio
import contextlib
import hashlib
import secrets
from pathlib import Path

import pytest
from tests.contract.external_store import ExternalStoreContract, ExternalStoreOutageContract
from tests.support.children import nginx_webdav, rclone_webdav
from tests.support.faults import answers, faulty_server

from nobreak.errors import (
    BodyMismatchError,
    NotFoundError,
    OutageError,
    OutageKind,
    RangeNotSatisfiableError,
    RefusedError,
    UnsupportedError,
)
from nobreak.stores.external.dav_server import DavServer
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.memory_body import MemoryBody
from nobreak.stores.external.webdav import WebDavStore
from nobreak.words import Attributes, ByteRange, Fingerprint, ObjectName, RangeRequest, Receipt

TIMEOUTS = Timeouts(connect=1.0, silence=1.5)
TEXT = b"0123456789"


class TestTheContractOverRclone(ExternalStoreContract):
    @pytest.fixture
    async def store(self, servers):
        async with store_of(servers["rclone"]) as store:
            yield store

    @pytest.fixture
    def bucket(self) -> str:
        return "nobreak"


class TestTheContractOverNginx(TestTheContractOverRclone):
    @pytest.fixture
    async def store(self, servers):
        async with store_of(servers["nginx"]) as store:
            yield store


class TestOutagesOfPlainPutServers(ExternalStoreOutageContract):
    """A server with PROPFIND and MOVE leaves less doubt: that is tested below."""

    @pytest.fixture
    async def store_at(self):
        stores = []

        def make(port: int, timeouts: Timeouts) -> WebDavStore:
            stores.append(WebDavStore(f"http://127.0.0.1:{port}", timeouts=timeouts))
            stores[-1]._server.finds = False
            return stores[-1]

        yield make
        for store in stores:
            await store.aclose()


ODD_KEYS = [
    "a//b",
    "x/",
    "/leading",
    "../y",
    "./z",
    "..",
    "100%",
    "%2e%2e/x",
    "%tmp-1",
    "a b+c&d=e?f#g",
    "olá/😀.jpg",
    "back\\slash",
    "new\nline",
    "quote\"'<>",
    "dot./space /x",
    "é" * 300,
    "deep/" * 40 + "leaf",
]


def name(key: str) -> ObjectName:
    return ObjectName("nobreak", key)


def plain_nginx(folder: Path):
    return nginx_webdav(folder, methods="", core="PUT DELETE MKCOL")


SERVERS = {"rclone": rclone_webdav, "nginx": nginx_webdav, "plain": plain_nginx}


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """One server of each kind, for the tests that neither freeze nor kill it."""
    children = {kind: make(tmp_path_factory.mktemp(kind)) for kind, make in SERVERS.items()}
    for kind, child in children.items():
        child.kind = kind
        asyncio.run(child.start())
    yield children
    for child in children.values():
        asyncio.run(child.kill())


@contextlib.asynccontextmanager
async def store_of(child):
    """A driver for a new, empty folder of that server; `files` is where that is on disk."""
    folder = secrets.token_hex(8)
    above = DavServer(child.url, username="", password="", timeouts=TIMEOUTS)
    await above.make_folder((folder,))
    await above.aclose()
    store = WebDavStore(f"{child.url}/{folder}", timeouts=TIMEOUTS)
    store.files = child.files / folder
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture(params=["rclone", "nginx", "plain"])
def server(request, servers):
    return servers[request.param]


@pytest.fixture
async def store(server):
    async with store_of(server) as store:
        yield store


@pytest.fixture
async def mortal(server, tmp_path: Path):
    """A server of the same kind that may be frozen and killed."""
    child = SERVERS[server.kind](tmp_path)
    await child.start()
    yield child
    await child.kill()


only_webdav = pytest.mark.parametrize("server", ["rclone", "nginx"], indirect=True)


async def put(store, key: str, content: bytes = TEXT) -> Receipt:
    return await store.put(name(key), MemoryBody(content), Attributes())


async def get(store, key: str, range_: RangeRequest | None = None) -> bytes:
    download = await store.get(name(key), range_=range_, receipt=None)
    try:
        content = b"".join([chunk async for chunk in download.chunks()])
        assert len(content) == download.length
        return content
    finally:
        await download.aclose()


async def keys(store, prefix: str = "", start_after: str = "", limit: int = 1000) -> list[str]:
    page = await store.list("nobreak", prefix=prefix, start_after=start_after, limit=limit)
    return [info.name.key for info in page.objects]


def files_in(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("key", ODD_KEYS)
async def test_any_key_is_kept_exactly(store, key):
    """DESIGN: `a//b`, `x/`, `../y` are ordinary keys."""
    await put(store, key, key.encode())
    assert await get(store, key) == key.encode()
    assert (await store.head(name(key), receipt=None)).size == len(key.encode())
    if store.traits.lists:
        assert await keys(store) == [key]
    await store.delete(name(key), receipt=None)
    with pytest.raises(NotFoundError):
        await get(store, key)


async def test_ordinary_keys_are_plain_files_in_folders(store):
    await put(store, "fotos/2026/olá mundo.jpg")
    assert files_in(store.files) == ["nobreak/fotos/2026/olá mundo.jpg"]


async def test_an_overwrite_replaces_and_leaves_nothing_else(store):
    await put(store, "a/f", b"a longer first version")
    await put(store, "a/f", b"second")
    assert await get(store, "a/f") == b"second"
    assert files_in(store.files) == ["nobreak/a/f"]


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_bodies_of_any_size_come_back(store, size):
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    await put(store, "f", content)
    assert await get(store, "f") == content
    assert await store.holds(name("f"), MemoryBody(content).fingerprint, Receipt())


@pytest.mark.parametrize(
    "range_",
    [
        RangeRequest(2, 4),
        RangeRequest(7, None),
        RangeRequest(8, 500),
        RangeRequest(None, 3),
        RangeRequest(None, 500),
    ],
)
async def test_ranges(store, range_):
    await put(store, "f")
    expected = range_.resolve(len(TEXT))
    download = await store.get(name("f"), range_=range_, receipt=None)
    assert ByteRange(download.start, download.start + download.length) == expected
    assert download.info.size == len(TEXT)
    await download.aclose()
    await download.aclose()
    assert await get(store, "f", range_) == TEXT[expected.start : expected.stop]


@pytest.mark.parametrize(
    ("content", "range_"), [(TEXT, RangeRequest(10, None)), (b"", RangeRequest(0, None))]
)
async def test_a_range_outside_tells_the_size(store, content, range_):
    await put(store, "f", content)
    with pytest.raises(RangeNotSatisfiableError) as caught:
        await get(store, "f", range_)
    assert caught.value.size == len(content)


async def test_what_is_not_there_is_not_found(store):
    for key in ("none", "no/such/folder/f"):
        with pytest.raises(NotFoundError):
            await store.head(name(key), receipt=None)
        with pytest.raises(NotFoundError):
            await get(store, key)
        await store.delete(name(key), receipt=None)
        assert not await store.holds(name(key), MemoryBody(b"").fingerprint, Receipt())


async def test_holds_compares_size_and_bytes(store):
    """I3: same size, other bytes is not held."""
    await put(store, "f")
    assert not await store.holds(name("f"), MemoryBody(TEXT[::-1]).fingerprint, Receipt())
    assert not await store.holds(name("f"), MemoryBody(TEXT + b"!").fingerprint, Receipt())


@only_webdav
async def test_a_folder_of_the_same_name_is_never_the_object_and_never_lost(store):
    """I7: MOVE and DELETE would take the whole folder with them."""
    await put(store, "a/b/c")
    with pytest.raises(NotFoundError):
        await get(store, "a/b")
    with pytest.raises(NotFoundError):
        await store.head(name("a/b"), receipt=None)
    assert not await store.holds(name("a/b"), MemoryBody(b"").fingerprint, Receipt())
    await store.delete(name("a/b"), receipt=None)
    with pytest.raises(RefusedError) as caught:
        await put(store, "a/b", b"a file now")
    assert caught.value.status == 409
    assert await get(store, "a/b/c") == TEXT


async def test_a_file_where_a_folder_is_needed_is_a_refusal_not_an_outage(store):
    """I8: no request's content can look like an outage; nginx answers 500 here."""
    await put(store, "f")
    with pytest.raises(RefusedError):
        await put(store, "f/g/h")
    assert await get(store, "f") == TEXT


@only_webdav
async def test_lists_follow_the_order_of_the_keys_bytes(store):
    """S3's order: `a-b` before `a/b`, although `a` is a folder; long names in their place."""
    stem = "p" * 249
    wanted = [
        "a!", "a-b", "a/b", "a/c/d", "a0", "b//c", "b/c", "x/", "x/y", "é", "😀", "B",
        stem + "é" + "q" * 300, stem + "a", stem + "éa", stem + "zz", stem + "é" + "a" * 300,
    ]  # fmt: skip
    await asyncio.gather(*(put(store, key) for key in wanted))
    expected = sorted(wanted, key=str.encode)
    assert await keys(store) == expected
    for key in expected:
        after = [other for other in expected if other.encode() > key.encode()]
        assert await keys(store, start_after=key) == after
        assert await keys(store, start_after=key, limit=3) == after[:3]
    for prefix in ("a", "a/", "a/c", "b/", "b//", "x/", "p", stem, "é", "none", "none/", "a/b/"):
        assert await keys(store, prefix=prefix) == [k for k in expected if k.startswith(prefix)]


@only_webdav
async def test_a_page_says_whether_there_may_be_more(store):
    await asyncio.gather(*(put(store, key) for key in ("a", "b", "c/d")))
    assert (await store.list("nobreak", prefix="", start_after="", limit=2)).truncated
    assert not (await store.list("nobreak", prefix="", start_after="", limit=3)).truncated
    page = await store.list("nobreak", prefix="c", start_after="", limit=3)
    head = await store.head(name("c/d"), receipt=None)
    assert [(info.size, info.modified) for info in page.objects] == [(10, head.modified)]
    assert await keys(store, prefix="none/") == []
    assert not (await store.list("empty", prefix="", start_after="", limit=3)).objects


@only_webdav
async def test_what_is_not_ours_is_not_listed(store):
    folder = store.files / "nobreak"
    (folder / "%tmp-folder").mkdir(parents=True)
    for foreign in ("%tmp-123", "100%", "%2e", "%tmp-folder/f", "ok"):
        (folder / foreign).write_text("x")
    assert await keys(store) == ["ok"]


@pytest.mark.parametrize("server", ["plain"], indirect=True)
async def test_a_server_without_propfind_says_so_and_stores_all_the_same(store):
    assert store.traits.lists
    with pytest.raises(UnsupportedError):
        await keys(store)
    assert not store.traits.lists


@pytest.mark.parametrize("server", ["rclone"], indirect=True)
async def test_a_folder_is_safe_even_if_propfind_was_once_said_to_be_unknown(store):
    """I7: a proxy's 405 on a bad day must not make a DELETE recursive later."""
    await put(store, "a/b/c")
    store._server.finds = False
    await store.delete(name("a/b"), receipt=None)
    assert await get(store, "a/b/c") == TEXT
    assert store.traits.lists


class Failing:
    """A body that breaks off: with an error, or by never going on."""

    def __init__(self, error: Exception | None, size: int | None) -> None:
        self.error = error
        self.size = size
        self.fingerprint = None

    async def chunks(self, start=0, stop=None):
        yield b"half"
        if self.error:
            raise self.error
        await asyncio.sleep(60)

    async def finished(self) -> Fingerprint:
        raise AssertionError


@only_webdav
@pytest.mark.parametrize("size", [100_000, None])
async def test_a_broken_body_leaves_the_old_version_and_no_temporary_file(store, size):
    """Contract of `put`; I2: nobody reads half of an object."""
    await put(store, "f")
    with pytest.raises(BodyMismatchError):
        await store.put(name("f"), Failing(BodyMismatchError("cut"), size), Attributes())
    assert await get(store, "f") == TEXT
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3):
            while files_in(store.files) != ["nobreak/f"]:
                await asyncio.sleep(0.02)
    assert files_in(store.files) == ["nobreak/f"]


async def test_a_success_before_the_body_was_sent_is_not_believed():
    """I1: only what the server can hold is confirmed."""
    async with faulty_server(answers("201 Created")) as server:
        store = WebDavStore(f"http://127.0.0.1:{server.port}", timeouts=TIMEOUTS)
        store._server.finds = False
        with pytest.raises(OutageError) as caught:
            await store.put(name("f"), Failing(None, 100_000), Attributes())
        assert (caught.value.kind, caught.value.in_doubt) == (OutageKind.BROKEN, True)
        await store.aclose()


@only_webdav
async def test_a_cancelled_put_ends_at_once_and_changes_nothing(store):
    """I5: who diverts does not wait for the cleaning."""
    await put(store, "f")
    task = asyncio.create_task(store.put(name("f"), Failing(None, 100_000), Attributes()))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 0.2)
    assert await get(store, "f") == TEXT


async def test_a_body_of_unknown_length_is_streamed(store):
    class Arriving(Failing):
        async def chunks(self, start=0, stop=None):
            for piece in (b"ab", b"c" * 300_000, b"d"):
                await asyncio.sleep(0.01)
                yield piece

    await store.put(name("f"), Arriving(None, None), Attributes())
    whole = b"ab" + b"c" * 300_000 + b"d"
    digest = hashlib.md5(whole).hexdigest()
    assert await store.holds(name("f"), Fingerprint(len(whole), digest), Receipt())


@only_webdav
async def test_a_folder_that_was_removed_meanwhile_is_made_again(store):
    """The memory of folders is a hint that may be wrong."""
    await put(store, "a/b/f")
    folder = store._server.url(("nobreak", "a")) + "/"
    async with store._server._request("DELETE", folder, changes=True) as answer:
        assert answer.status == 204
    await put(store, "a/b/f")
    assert await get(store, "a/b/f") == TEXT


async def test_outages_are_told_and_leave_doubt_only_where_there_is_some(mortal, server):
    """I4: with MOVE, an upload that failed has changed nothing."""
    store = WebDavStore(mortal.url, timeouts=Timeouts(connect=0.5, silence=0.5))
    await put(store, "f")
    mortal.freeze()
    try:
        with pytest.raises(OutageError) as frozen:
            await put(store, "f", b"newer")
        with pytest.raises(OutageError) as reading:
            await get(store, "f")
    finally:
        mortal.thaw()
    assert frozen.value.kind is reading.value.kind is OutageKind.TIMEOUT
    assert frozen.value.in_doubt is (server.kind == "plain")
    await mortal.kill()
    for attempt in (put(store, "g"), get(store, "f"), store.delete(name("f"), receipt=None)):
        with pytest.raises(OutageError) as dead:
            await attempt
        assert dead.value.in_doubt is False or dead.value.kind is OutageKind.BROKEN
    await store.aclose()


async def test_the_password_is_needed_and_sent(tmp_path):
    child = rclone_webdav(tmp_path, user="maria", password="pão: com manteiga")
    await child.start()
    try:
        stranger = WebDavStore(child.url, timeouts=TIMEOUTS)
        with pytest.raises(RefusedError) as caught:
            await put(stranger, "f")
        assert caught.value.status == 401
        await stranger.aclose()
        maria = WebDavStore(
            child.url, username="maria", password="pão: com manteiga", timeouts=TIMEOUTS
        )
        await put(maria, "f")
        assert await get(maria, "f") == TEXT
        await maria.aclose()
    finally:
        await child.kill()


async def test_an_md5_etag_proves_without_reading_back(tmp_path):
    """I3: `rclone --etag-hash MD5` states the checksum."""
    child = rclone_webdav(tmp_path, flags=["--etag-hash", "MD5"])
    await child.start()
    store = WebDavStore(child.url, timeouts=TIMEOUTS)
    try:
        await put(store, "f")
        store.get = None
        assert await store.holds(name("f"), MemoryBody(TEXT).fingerprint, Receipt())
    finally:
        await store.aclose()
        await child.kill()


@only_webdav
async def test_readers_never_meet_half_an_object_or_none_during_overwrites(store):
    """I2: a read gives one of the versions, whole, or an honest error (rclone breaks off)."""
    versions = [bytes([letter]) * 200_000 for letter in b"abcd"]
    await put(store, "f", versions[0])
    whole = 0

    async def overwrite():
        for version in versions * 10:
            with contextlib.suppress(OutageError):
                await put(store, "f", version)

    writer = asyncio.create_task(overwrite())
    while not writer.done():
        with contextlib.suppress(OutageError):
            assert await get(store, "f") in versions
            whole += 1
    await writer
    assert whole > 20


async def test_seaweedfs_webdav_works_too(seaweed):
    base = f"{seaweed.webdav_url}/buckets/dav-{secrets.token_hex(4)}"
    parent, _, folder = base.rpartition("/")
    above = DavServer(parent, username="", password="", timeouts=TIMEOUTS)
    await above.make_folder((folder,))
    await above.aclose()
    store = WebDavStore(base, timeouts=TIMEOUTS)
    for key in ("f", "a/b/c", "x/", "../y", "100%"):
        await put(store, key, b"first")
        await put(store, key, key.encode())
    with pytest.raises(RefusedError):
        await put(store, "f/g")  # SeaweedFS would turn the file into a folder
    with pytest.raises(RefusedError):
        await put(store, "a/b")
    assert await get(store, "f") == b"f"
    assert await keys(store) == ["../y", "100%", "a/b/c", "f", "x/"]
    for key in await keys(store):
        assert await store.holds(name(key), MemoryBody(key.encode()).fingerprint, Receipt())
        await store.delete(name(key), receipt=None)
    assert await keys(store) == []
    await store.aclose()
