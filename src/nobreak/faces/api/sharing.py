"""What all endpoints of one API share, and how their errors become answers."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from nobreak.app import Nobreak
from nobreak.faces.api.problems import UNEXPECTED, Problem, problem_of
from nobreak.lang import Lang, Text
from nobreak.reporting.events import EventKind

GONE = 499
"""Nobody reads this: the client has hung up. (nginx's number for its log.)"""
_log = logging.getLogger("nobreak.api")

Render = Callable[[Problem, Lang], dict[str, Any]]
"""How a problem looks as JSON."""


class Api:
    """One API over one nobreak. `current` gives it, once it is open.

    `guarded` False: whoever includes the router asks for credentials himself.
    """

    def __init__(self, current: Callable[[], Nobreak], *, guarded: bool = True) -> None:
        self.current = current
        self.guarded = guarded
        self.followers: set[asyncio.Event] = set()
        """Set one, and that follower of the events is sent home."""

    @property
    def lang(self) -> Lang:
        return self.current().settings.reporting.lang

    def say(self, text: Text) -> str:
        """A text in the user's language."""
        return text.within(self.lang)

    def dismiss_followers(self) -> None:
        """The server is about to stop: end all answers that would go on for ever."""
        for follower in self.followers:
            follower.set()

    def answer(self, error: Exception, where: str, render: Render) -> Response:
        """The answer to a request that failed. What nobody expected is reported."""
        if isinstance(error, ClientDisconnect):
            return Response(status_code=GONE)
        problem = problem_of(error)
        if problem is None:
            _log.error("unexpected error in %s", where, exc_info=error)
            hub = self.current().reporting.hub
            hub.emit(EventKind.UNEXPECTED_ERROR, where=where, reason=repr(error))
            problem = UNEXPECTED
        content = render(problem, self.lang)
        return JSONResponse(content, problem.status, headers=dict(problem.headers))

    def route_class(self, render: Render) -> type[APIRoute]:
        """Routes whose errors look as `render` says."""
        api = self

        class Route(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def answered(request: Request) -> Response:
                    try:
                        return await handle(request)
                    except Exception as error:  # noqa: BLE001 - told to the client and the log
                        return api.answer(error, f"{request.method} {self.path}", render)

                return answered

        return Route


def as_error(problem: Problem, lang: Lang) -> dict[str, Any]:
    """`{"error": {"code", "message"}}`, and `detail` where there is one."""
    error = {"code": problem.code, "message": problem.text.within(lang)}
    return {"error": error | ({"detail": problem.detail} if problem.detail else {})}
