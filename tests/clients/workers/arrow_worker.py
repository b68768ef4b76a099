"""pyarrow's own S3 file system (AWS's C++ SDK), and Parquet by pyarrow and by pandas (s3fs)."""

from typing import ClassVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from loop import Place, read, serve, started, write
from pyarrow import fs

ROWS = 20_000


class Arrow:
    cannot: ClassVar = {
        "presign_get": "pyarrow can't presign",
        "presign_put": "pyarrow can't presign",
    }

    def __init__(self, place: Place) -> None:
        self._fs = fs.S3FileSystem(
            access_key=place.access_key,
            secret_key=place.secret_key,
            endpoint_override=place.address,
            scheme="http",
            region=place.region,
        )
        self._fsspec = {
            "key": place.access_key,
            "secret": place.secret_key,
            "endpoint_url": place.endpoint,
        }

    def put(self, bucket: str, key: str, path: str) -> None:
        with self._fs.open_output_stream(f"{bucket}/{key}") as stream:
            stream.write(read(path))

    multipart = put

    def get(self, bucket: str, key: str, path: str) -> None:
        with self._fs.open_input_stream(f"{bucket}/{key}") as stream:
            write(path, stream.read())

    def range(self, bucket: str, key: str, path: str, first: int, last: int) -> None:
        with self._fs.open_input_file(f"{bucket}/{key}") as file:
            write(path, file.read_at(last - first + 1, first))

    def list(self, bucket: str) -> list[str]:
        found = self._fs.get_file_info(fs.FileSelector(bucket, recursive=True))
        return [each.path.removeprefix(f"{bucket}/") for each in found if each.is_file]

    def delete(self, bucket: str, key: str) -> None:
        self._fs.delete_file(f"{bucket}/{key}")

    def copy(self, bucket: str, key: str, target: str) -> None:
        self._fs.copy_file(f"{bucket}/{key}", f"{bucket}/{target}")

    def parquet(self, bucket: str, key: str) -> None:
        """A file and a partitioned data set by pyarrow, a file by pandas; all read back."""
        numbers = list(range(ROWS))
        table = pa.table({"number": numbers, "third": [each % 3 for each in numbers]})
        pq.write_table(table, f"{bucket}/{key}.parquet", filesystem=self._fs)
        if not pq.read_table(f"{bucket}/{key}.parquet", filesystem=self._fs).equals(table):
            raise AssertionError("pyarrow reads another table than it wrote")
        root = f"{bucket}/{key}-set"
        pq.write_to_dataset(table, root, partition_cols=["third"], filesystem=self._fs)
        if pq.read_table(root, filesystem=self._fs).num_rows != ROWS:
            raise AssertionError("the data set has another number of rows")
        frame = table.to_pandas()
        url = f"s3://{bucket}/{key}-pandas.parquet"
        frame.to_parquet(url, storage_options=self._fsspec)
        pd.testing.assert_frame_equal(pd.read_parquet(url, storage_options=self._fsspec), frame)


if __name__ == "__main__":
    serve(Arrow(started()), f"{pa.__version__} (pandas {pd.__version__})")
