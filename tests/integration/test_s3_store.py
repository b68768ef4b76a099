"""The S3 driver against a real SeaweedFS, and against servers that fail on purpose."""

import pytest
from tests.contract.external_store import ExternalStoreContract, ExternalStoreOutageContract

from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store


class TestS3Store(ExternalStoreContract):
    @pytest.fixture
    def store(self, s3_store):
        return s3_store


class TestS3StoreOutages(ExternalStoreOutageContract):
    @pytest.fixture
    async def store_at(self):
        stores = []

        def make(port: int, timeouts: Timeouts) -> S3Store:
            stores.append(
                S3Store(
                    f"http://127.0.0.1:{port}",
                    access_key="a",
                    secret_key="s",
                    region="us-east-1",
                    timeouts=timeouts,
                )
            )
            return stores[-1]

        yield make
        for store in stores:
            await store.aclose()
