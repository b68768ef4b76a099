"""Signatures of chunks: each covers its chunk and the signature before it.

Source: "Signature calculations for the authorization header: transferring payload in multiple
chunks" in the Amazon S3 API reference.
"""

import hashlib
import hmac

from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.verified import Seed
from nobreak.stores.external.sigv4 import EMPTY_SHA256, same_signature


class ChunkChain:
    """Checks the chunks of one body, in order."""

    __slots__ = ("_chunk", "_previous", "_seed")

    def __init__(self, seed: Seed) -> None:
        self._seed = seed
        self._previous = seed.signature
        self._chunk = hashlib.sha256()

    def update(self, data: bytes) -> None:
        """More bytes of the current chunk."""
        self._chunk.update(data)

    def close_chunk(self, claimed: str) -> None:
        """The chunk is complete. Raises `S3Error` (`SignatureDoesNotMatch`)."""
        self._check("PAYLOAD", f"{EMPTY_SHA256}\n{self._chunk.hexdigest()}", claimed)
        self._chunk = hashlib.sha256()

    def close_trailer(self, text: str, claimed: str) -> None:
        """`text`: the trailer's lines, `name:value` and a newline each. Raises `S3Error` too."""
        self._check("TRAILER", hashlib.sha256(text.encode()).hexdigest(), claimed)

    def _check(self, kind: str, hashes: str, claimed: str) -> None:
        head = f"AWS4-HMAC-SHA256-{kind}\n{self._seed.stamp}\n{self._seed.scope}\n"
        text = f"{head}{self._previous}\n{hashes}"
        computed = hmac.digest(self._seed.key, text.encode(), "sha256").hex()
        if not same_signature(claimed, computed):
            raise S3Error("SignatureDoesNotMatch", "The signature of a chunk does not match.")
        self._previous = claimed
