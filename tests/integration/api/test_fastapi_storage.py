"""nobreak inside of somebody's FastAPI application, however that is put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import aiohttp
import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request
from tests.support.api import storage_environment
from tests.support.net import eventually

from nobreak import NobreakError, Store
from nobreak.demo.seaweed import SeaweedServer
from nobreak.integrations.fastapi import Storage
from nobreak.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path, seaweed: SeaweedServer, bucket: str) -> Settings:
    return load_settings(storage_environment(tmp_path, seaweed, NOBREAK_BUCKET=bucket))


@pytest.fixture
def storage(settings: Settings) -> Storage:
    return Storage(lambda: settings)


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[aiohttp.ClientSession]:
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve())
    await eventually(lambda: server.started)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield session
    server.should_exit = True
    await serving


async def json_of(session: aiohttp.ClientSession, method: str, path: str, **options) -> tuple:
    async with session.request(method, path, **options) as answer:
        return answer.status, await answer.json()


def a_file() -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", b"content", filename="a.txt", content_type="text/plain")
    return form


async def test_the_router_is_all_that_an_application_needs(storage):
    app = FastAPI()
    app.include_router(storage.router)
    async with served(app) as session:
        code, found = await json_of(session, "POST", "/api/upload", data=a_file())
        assert (code, found["success"]) == (200, True)
        async with session.get(found["url"]) as answer:
            assert await answer.read() == b"content"
    with pytest.raises(RuntimeError, match=r"include storage\.router"):
        _ = storage.store


async def test_the_applications_own_lifespan_goes_on_as_it_was(storage):
    events = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[dict[str, str]]:
        events.append("start")
        yield {"database": "open"}
        events.append("stop")

    app = FastAPI(lifespan=lifespan)
    app.include_router(storage.router)

    @app.get("/own")
    async def own(request: Request) -> dict[str, str]:
        return {"database": request.state.database}

    async with served(app) as session:
        assert await json_of(session, "GET", "/own") == (200, {"database": "open"})
        assert (await json_of(session, "GET", "/api/health"))[0] == 200
    assert events == ["start", "stop"]


async def test_a_lifespan_may_use_the_store_before_the_application_starts(storage):
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with storage:
            await storage.store.put(storage.name("at-start"), b"early")
            yield
            await storage.store.put(storage.name("at-stop"), b"late")

    app = FastAPI(lifespan=lifespan)
    app.include_router(storage.router)
    async with served(app) as session, session.get("/files/at-start") as answer:
        assert await answer.read() == b"early"


async def test_own_endpoints_get_the_store_and_our_answers_to_its_errors(storage):
    app = FastAPI(lifespan=storage.lifespan)
    app.add_exception_handler(NobreakError, storage.on_error)

    @app.get("/own/{key}")
    async def own(key: str, store: Annotated[Store, Depends(storage)]) -> str:
        return (await store.read(storage.name(key))).decode()

    async with served(app) as session:
        await storage.store.put(storage.name("there"), b"bytes")
        assert await json_of(session, "GET", "/own/there") == (200, "bytes")
        code, found = await json_of(session, "GET", "/own/absent")
        assert (code, found["error"]["code"]) == (404, "not_found")
        assert (await json_of(session, "GET", "/api/health"))[0] == 404, "none of our routes"


@pytest.mark.parametrize("how", ["prefix", "mount"])
async def test_urls_lead_back_wherever_the_router_is(storage, how):
    if how == "prefix":
        app = FastAPI()
        app.include_router(storage.router, prefix="/under/here")
    else:
        inner = FastAPI()
        inner.include_router(storage.router)
        app = FastAPI(lifespan=storage.lifespan)
        app.mount("/under/here", inner)
    async with served(app) as session:
        uploaded = (await json_of(session, "POST", "/under/here/api/upload", data=a_file()))[1]
        put = (await json_of(session, "PUT", "/under/here/files/a%20b/c", data=b"content"))[1]
        assert put["key"] == "a b/c"
        for url in (uploaded["url"], put["url"]):
            assert url.startswith("/under/here/files/")
            async with session.get(url) as answer:
                assert await answer.read() == b"content"


async def test_an_application_may_guard_the_routes_itself(settings):
    storage = Storage(lambda: settings, guarded=False)

    async def logged_in(request: Request) -> None:
        if "cookie" not in request.headers:
            raise HTTPException(401)

    app = FastAPI()
    app.include_router(storage.router, dependencies=[Depends(logged_in)])
    async with served(app) as session:
        stranger = {"Host": "app.example", "X-Forwarded-For": "203.0.113.7"}
        friend = {**stranger, "Cookie": "session=1"}
        for headers, expected in ((stranger, 401), (friend, 201)):
            async with session.put("/files/a", data=b"x", headers=headers) as answer:
                assert answer.status == expected


async def test_it_may_be_opened_again(storage):
    for n in range(2):
        async with storage:
            await storage.store.put(storage.name("again"), b"%d" % n)
            assert await storage.store.read(storage.name("again")) == b"%d" % n
