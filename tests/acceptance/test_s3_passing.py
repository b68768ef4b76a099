"""What passes through comes back unchanged: the same requests, to a SeaweedFS and through nobreak.

Status, headers and XML are compared as they come over the wire, in one bucket for each way.
"""

import asyncio
import base64
import hashlib
import re
from contextlib import closing

import pytest
from tests.support.outage import Outage

from nobreak.stores.external.http import HttpClient, Timeouts
from nobreak.stores.external.s3_client import S3Client
from nobreak.stores.external.sigv4 import Credentials

OF_THE_ANSWER = {"accept-ranges", "date", "server", "vary", "x-amz-id-2", "x-amz-request-id"}
"""Headers that every answer has anew, or that say nothing of an object."""
VARYING = re.compile(rb"<(RequestId|Resource|LastModified|CreationDate|[A-Za-z]*VersionId)>[^<]*<")
ALSO_VARYING = {"last-modified", "x-amz-version-id", "x-amz-copy-source-version-id"}
CONFIGURATIONS = {
    "cors": b"<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin>"
    b"<AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
    "lifecycle": b"<LifecycleConfiguration><Rule><ID>a</ID><Filter><Prefix>x</Prefix></Filter>"
    b"<Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule>"
    b"</LifecycleConfiguration>",
    "tagging": b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    "encryption": b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>"
    b"<SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule>"
    b"</ServerSideEncryptionConfiguration>",
    "policy": b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
    b'"Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}',
    "ownershipControls": b"<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced"
    b"</ObjectOwnership></Rule></OwnershipControls>",
    "versioning": b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
}
TAGS = CONFIGURATIONS["tagging"]
SELECT = b"<SelectObjectContentRequest><Expression>select * from s3object</Expression>"
ETAG = '"5d41402abc4b2a76b9719d911017c592"'
READ_BUCKET = [
    "acl", "location", "policyStatus", "website", "logging", "requestPayment", "replication",
    "accelerate", "object-lock", "notification", "versions", "inventory", "nonsense",
]  # fmt: skip
READ_OBJECT = ["acl", "tagging", "retention", "legal-hold", "torrent"]
REQUESTS = [
    ("PUT", "", "", {}, b""),
    ("PUT", "", "", {}, b""),
    ("PUT", "k", "", {"content-type": "a/b", "x-amz-meta-x": "y"}, b"hello"),
    *[(method, "k", "", {}, None) for method in ("GET", "HEAD")],
    ("GET", "k", "", {"range": "bytes=1-2"}, None),
    ("GET", "k", "", {"range": "bytes=9-"}, None),
    ("GET", "k", "", {"if-none-match": ETAG}, None),
    ("HEAD", "k", "", {"if-match": '"x"'}, None),
    ("GET", "nothing", "", {}, None),
    ("HEAD", "nothing", "", {}, None),
    ("GET", "k", "response-content-type=c/d", {}, None),
    ("GET", "k", "", {"x-amz-expected-bucket-owner": "admin"}, None),
    *[("GET", "", query, {}, None) for query in READ_BUCKET],
    *[("GET", "k", query, {}, None) for query in READ_OBJECT],
    *[
        (method, "", query, {}, body if method == "PUT" else None)
        for query, body in CONFIGURATIONS.items()
        for method in ("GET", "PUT", "GET")
    ],
    *[("DELETE", "", query, {}, None) for query in CONFIGURATIONS if query != "versioning"],
    ("GET", "k", "attributes", {"x-amz-object-attributes": "ETag,ObjectSize"}, None),
    ("PUT", "k", "acl", {"x-amz-acl": "private"}, b""),
    ("PUT", "k", "tagging", {}, TAGS),
    ("GET", "k", "tagging", {}, None),
    ("DELETE", "k", "tagging", {}, None),
    ("POST", "k", "select&select-type=2", {}, SELECT),
    ("POST", "k", "restore", {}, b"<RestoreRequest/>"),
    ("PUT", "copy", "", {"x-amz-copy-source": "/BUCKET/k"}, b""),
    ("PUT", "k", "", {}, b"second"),
    ("PUT", "k", "nonsense", {}, b"x"),
    ("DELETE", "k", "", {}, None),
    ("POST", "", "delete", {}, b"<Delete><Object><Key>copy</Key></Object></Delete>"),
    ("GET", "", "versions", {}, None),
    ("PUT", "sse", "", {"x-amz-server-side-encryption": "AES256"}, b"hello"),
    ("DELETE", "", "", {}, None),
    ("HEAD", "", "", {}, None),
]


async def answered(client: S3Client, bucket: str, request):
    """Status, headers and body, without what differs from one time to the next."""
    method, key, query, headers, data = request
    pairs = [tuple(f"{each}=".split("=")[:2]) for each in query.split("&")] if query else []
    sent = {name: value.replace("BUCKET", bucket) for name, value in headers.items()}
    if data is not None:
        data = data.replace(b"BUCKET", bucket.encode())
        sent["content-md5"] = base64.b64encode(hashlib.md5(data).digest()).decode()
    with closing(
        await client.send(method, bucket, key, query=pairs, headers=sent, data=data)
    ) as response:
        body = (await response.read(1 << 20)).replace(bucket.encode(), b"BUCKET")
        found = {name.lower(): value for name, value in response.headers.items()}
    kept = {
        name: "*" if name in ALSO_VARYING else value.replace(bucket, "BUCKET")
        for name, value in found.items()
        if name not in OF_THE_ANSWER
    }
    if body.startswith(b"<?xml"):
        for name in ("content-length", "transfer-encoding"):
            kept.pop(name, None)
    return response.status, kept, VARYING.sub(rb"<\1><", body)


async def test_what_passes_through_is_what_the_server_says(outage: Outage):
    server = outage.server
    pair = Credentials(server.access_key, server.secret_key, "us-east-1")
    http = HttpClient(Timeouts(connect=2.0, silence=20.0))
    direct = S3Client(server.endpoint, pair, http)
    through = S3Client(f"http://{outage.address}", pair, http)
    try:
        for request in REQUESTS:
            expected, found = await asyncio.gather(
                answered(direct, "going-there", request), answered(through, "by-nobreak1", request)
            )
            assert found == expected, request[:3]
    finally:
        await http.aclose()


@pytest.mark.parametrize("outage", [{"NOBREAK_DIVERT_AFTER": "1"}], indirect=True, ids=["quick"])
async def test_a_copy_is_not_awaited_from_a_server_that_is_frozen(outage: Outage):
    """I5: nor is the object that it was to become believed to be what it was (I4)."""
    front = outage.front
    await front.call("put_object", Key="k", Body=b"x")
    outage.server.freeze()
    began = asyncio.get_running_loop().time()
    source = {"Bucket": "shop", "Key": "k"}
    refused = await front.code_of("copy_object", Key="copy", CopySource=source)
    assert refused[:2] == (503, "SlowDown")
    assert asyncio.get_running_loop().time() - began < 3.0
    await front.call("put_object", Key="copy", Body=b"newer")
    outage.server.thaw()
    await asyncio.sleep(0.5)
    assert await front.read("copy") == b"newer"
