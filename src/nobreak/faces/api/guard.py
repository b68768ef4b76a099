"""Who may use the API: the bearer of the token; without a token only this machine's own programs.

Status and health are for everybody: load balancers ask without credentials. Without a token,
browsers are kept from being used against us: a page of another site can neither change anything
(`Origin`) nor pass for this machine (DNS rebinding: `Host`).
"""

import hmac
from urllib.parse import urlsplit

from fastapi import Request

from nobreak.faces.api.problems import ApiError
from nobreak.faces.api.sharing import Api
from nobreak.lang import Text
from nobreak.settings import Address

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""A proxy's traces: the request comes from elsewhere, however near the proxy is."""
JSON = "application/json"


class Guard:
    """Dependencies for the routes of one API. They raise `ApiError`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def everything(self, request: Request) -> None:
        """Let pass who may do anything."""
        if not self._api.guarded:
            return
        token = self._api.current().settings.api.token
        if token:
            _check_token(request, token)
        else:
            _check_local(request)

    async def reading(self, request: Request) -> None:
        """Let pass who may read files."""
        if not self._api.current().settings.api.public_files:
            await self.everything(request)

    async def json(self, request: Request) -> None:
        """Let pass JSON only: a form of a foreign page can't send that."""
        content_type = request.headers.get("content-type", "").partition(";")[0]
        if content_type.strip().lower() != JSON:
            text = Text(f"Envie JSON, com Content-Type: {JSON}", f"Send JSON, as {JSON}")
            raise ApiError(415, "json_required", text)


def _check_token(request: Request, token: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    given_bytes = given.strip().encode("latin-1", "replace")
    right = hmac.compare_digest(given_bytes, token.encode())
    if scheme.lower() != "bearer" or not right:
        text = Text(
            "É preciso o token: Authorization: Bearer <NOBREAK_API_TOKEN>",
            "The token is required: Authorization: Bearer <NOBREAK_API_TOKEN>",
        )
        raise ApiError(401, "unauthorized", text, {"www-authenticate": "Bearer"})


def _check_local(request: Request) -> None:
    headers = request.headers
    peer = request.client.host if request.client else ""
    forwarded = any(name in headers for name in FORWARDED)
    if forwarded or not (_is_loopback(peer) and _is_loopback(_host(f"//{headers.get('host')}"))):
        text = Text(
            "Sem NOBREAK_API_TOKEN, só se atende esta máquina (127.0.0.1)",
            "Without NOBREAK_API_TOKEN only this machine is served (127.0.0.1)",
        )
        raise ApiError(403, "token_required", text)
    if request.method not in SAFE_METHODS and _is_foreign(request):
        text = Text("Pedido de outro site recusado", "Requests from another site are refused")
        raise ApiError(403, "cross_site", text)


def _is_foreign(request: Request) -> bool:
    """Whether a browser says that another site's page is behind this."""
    origin = request.headers.get("origin")
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return True
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _is_loopback(host: str) -> bool:
    return Address(host, 0).loopback


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
