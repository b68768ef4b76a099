"""boto3, with its transfer manager: `upload_file`, `download_file` and `copy`."""

import boto3
from botocore_worker import Botocore
from loop import serve, started


class Boto3(Botocore):
    """What boto3 has of its own; the rest is botocore's, under its name."""

    def get(self, bucket: str, key: str, path: str) -> None:
        self._client.download_file(bucket, key, path)

    def copy(self, bucket: str, key: str, target: str) -> None:
        self._client.copy({"Bucket": bucket, "Key": key}, bucket, target)

    def multipart(self, bucket: str, key: str, path: str) -> None:
        self._client.upload_file(path, bucket, key)


if __name__ == "__main__":
    serve(Boto3(started(), boto3.client), boto3.__version__)
