"""The seed's storage server, small and real: for tests, and for people who want to try.

    python -m nobreak.demo.upload_server --port 9000 --dir /tmp/uploads

`POST /upload` (multipart form, field `file`) → `{success, filename, url, size}`; the server
chooses the name. `GET /uploads/{filename}`, with ranges. `GET /health` → `OK`. It can't delete
and can't list, as the seed's. It trusts the page cache: an upload survives the server's death,
but not a power cut.
"""

import asyncio
import re
import uuid
from pathlib import Path, PurePosixPath

import click
from aiohttp import BodyPartReader, web

CHUNK_BYTES = 256 * 1024
STORED_NAME = re.compile(r"[0-9a-f]{32}(\.[A-Za-z0-9]{1,16})?")
KEPT_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,16}")
DIRECTORY = web.AppKey("directory", Path)


def make_app(directory: Path) -> web.Application:
    """The server as an aiohttp application that keeps its files in `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    app = web.Application()
    app[DIRECTORY] = directory
    app.router.add_get("/health", health)
    app.router.add_post("/upload", upload)
    app.router.add_get("/uploads/{filename}", download)
    return app


async def health(_request: web.Request) -> web.Response:
    """What the monitor looks at."""
    return web.Response(text="OK")


async def upload(request: web.Request) -> web.Response:
    """Keep the form's `file` under a name of our own. A broken upload leaves nothing."""
    part = await _file_part(request)
    if part is None:
        return web.json_response({"success": False, "error": "no field 'file'"}, status=400)
    suffix = PurePosixPath(part.filename or "").suffix
    filename = uuid.uuid4().hex + (suffix if KEPT_SUFFIX.fullmatch(suffix) else "")
    final = request.app[DIRECTORY] / filename
    partial = final.with_suffix(".partial")
    try:
        size = await _receive(part, partial)
        partial.rename(final)
    finally:
        partial.unlink(missing_ok=True)
    return web.json_response(
        {"success": True, "filename": filename, "url": f"/uploads/{filename}", "size": size}
    )


async def _file_part(request: web.Request) -> BodyPartReader | None:
    if not request.content_type.startswith("multipart/"):
        return None
    async for part in await request.multipart():
        if isinstance(part, BodyPartReader) and part.name == "file":
            return part
    return None


async def _receive(part: BodyPartReader, target: Path) -> int:
    """Write the part to `target` as it arrives; its size in bytes."""
    size = 0
    with target.open("wb") as file:
        while chunk := await part.read_chunk(CHUNK_BYTES):
            await asyncio.to_thread(file.write, chunk)
            size += len(chunk)
    return size


async def download(request: web.Request) -> web.StreamResponse:
    """A stored file, with ranges; nothing but names of our own making is looked up."""
    filename = request.match_info["filename"]
    path = request.app[DIRECTORY] / filename
    if not STORED_NAME.fullmatch(filename) or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=9000, show_default=True)
@click.option("--dir", "directory", type=click.Path(path_type=Path), required=True)
def main(host: str, port: int, directory: Path) -> None:
    """The seed's storage server: POST /upload, GET /uploads/{filename}, GET /health."""
    web.run_app(make_app(directory), host=host, port=port, print=None)


if __name__ == "__main__":
    main()
