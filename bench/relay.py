"""The least that a gateway in one Python process does: a request in, the same one out, nothing kept.

aiohttp's server in front and nobreak's own HTTP client behind, on uvloop, as in nobreak; but no
signature, no journal, no catalog and no copy of a body. Headers go on as they came, `Host` included,
so that the client's signature holds. What nobreak reaches of this is what nobreak itself costs.

    python bench/relay.py ENDPOINT PORT
"""

import asyncio
import sys
from contextlib import closing

import uvloop
from aiohttp import web

from nobreak.stores.external.http import HttpClient, Timeouts

HERE = "127.0.0.1"
SMALL = 256 * 1024
"""Up to this many bytes a body is read at once, as nobreak does it."""
OF_THE_CONNECTION = frozenset({"connection", "date", "server", "transfer-encoding"})


async def relay(client: HttpClient, endpoint: str, http: web.BaseRequest) -> web.StreamResponse:
    """Answer a request as the server does."""
    headers = {name.lower(): value for name, value in http.headers.items()}
    data = None
    if http.can_read_body:
        small = (http.content_length or 0) <= SMALL
        data = await http.read() if small else http.content.iter_any()
    answer = await client.send(
        http.method, endpoint + http.raw_path, headers=headers, data=data, changes=data is not None
    )
    with closing(answer):
        found = {name.lower(): value for name, value in answer.headers.items()}
        kept = {name: value for name, value in found.items() if name not in OF_THE_CONNECTION}
        whole = answer.whole
        if whole is not None and http.method != "HEAD":
            kept.pop("content-length", None)
            return web.Response(status=answer.status, headers=kept, body=whole)
        response = web.StreamResponse(status=answer.status, headers=kept)
        await response.prepare(http)
        async for chunk in answer.chunks():
            await response.write(chunk)
        return response


async def serve(endpoint: str, port: int) -> None:
    """Relay until the process is killed."""
    client = HttpClient(Timeouts())
    server = web.Server(lambda http: relay(client, endpoint, http), access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, HERE, port)
    await listener.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2])))
