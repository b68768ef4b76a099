"""Checksums that come after the body, as SDKs send them over TLS: kept, given on and given back."""

import base64
import zlib

import pytest

from nobreak.stores.external.base import Trailer
from nobreak.stores.external.memory_body import MemoryBody
from nobreak.words import Attributes, ObjectName

NAME = "x-amz-checksum-crc32"


def crc(body):
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("size", [1, 1_000_000])
async def test_a_real_server_takes_a_trailer_of_ours(s3_store, bucket, size):
    name, body = ObjectName(bucket, "k"), b"x" * size
    attributes = Attributes({"content-type": "a/b", "content-encoding": "gzip"})
    trailer = Trailer(NAME, 8, lambda: crc(body))
    receipt = await s3_store.put(name, MemoryBody(body), attributes, trailer=trailer)
    assert receipt.said[NAME] == crc(body)
    info = await s3_store.head(name, receipt=None)
    assert (info.size, info.attributes.headers) == (size, attributes.headers)
    async with s3_store.client.call(
        "HEAD", bucket, "k", headers={"x-amz-checksum-mode": "ENABLED"}
    ) as response:
        assert response.headers[NAME] == crc(body)
