"""obstore: the `object_store` crate, for Python."""

from datetime import timedelta
from pathlib import Path

import obstore
from loop import Place, read, serve, started, write
from obstore.store import S3Store


class Obstore:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._stores: dict[str, S3Store] = {}

    def put(self, bucket: str, key: str, path: str) -> None:
        obstore.put(self._store(bucket), key, read(path))

    def multipart(self, bucket: str, key: str, path: str) -> None:
        with Path(path).open("rb") as body:
            obstore.put(self._store(bucket), key, body)

    def get(self, bucket: str, key: str, path: str) -> None:
        write(path, bytes(obstore.get(self._store(bucket), key).bytes()))

    def range(self, bucket: str, key: str, path: str, first: int, last: int) -> None:
        part = obstore.get_range(self._store(bucket), key, start=first, end=last + 1)
        write(path, bytes(part))

    def list(self, bucket: str) -> list[str]:
        return [each["path"] for page in obstore.list(self._store(bucket)) for each in page]

    def delete(self, bucket: str, key: str) -> None:
        obstore.delete(self._store(bucket), key)

    def copy(self, bucket: str, key: str, target: str) -> None:
        obstore.copy(self._store(bucket), key, target)

    def presign_get(self, bucket: str, key: str) -> str:
        return obstore.sign(self._store(bucket), "GET", key, timedelta(hours=1))

    def presign_put(self, bucket: str, key: str) -> str:
        return obstore.sign(self._store(bucket), "PUT", key, timedelta(hours=1))

    def _store(self, bucket: str) -> S3Store:
        if bucket not in self._stores:
            self._stores[bucket] = S3Store(
                bucket,
                endpoint=self._place.endpoint,
                access_key_id=self._place.access_key,
                secret_access_key=self._place.secret_key,
                region=self._place.region,
                client_options={"allow_http": True},  # it refuses http:// otherwise
            )
        return self._stores[bucket]


if __name__ == "__main__":
    serve(Obstore(started()), obstore.__version__)
