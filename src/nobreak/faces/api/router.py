"""All routes of the API as one router, for our own server and for anybody's application."""

from fastapi import APIRouter

from nobreak.faces.api.events import events_router
from nobreak.faces.api.files import files_router
from nobreak.faces.api.sharing import Api
from nobreak.faces.api.status import status_router
from nobreak.faces.api.upload import upload_router


def make_router(api: Api) -> APIRouter:
    """The routes below `/api` and `/files`."""
    router = APIRouter()
    for part in (status_router, events_router, upload_router, files_router):
        router.include_router(part(api))
    return router
