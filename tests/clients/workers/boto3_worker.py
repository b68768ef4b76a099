"""boto3, with its transfer manager: `upload_file` and `download_file`."""

from pathlib import Path

import boto3
from loop import Place, serve, started, write


class Boto3:
    def __init__(self, place: Place) -> None:
        self._client = boto3.client(
            "s3",
            endpoint_url=place.endpoint,
            aws_access_key_id=place.access_key,
            aws_secret_access_key=place.secret_key,
            region_name=place.region,
        )

    def put(self, bucket: str, key: str, path: str) -> None:
        with Path(path).open("rb") as body:
            self._client.put_object(Bucket=bucket, Key=key, Body=body)

    def get(self, bucket: str, key: str, path: str) -> None:
        self._client.download_file(bucket, key, path)

    def range(self, bucket: str, key: str, path: str, first: int, last: int) -> None:
        answer = self._client.get_object(Bucket=bucket, Key=key, Range=f"bytes={first}-{last}")
        write(path, answer["Body"].read())

    def list(self, bucket: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def delete(self, bucket: str, key: str) -> None:
        self._client.delete_object(Bucket=bucket, Key=key)

    def copy(self, bucket: str, key: str, target: str) -> None:
        self._client.copy({"Bucket": bucket, "Key": key}, bucket, target)

    def multipart(self, bucket: str, key: str, path: str) -> None:
        self._client.upload_file(path, bucket, key)

    def presign_get(self, bucket: str, key: str) -> str:
        return self._presigned("get_object", bucket, key)

    def presign_put(self, bucket: str, key: str) -> str:
        return self._presigned("put_object", bucket, key)

    def _presigned(self, operation: str, bucket: str, key: str) -> str:
        return self._client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key})


if __name__ == "__main__":
    serve(Boto3(started()), boto3.__version__)
