"""botocore alone, a multipart upload by hand: what all of Python's AWS clients stand on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore
import botocore.session
from loop import Place, serve, started, write

PART = 5 * 1024 * 1024


class Botocore:
    def __init__(self, place: Place, make: Callable[..., Any]) -> None:
        """`make`: what makes a client of a service, botocore's own or boto3's."""
        self._client = make(
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
        write(path, self._client.get_object(Bucket=bucket, Key=key)["Body"].read())

    def range(self, bucket: str, key: str, path: str, first: int, last: int) -> None:
        answer = self._client.get_object(Bucket=bucket, Key=key, Range=f"bytes={first}-{last}")
        write(path, answer["Body"].read())

    def list(self, bucket: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def delete(self, bucket: str, key: str) -> None:
        self._client.delete_object(Bucket=bucket, Key=key)

    def copy(self, bucket: str, key: str, target: str) -> None:
        source = {"Bucket": bucket, "Key": key}
        self._client.copy_object(Bucket=bucket, Key=target, CopySource=source)

    def multipart(self, bucket: str, key: str, path: str) -> None:
        upload = self._client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        parts = []
        with Path(path).open("rb") as file:
            for number, content in enumerate(iter(lambda: file.read(PART), b""), 1):
                part = self._client.upload_part(
                    Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=content
                )
                parts.append({"PartNumber": number, "ETag": part["ETag"]})
        self._client.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )

    def presign_get(self, bucket: str, key: str) -> str:
        return self._presigned("get_object", bucket, key)

    def presign_put(self, bucket: str, key: str) -> str:
        return self._presigned("put_object", bucket, key)

    def _presigned(self, operation: str, bucket: str, key: str) -> str:
        return self._client.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key})


if __name__ == "__main__":
    session = botocore.session.get_session()
    serve(Botocore(started(), session.create_client), botocore.__version__)
