"""Multipart uploads through an outage where the external store knows none: WebDAV, and the seed's
form-upload server (issue 3, item 3). A real `nobreak serve`, real servers, botocore, unmodified."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.children import Child, nginx_webdav, rclone_webdav, upload_server
from tests.support.cli import Cli, upload_settings
from tests.support.multipart import Orderings, checked, part_files
from tests.support.net import eventually, free_port, listening
from tests.support.outage import BUCKET, Shop

from nobreak.stores.external.sigv4 import Credentials

USER = Credentials("user", "secret", "us-east-1")
SERVERS = {"rclone": rclone_webdav, "nginx": nginx_webdav, "form upload": upload_server}


@pytest.fixture(params=SERVERS)
async def external(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Child]:
    folder = tmp_path / "external"
    folder.mkdir()
    server = SERVERS[request.param](folder)
    await server.start()
    yield server
    await server.kill()


@pytest.fixture
async def cli(
    external: Child, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Cli]:
    """`nobreak serve` before that server."""
    port = free_port()
    url = {"EXTERNAL_STORAGE_URL": f"dav+{external.url}"}
    form = "form upload" in request.node.name
    started = Cli(
        tmp_path,
        NOBREAK_S3_LISTEN=f"127.0.0.1:{port}",
        NOBREAK_ACCESS_KEY=USER.access_key,
        NOBREAK_SECRET_KEY=USER.secret_key,
        NOBREAK_BUCKET=BUCKET,
        **(upload_settings(external.port) if form else url),
    )
    await started.serve()
    await eventually(lambda: listening(port), within=15)
    yield started
    started.close()


async def test_parts_that_came_before_during_and_after_an_outage_are_one_object_there(
    external, cli
):
    """I1, I2, I3: in any combination; the bytes, and the ETag that the client was given."""
    front = Shop(f"http://{cli.settings['NOBREAK_S3_LISTEN']}", USER, retries={"max_attempts": 0})
    orderings = Orderings(front)

    async def is_over() -> bool:
        status = await cli.run("status", "--json")
        return '"entries": 0' in status.out and '"current_mode": "external"' in status.out

    await orderings.play("before")
    await external.kill()
    await orderings.play("during")
    await external.start()
    await eventually(is_over, within=60)
    await orderings.play("after")
    await eventually(is_over, within=60)
    for upload in orderings.uploads:
        await checked(front, upload)
    kept = [path.read_bytes() for path in external.files.rglob("*") if path.is_file()]
    found = sorted(hashlib.md5(content).hexdigest() for content in kept)
    assert found == sorted(hashlib.md5(each.content).hexdigest() for each in orderings.uploads)
    assert part_files(cli.data) == []
