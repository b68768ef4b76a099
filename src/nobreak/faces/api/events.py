"""`GET /api/events`: what this process has told lately, and, for who follows, what it tells next.

Of several workers each knows its own events only; the log has those of all.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from nobreak.faces.api.guard import Guard
from nobreak.faces.api.sharing import Api, as_error
from nobreak.printable import printable_json
from nobreak.reporting.events import Event
from nobreak.reporting.render import as_dict

MAX_LIMIT = 1000
_ID = re.compile("[0-9]{1,18}")
EVENT_STREAM = "text/event-stream"
HEARTBEAT = 15.0
"""A follower hears something at least so often, if only that nothing happened (seconds)."""
FOLLOW_FOR = 60.0
"""A followed answer ends after this, and browsers ask again by themselves: a server that is to
stop waits for its open answers (seconds)."""


def events_router(api: Api) -> APIRouter:
    """The one route."""
    router = APIRouter(tags=["status"], route_class=api.route_class(as_error))
    router.add_api_route(
        "/api/events",
        Events(api).get,
        methods=["GET"],
        dependencies=[Depends(Guard(api).everything)],
        response_model=None,
    )
    return router


class Events:
    """The endpoint."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def get(
        self,
        request: Request,
        after: Annotated[int | None, Query(ge=0)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
        *,
        follow: bool = False,
    ) -> dict[str, Any] | StreamingResponse:
        """The events after one that is known, oldest first; without `after`, the latest."""
        if follow or EVENT_STREAM in request.headers.get("accept", ""):
            seen = request.headers.get("last-event-id", "")
            known = int(seen) if _ID.fullmatch(seen) else after
            headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
            stream = self._follow(self._before_latest(limit) if known is None else known)
            return StreamingResponse(stream, media_type=EVENT_STREAM, headers=headers)
        ring = self._api.current().events
        found = ring.after(0, limit) if after is None else ring.after(after)[:limit]
        last = found[-1].id if found else after or 0
        return {"events": [as_dict(event, self._api.lang) for event in found], "last": last}

    def _before_latest(self, count: int) -> int:
        latest = self._api.current().events.after(0, count)
        return latest[0].id - 1 if latest else 0

    async def _follow(self, after: int) -> AsyncIterator[str]:
        """Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""
        clock = asyncio.get_running_loop().time
        end = clock() + FOLLOW_FOR
        dismissed = asyncio.Event()
        self._api.followers.add(dismissed)
        events = self._api.current().events.follow(after)
        home = asyncio.create_task(dismissed.wait())
        news: asyncio.Future[Event] | None = None
        try:
            yield ": nobreak\n\n"
            while not home.done() and clock() < end:
                news = news or asyncio.ensure_future(anext(events))
                waiting: set[asyncio.Future[Any]] = {news, home}
                patience = min(HEARTBEAT, end - clock())
                await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                if news.done():
                    event, news = news.result(), None
                    yield self._as_message(event)
                else:
                    yield ": \n\n"
        finally:
            self._api.followers.discard(dismissed)
            home.cancel()
            if news is None:
                await events.aclose()
            else:
                news.cancel()  # and with it ends the generator that it waits in

    def _as_message(self, event: Event) -> str:
        data = printable_json(json.dumps(as_dict(event, self._api.lang), ensure_ascii=False))
        return f"id: {event.id}\nevent: {event.kind.value}\ndata: {data}\n\n"
