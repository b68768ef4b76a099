"""minio-py."""

from datetime import timedelta

import minio
from loop import Place, serve, started, write
from minio.commonconfig import CopySource


class Minio:
    def __init__(self, place: Place) -> None:
        self._client = minio.Minio(
            place.address,
            access_key=place.access_key,
            secret_key=place.secret_key,
            secure=False,
        )

    def put(self, bucket: str, key: str, path: str) -> None:
        self._client.fput_object(bucket, key, path)

    multipart = put

    def get(self, bucket: str, key: str, path: str) -> None:
        self._client.fget_object(bucket, key, path)

    def range(self, bucket: str, key: str, path: str, first: int, last: int) -> None:
        answer = self._client.get_object(bucket, key, offset=first, length=last - first + 1)
        try:
            write(path, answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def list(self, bucket: str) -> list[str]:
        return [each.object_name for each in self._client.list_objects(bucket, recursive=True)]

    def delete(self, bucket: str, key: str) -> None:
        self._client.remove_object(bucket, key)

    def copy(self, bucket: str, key: str, target: str) -> None:
        self._client.copy_object(bucket, target, CopySource(bucket, key))

    def presign_get(self, bucket: str, key: str) -> str:
        return self._client.presigned_get_object(bucket, key, expires=timedelta(hours=1))

    def presign_put(self, bucket: str, key: str) -> str:
        return self._client.presigned_put_object(bucket, key, expires=timedelta(hours=1))


if __name__ == "__main__":
    serve(Minio(started()), minio.__version__)
