"""A server that lists as S3 does: in the order of the keys' bytes, with tokens of its own.

SeaweedFS, our real server, has another order.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from nobreak.faces.s3.xml_writer import document, flag, leaf, node

KEYS = ["a-1", "a/1", "a/2", "b", "c"]


@asynccontextmanager
async def server_in_byte_order(
    asked: list[web.BaseRequest], *, most: int = 1000, go_on: asyncio.Event | None = None
) -> AsyncIterator[str]:
    """Lists `KEYS` in the bucket `b`, at most `most` at once, and notes what it was `asked`.

    `go_on`: no page after the first is given before it is set.
    """

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request)
        if request.method == "HEAD":
            key = request.path.removeprefix("/b/")
            headers = {"ETag": f'"etag-{key}"', "Content-Length": "1"} if key in KEYS else {}
            return web.Response(headers=headers)
        if request.path == "/":
            content = document(
                "ListAllMyBucketsResult", node("Buckets", node("Bucket", leaf("Name", "b")))
            )
            return web.Response(body=content, content_type="application/xml")
        token = request.query.get("continuation-token", "")
        if token and go_on is not None:
            await go_on.wait()
        after = request.query.get("start-after", request.query.get("marker", ""))
        after = token.removeprefix("theirs:") or after
        later = [key for key in KEYS if key > after]
        page = later[: min(most, int(request.query.get("max-keys", "1000")))]
        more = len(later) > len(page)
        return web.Response(
            content_type="application/xml",
            body=document(
                "ListBucketResult",
                flag("IsTruncated", value=more),
                leaf("ContinuationToken", token) if token else "",
                leaf("NextContinuationToken", f"theirs:{page[-1]}") if more else "",
                *(
                    node(
                        "Contents",
                        leaf("Key", key),
                        leaf("Size", 1),
                        leaf("ETag", f'"etag-{key}"'),
                        leaf("LastModified", "2026-01-02T03:04:05.000Z"),
                        leaf("StorageClass", "GLACIER"),
                    )
                    for key in page
                ),
            ),
        )

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
