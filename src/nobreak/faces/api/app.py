"""The API as an application of its own."""

from importlib.metadata import version

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from nobreak.app import Nobreak
from nobreak.faces.api.router import make_router
from nobreak.faces.api.sharing import Api, as_error


def create_app(api: Api | Nobreak) -> FastAPI:
    """An ASGI application over an open nobreak. It has no interactive pages: they need a CDN."""
    shared = Api(lambda: api) if isinstance(api, Nobreak) else api
    app = FastAPI(
        title="nobreak",
        version=version("nobreak"),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(make_router(shared))

    async def answer(request: Request, error: Exception) -> Response:
        return shared.answer(error, f"{request.method} {request.url.path}", as_error)

    app.add_exception_handler(HTTPException, answer)
    return app
