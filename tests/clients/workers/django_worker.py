"""django-storages, as Django's file fields use it."""

from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import django
from django.conf import settings
from django.core.files import File
from loop import Place, serve, started, write

settings.configure()
django.setup()

from storages.backends.s3 import S3Storage  # noqa: E402 - needs the settings


class Django:
    cannot: ClassVar = {
        "range": "a file is always fetched whole",
        "copy": "Django's storage API has no copy",
    }

    def __init__(self, place: Place) -> None:
        self._place = place
        self._storages: dict[str, S3Storage] = {}

    def put(self, bucket: str, key: str, path: str) -> None:
        with Path(path).open("rb") as content:
            self._storage(bucket).save(key, File(content))

    multipart = put

    def get(self, bucket: str, key: str, path: str) -> None:
        with self._storage(bucket).open(key) as file:
            write(path, file.read())

    def list(self, bucket: str) -> list[str]:
        return below(self._storage(bucket), "")

    def delete(self, bucket: str, key: str) -> None:
        self._storage(bucket).delete(key)

    def presign_get(self, bucket: str, key: str) -> str:
        return self._storage(bucket).url(key)

    def presign_put(self, bucket: str, key: str) -> str:
        return self._storage(bucket).url(key, http_method="PUT")

    def _storage(self, bucket: str) -> S3Storage:
        if bucket not in self._storages:
            self._storages[bucket] = S3Storage(
                bucket_name=bucket,
                endpoint_url=self._place.endpoint,
                access_key=self._place.access_key,
                secret_key=self._place.secret_key,
                region_name=self._place.region,
            )
        return self._storages[bucket]


def below(storage: S3Storage, folder: str) -> list[str]:
    """All files below a folder."""
    folders, files = storage.listdir(folder)
    found = [folder + name for name in files]
    for each in folders:
        found += below(storage, f"{folder}{each}/")
    return found


if __name__ == "__main__":
    serve(Django(started()), f"{version('django-storages')} (Django {django.__version__})")
