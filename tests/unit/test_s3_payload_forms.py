"""Issue 3, item 5: every form of body that SDKs send arrives whole, however it is cut up."""

import base64
import hashlib
from datetime import UTC, datetime
from itertools import pairwise

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.httpchecksum import _CHECKSUM_CLS, AwsChunkedWrapper
from hypothesis import given
from hypothesis import strategies as st
from tests.support.chunks import KEYS, NOW, aws_chunked, read, streamed

from nobreak.faces.s3.addressing import read_request
from nobreak.faces.s3.auth import authenticate
from nobreak.faces.s3.checksums import Algorithm, hasher
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.faces.s3.payload import Digests, PayloadDecoder, payload_decoder
from nobreak.faces.s3.request import S3Error
from nobreak.faces.s3.verified import Streaming, Verified

BODY = bytes(range(256)) * 700


def decoded(decoder: PayloadDecoder, data: bytes, cuts=()) -> tuple[bytes, Digests]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(edges)]
    got = b"".join(piece for part in parts for piece in decoder.feed(part))
    return got, decoder.finish()


DOC_KEYS = KeyRing([KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")])
DOC_HEADERS = {
    "host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "content-encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
}
DOC_SIGNED = (
    "content-encoding;{length}host;x-amz-content-sha256;x-amz-date;"
    "x-amz-decoded-content-length;x-amz-storage-class"
)
DOC_CHUNKS = (
    (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)
DOC_TRAILED_CHUNKS = (
    (65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
)
DOC_TRAILER = "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"


def documented(chunks) -> bytes:
    data = [b"%x;chunk-signature=%s\r\n%s\r\n" % (n, s.encode(), b"a" * n) for n, s in chunks]
    return b"".join(data)


def doc_decoder(signed: str, signature: str, **headers) -> PayloadDecoder:
    headers = DOC_HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    headers["authorization"] = (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={signed},Signature={signature}"
    )
    request = read_request("PUT", "/examplebucket/chunkObject.txt", "", headers)
    verified = authenticate(request, DOC_KEYS, datetime(2013, 5, 24, tzinfo=UTC))
    return payload_decoder(verified, headers)


@given(st.lists(st.integers(0, 70_000), max_size=5))
def test_the_documented_upload_in_signed_chunks_is_read(cuts):
    decoder = doc_decoder(
        DOC_SIGNED.format(length="content-length;"),
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        x_amz_content_sha256=Streaming.SIGNED,
        content_length="66824",
    )
    wire = documented(DOC_CHUNKS)
    assert len(wire) == 66824
    assert decoder.length == 66560
    body, digests = decoded(decoder, wire, cuts)
    assert body == b"a" * 66560
    assert digests == Digests(66560)


ENDS = {
    "as the SDKs for Java and Go send it": "{name}:{value}\r\n{signature}\r\n\r\n",
    "as the hash is computed": "{name}:{value}\n\r\n{signature}\r\n\r\n",
    "without the last line": "{name}:{value}\r\n{signature}\r\n",
    "with spaces": "{name}: {value}\r\n{signature}\r\n\r\n",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_documented_upload_with_a_signed_trailer_is_read(end):
    decoder = doc_decoder(
        DOC_SIGNED.format(length="") + ";x-amz-trailer",
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
        x_amz_content_sha256=Streaming.SIGNED_TRAILER,
        x_amz_trailer="x-amz-checksum-crc32c",
    )
    trailer = end.format(
        name="x-amz-checksum-crc32c",
        value="sOO8/Q==",
        signature=f"x-amz-trailer-signature:{DOC_TRAILER}",
    )
    wire = documented(DOC_TRAILED_CHUNKS).removesuffix(b"\r\n") + trailer.encode()
    body, digests = decoded(decoder, wire)
    assert body == b"a" * 66560
    assert digests.checksum is not None
    assert (digests.checksum.algorithm, digests.checksum.text) == (Algorithm.CRC32C, "sOO8/Q==")


bodies = st.binary(max_size=400)
cut_lists = st.lists(st.integers(0, 5000), max_size=8)


@given(
    bodies, st.integers(1, 90), st.sampled_from(Streaming), st.sampled_from(Algorithm), cut_lists
)
def test_any_fragmentation_of_any_stream_gives_the_same_body(body, size, word, algorithm, cuts):
    verified, headers = streamed(word, body, algorithm)
    wire = aws_chunked(verified, body, algorithm, size=size)
    whole = decoded(payload_decoder(verified, headers), wire)
    assert whole[0] == body
    assert decoded(payload_decoder(verified, headers), wire, cuts) == whole
    every = range(len(wire))
    assert decoded(payload_decoder(verified, headers), wire, every) == whole
    if word != Streaming.SIGNED:
        assert whole[1].checksum is not None
        assert whole[1].checksum.algorithm == algorithm


@given(bodies, cut_lists)
def test_plain_bodies_are_checked_against_all_that_was_announced(body, cuts):
    headers = {
        "content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(),
        "x-amz-checksum-sha1": base64.b64encode(hashlib.sha1(body).digest()).decode(),
        "x-amz-sdk-checksum-algorithm": "SHA1",
    }
    verified = Verified("user", hashlib.sha256(body).hexdigest())
    got, digests = decoded(payload_decoder(verified, headers), body, cuts)
    assert got == body
    assert digests.size == len(body)
    assert digests.md5 == hashlib.md5(body).digest()
    assert digests.sha256 == hashlib.sha256(body).digest()
    assert digests.checksum is not None
    assert digests.checksum.text == headers["x-amz-checksum-sha1"]
    assert decoded(payload_decoder(Verified("user", "UNSIGNED-PAYLOAD"), {}), body)[1] == Digests(
        len(body)
    )


CHECK_VALUES = {
    Algorithm.CRC32: "cbf43926",
    Algorithm.CRC32C: "e3069283",
    Algorithm.CRC64NVME: "ae8b14860a799888",
}


@pytest.mark.parametrize("algorithm", CHECK_VALUES)
def test_crcs_have_the_check_values_of_the_catalogue_of_crc_algorithms(algorithm):
    crc = hasher(algorithm)
    for digit in b"123456789":
        crc.update(bytes([digit]))
    assert crc.digest().hex() == CHECK_VALUES[algorithm]


@pytest.mark.parametrize("algorithm", sorted(set(Algorithm) - {Algorithm.MD5}))
def test_checksums_are_those_of_botocore(algorithm):
    ours = hasher(algorithm)
    for start in range(0, len(BODY), 1000):
        ours.update(BODY[start : start + 1000])
    assert ours.digest() == base64.b64decode(_CHECKSUM_CLS[algorithm.lower()]().handle(BODY))


def sent_by_boto(scheme: str, operation: str, **arguments):
    """What a real client puts on the wire, caught before it leaves."""
    session = botocore.session.Session()
    session.set_credentials("user", "secret")
    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0})
    url = f"{scheme}://store.test"
    client = session.create_client("s3", "us-east-1", endpoint_url=url, config=config)
    caught = []

    def catch(request, **_):
        caught.append(request)
        return AWSResponse(request.url, 200, {}, type("Raw", (), {"stream": lambda _: []})())

    client.meta.events.register("before-send.s3", catch)
    getattr(client, operation)(Bucket="bucket", Key="k", **arguments)
    headers = {
        name.lower(): v if isinstance(v, str) else v.decode()
        for name, v in caught[0].headers.items()
    }
    return headers | {"host": "store.test"}, caught[0].body


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("algorithm", [None, "CRC32C", "CRC64NVME", "SHA256"])
def test_what_boto3_puts_is_read_and_its_checksum_kept(scheme, algorithm):
    named = {} if algorithm is None else {"ChecksumAlgorithm": algorithm}
    headers, body = sent_by_boto(scheme, "put_object", Body=BODY, **named)
    request = read_request("PUT", "/bucket/k", "", headers)
    keys = KeyRing([KeyPair("user", "secret")])
    stamp = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    verified = authenticate(request, keys, stamp)
    assert (verified.payload == Streaming.UNSIGNED_TRAILER) == (scheme == "https")
    wire = body.read() if isinstance(body, AwsChunkedWrapper) else body
    wire = wire if isinstance(wire, bytes) else wire.read()
    got, digests = decoded(payload_decoder(verified, headers), wire, range(0, len(wire), 777))
    assert got == BODY
    assert digests.checksum is not None
    assert digests.checksum.algorithm == (algorithm or "CRC32")


def test_the_checksum_of_a_whole_object_is_not_taken_for_the_bodys():
    """CompleteMultipartUpload sends the object's checksum; the body is a list of parts."""
    headers = {"x-amz-checksum-crc32": "AAAAAA==-3"}
    decoder = payload_decoder(Verified("u", "UNSIGNED-PAYLOAD"), headers, of_body=False)
    assert decoded(decoder, b"<xml/>") == (b"<xml/>", Digests(6))


def test_the_seed_of_the_helper_is_the_one_of_authentication():
    """The tests of streams stand on the same chain that a signed request begins."""
    verified, headers = streamed(Streaming.SIGNED, b"abc", Algorithm.CRC32)
    request = read_request("PUT", "/bucket/k", "", headers)
    assert authenticate(request, KEYS, NOW) == verified


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_a_stream_whose_client_did_not_know_its_length_is_read_to_its_end(step):
    """botocore sends what it can't seek in with `Transfer-Encoding: chunked` and no length."""
    body = bytes(range(256)) * 8
    verified, headers = streamed(Streaming.UNSIGNED_TRAILER, body, Algorithm.CRC32)
    del headers["x-amz-decoded-content-length"]
    headers["transfer-encoding"] = "chunked"
    wire = aws_chunked(verified, body, Algorithm.CRC32, size=500)
    parts = [wire[at : at + step] for at in range(0, len(wire), step)]
    assert read(verified, headers, parts) == body
    assert payload_decoder(verified, headers).length is None
    cut = wire[: wire.rindex(b"\r\n0")]
    with pytest.raises(S3Error):
        read(verified, headers, [cut])
