"""`/api/storage-status`, `/api/health` and `/api/storage-mode`: how this machine is."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.responses import Response

from nobreak.engine.health import Health
from nobreak.faces.api.guard import Guard
from nobreak.faces.api.problems import AGAIN
from nobreak.faces.api.sharing import Api, as_error
from nobreak.lang import Text
from nobreak.words import Override


class ModeChoice(BaseModel):
    """The body of `POST /api/storage-mode`."""

    mode: Override


def status_router(api: Api) -> APIRouter:
    """The routes that tell the state, and the one that changes the mode."""
    guard, status = Guard(api), Status(api)
    router = APIRouter(tags=["status"], route_class=api.route_class(as_error))
    for path, endpoint in (
        ("/api/storage-status", status.storage_status),
        ("/api/health", status.health),
    ):
        router.add_api_route(path, endpoint, methods=["GET"])
        router.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False)
    router.add_api_route(
        "/api/storage-mode",
        status.choose,
        methods=["POST"],
        dependencies=[Depends(guard.everything), Depends(guard.json)],
    )
    return router


class Status:
    """The endpoints."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def storage_status(self) -> dict[str, Any]:
        """The seed's keys and types, and more."""
        return self._api.current().status()

    async def health(self) -> Response:
        """200 while reads and writes are served, wherever from; 503 when they are not."""
        health = await self._api.current().health()
        reasons = [self._api.say(text) for text in reasons_of(health)]
        state = "unavailable" if not health.serves else "degraded" if reasons else "ok"
        shown = {
            "status": state,
            "reads": health.reads,
            "writes": health.writes,
            "reasons": reasons,
            "mode": health.mode.value,
            "external_reachable": health.external_reachable,
            "disk": {"free": health.disk_free, "room": health.disk_room},
            "journal": {
                "writable": health.journal_writable,
                "entries": health.entries,
                "parked": health.parked,
            },
            "monitor": {"is_running": health.monitor_running},
        }
        headers = {"cache-control": "no-store"} | ({} if health.serves else AGAIN)
        return JSONResponse(shown, 200 if health.serves else 503, headers=headers)

    async def choose(self, request: Request, choice: Annotated[ModeChoice, ...]) -> dict[str, Any]:
        """Choose the mode by hand; `auto` gives it back to the monitor. Answers the new status."""
        nobreak = self._api.current()
        who = f"API ({request.client.host})" if request.client else "API"
        await nobreak.choose(choice.mode, who)
        return nobreak.status()


def reasons_of(health: Health) -> list[Text]:
    """What is not as it should be, for people."""
    found = [
        (
            not health.external_reachable,
            Text(
                "O storage externo está fora do ar: as gravações ficam no disco local",
                "The external store is away: writes are kept on the local disk",
            ),
        ),
        (
            not health.disk_room,
            Text("O disco local está cheio", "The local disk is full"),
        ),
        (
            not health.journal_writable and health.disk_room,
            Text("O disco local não pode ser gravado", "The local disk can't be written to"),
        ),
        (not health.reads, Text("O journal não pode ser lido", "The journal can't be read")),
        (
            not health.monitor_running,
            Text("Nenhum processo está monitorando", "No process is monitoring"),
        ),
        (
            health.parked > 0,
            Text(
                f"O storage externo recusa {health.parked} gravações (nobreak pending --parked)",
                f"The external store refuses {health.parked} writes (nobreak pending --parked)",
            ),
        ),
    ]
    return [text for present, text in found if present]
