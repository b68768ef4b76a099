"""Command-line clients: each operation is one run of the program."""

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.clients.processes import output, start
from tests.clients.protocol import PATIENCE, Failed, Place, Unsupported


class Program:
    """What the command-line clients have in common. An operation is a method of its name."""

    cannot: ClassVar[Mapping[str, str]] = {}

    def __init__(self, program: Path, place: Place) -> None:
        self.version = ""
        self._program = program
        self._place = place

    async def start(self) -> None:
        """Programs need no start; find out their version."""
        self.version = await self.told_version()

    async def do(self, operation: str, **arguments: Any) -> Any:
        if operation in self.cannot:
            raise Unsupported(self.cannot[operation])
        return await getattr(self, operation)(**arguments)

    async def close(self) -> None:
        """Nothing runs between two operations."""

    async def told_version(self) -> str:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """How this program is told where to work."""
        return {}

    async def run(self, *arguments: str | Path, stdin: Path | None = None) -> bytes:
        """Run the program; what it printed. Raises `Failed`."""
        with (stdin or Path(os.devnull)).open("rb") as source:
            process = await start(
                [self._program, *arguments],
                self._place.folder,
                self.environment(),
                stdin=source,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        out, err = await output(process, PATIENCE)
        if process.returncode:
            raise Failed(f"exit code {process.returncode}: {err.decode().strip()[-400:]}")
        return out


class Aws(Program):
    """The AWS CLI: `aws s3` where it can name the key, `aws s3api` otherwise."""

    cannot: ClassVar = {"presign_put": "`aws s3 presign` makes GET only"}

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self._place.endpoint,
            "AWS_ACCESS_KEY_ID": self._place.access_key,
            "AWS_SECRET_ACCESS_KEY": self._place.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    async def told_version(self) -> str:
        return (await self.run("--version")).decode().split()[0].removeprefix("aws-cli/")

    async def put(self, bucket: str, key: str, path: Path) -> None:
        if key.endswith("/"):  # `aws s3 cp` takes that for a folder
            await self.run("s3api", "put-object", "--bucket", bucket, "--key", key, "--body", path)
        else:
            await self.run("s3", "cp", path, f"s3://{bucket}/{key}")

    multipart = put

    async def get(self, bucket: str, key: str, path: Path) -> None:
        if key.endswith("/"):
            await self.run("s3api", "get-object", "--bucket", bucket, "--key", key, path)
        else:
            await self.run("s3", "cp", f"s3://{bucket}/{key}", path)

    async def range(self, bucket: str, key: str, path: Path, first: int, last: int) -> None:
        part = f"bytes={first}-{last}"
        await self.run(
            "s3api", "get-object", "--bucket", bucket, "--key", key, "--range", part, path
        )

    async def list(self, bucket: str) -> list[str]:
        out = await self.run("s3api", "list-objects-v2", "--bucket", bucket, "--output", "json")
        return [each["Key"] for each in json.loads(out or b"{}").get("Contents", ())]

    async def delete(self, bucket: str, key: str) -> None:
        await self.run("s3", "rm", f"s3://{bucket}/{key}")

    async def copy(self, bucket: str, key: str, target: str) -> None:
        await self.run("s3", "cp", f"s3://{bucket}/{key}", f"s3://{bucket}/{target}")

    async def presign_get(self, bucket: str, key: str) -> str:
        return (await self.run("s3", "presign", f"s3://{bucket}/{key}")).decode().strip()


class S5cmd(Program):
    """s5cmd."""

    cannot: ClassVar = {
        "range": "has no ranged read",
        "presign_put": "`s5cmd presign` makes GET only",
    }

    def environment(self) -> dict[str, str]:
        return {
            "S3_ENDPOINT_URL": self._place.endpoint,
            "AWS_ACCESS_KEY_ID": self._place.access_key,
            "AWS_SECRET_ACCESS_KEY": self._place.secret_key,
            "AWS_REGION": "us-east-1",
        }

    async def told_version(self) -> str:
        return (await self.run("version")).decode().strip()

    async def put(self, bucket: str, key: str, path: Path) -> None:
        if key.endswith("/"):
            raise Unsupported("takes a key that ends in a slash for a folder")
        await self.run("cp", path, f"s3://{bucket}/{key}")

    multipart = put

    async def get(self, bucket: str, key: str, path: Path) -> None:
        await self.run("cp", "--raw", f"s3://{bucket}/{key}", path)

    async def list(self, bucket: str) -> list[str]:
        out = await self.run("--json", "ls", f"s3://{bucket}/*")
        keys = [json.loads(line)["key"] for line in out.splitlines()]
        return [key.removeprefix(f"s3://{bucket}/") for key in keys]

    async def delete(self, bucket: str, key: str) -> None:
        await self.run("rm", "--raw", f"s3://{bucket}/{key}")

    async def copy(self, bucket: str, key: str, target: str) -> None:
        await self.run("cp", "--raw", f"s3://{bucket}/{key}", f"s3://{bucket}/{target}")

    async def presign_get(self, bucket: str, key: str) -> str:
        return (await self.run("presign", f"s3://{bucket}/{key}")).decode().strip()


class Rclone(Program):
    """rclone, with its S3 backend."""

    cannot: ClassVar = {"presign_put": "`rclone link` makes GET only"}

    def environment(self) -> dict[str, str]:
        return {
            "RCLONE_CONFIG_NB_TYPE": "s3",
            "RCLONE_CONFIG_NB_PROVIDER": "Other",
            "RCLONE_CONFIG_NB_ENDPOINT": self._place.endpoint,
            "RCLONE_CONFIG_NB_ACCESS_KEY_ID": self._place.access_key,
            "RCLONE_CONFIG_NB_SECRET_ACCESS_KEY": self._place.secret_key,
            "RCLONE_CONFIG_NB_REGION": "us-east-1",
        }

    async def told_version(self) -> str:
        return (await self.run("version")).decode().split()[1].removeprefix("v")

    async def put(self, bucket: str, key: str, path: Path) -> None:
        await self.run("copyto", path, f"nb:{bucket}/{key}")

    async def multipart(self, bucket: str, key: str, path: Path) -> None:
        """From a pipe: a file would go in one piece up to 200 MiB."""
        await self.run("rcat", f"nb:{bucket}/{key}", stdin=path)

    async def get(self, bucket: str, key: str, path: Path) -> None:
        await self.run("copyto", f"nb:{bucket}/{key}", path)
        if not path.exists():  # to rclone, what isn't there is an empty folder
            raise Failed("nothing was copied")

    async def range(self, bucket: str, key: str, path: Path, first: int, last: int) -> None:
        count = ["--offset", str(first), "--count", str(last - first + 1)]
        path.write_bytes(await self.run("cat", *count, f"nb:{bucket}/{key}"))

    async def list(self, bucket: str) -> list[str]:
        out = await self.run("lsf", "--recursive", "--files-only", f"nb:{bucket}")
        return out.decode().splitlines()

    async def delete(self, bucket: str, key: str) -> None:
        await self.run("deletefile", f"nb:{bucket}/{key}")

    async def copy(self, bucket: str, key: str, target: str) -> None:
        await self.run("copyto", f"nb:{bucket}/{key}", f"nb:{bucket}/{target}")

    async def presign_get(self, bucket: str, key: str) -> str:
        return (await self.run("link", f"nb:{bucket}/{key}")).decode().strip()


class S3cmd(Program):
    """s3cmd."""

    cannot: ClassVar = {
        "range": "has no ranged read",
        "presign_put": "`s3cmd signurl` makes GET only",
    }

    async def start(self) -> None:
        address = urlsplit(self._place.endpoint).netloc
        (self._place.folder / ".s3cfg").write_text(
            f"[default]\nhost_base = {address}\nhost_bucket = {address}\nuse_https = False\n"
            f"access_key = {self._place.access_key}\nsecret_key = {self._place.secret_key}\n"
        )
        await super().start()

    async def told_version(self) -> str:
        return (await self.run("--version")).decode().split()[-1]

    async def put(self, bucket: str, key: str, path: Path) -> None:
        if key.endswith("/"):
            raise Unsupported("takes a key that ends in a slash for a folder")
        await self.run("put", path, f"s3://{bucket}/{key}")

    multipart = put

    async def get(self, bucket: str, key: str, path: Path) -> None:
        await self.run("get", "--force", f"s3://{bucket}/{key}", path)

    async def list(self, bucket: str) -> list[str]:
        out = await self.run("ls", "--recursive", f"s3://{bucket}")
        marker = f"s3://{bucket}/"
        return [line.partition(marker)[2] for line in out.decode().splitlines()]

    async def delete(self, bucket: str, key: str) -> None:
        await self.run("del", f"s3://{bucket}/{key}")

    async def copy(self, bucket: str, key: str, target: str) -> None:
        await self.run("cp", f"s3://{bucket}/{key}", f"s3://{bucket}/{target}")

    async def presign_get(self, bucket: str, key: str) -> str:
        return (await self.run("signurl", f"s3://{bucket}/{key}", "+3600")).decode().strip()
