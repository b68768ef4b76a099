"""s3fs, as an fsspec file system (on aiobotocore)."""

import shutil
from pathlib import Path

import s3fs
from loop import Place, read, serve, started, write


class S3fs:
    def __init__(self, place: Place) -> None:
        self._fs = s3fs.S3FileSystem(
            key=place.access_key,
            secret=place.secret_key,
            endpoint_url=place.endpoint,
        )

    def put(self, bucket: str, key: str, path: str) -> None:
        self._fs.pipe_file(f"{bucket}/{key}", read(path))

    def multipart(self, bucket: str, key: str, path: str) -> None:
        """As a file that is written to: `put_file` sends up to 100 MiB in one piece."""
        with Path(path).open("rb") as source, self._fs.open(f"{bucket}/{key}", "wb") as target:
            shutil.copyfileobj(source, target)

    def get(self, bucket: str, key: str, path: str) -> None:
        write(path, self._fs.cat_file(f"{bucket}/{key}"))

    def range(self, bucket: str, key: str, path: str, first: int, last: int) -> None:
        write(path, self._fs.cat_file(f"{bucket}/{key}", start=first, end=last + 1))

    def list(self, bucket: str) -> list[str]:
        return [each.removeprefix(f"{bucket}/") for each in self._fs.find(bucket)]

    def delete(self, bucket: str, key: str) -> None:
        self._fs.rm_file(f"{bucket}/{key}")

    def copy(self, bucket: str, key: str, target: str) -> None:
        self._fs.cp_file(f"{bucket}/{key}", f"{bucket}/{target}")

    def presign_get(self, bucket: str, key: str) -> str:
        return self._fs.url(f"{bucket}/{key}")

    def presign_put(self, bucket: str, key: str) -> str:
        return self._fs.url(f"{bucket}/{key}", client_method="put_object")


if __name__ == "__main__":
    serve(S3fs(started()), s3fs.__version__)
