"""Authentication: which of the three kinds of signature a request carries, and whose it is."""

from datetime import datetime

from nobreak.faces.s3.auth_header import verify_header
from nobreak.faces.s3.keyring import KeyRing
from nobreak.faces.s3.presigned import verify_presigned
from nobreak.faces.s3.presigned_v2 import verify_presigned_v2
from nobreak.faces.s3.request import S3Error, S3Request
from nobreak.faces.s3.verified import Verified

V4_ARGUMENTS = frozenset({"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature"})
V2_ARGUMENTS = frozenset({"AWSAccessKeyId", "Signature"})


def authenticate(request: S3Request, keys: KeyRing, now: datetime) -> Verified:
    """Who sent this request, at `now` (with a time zone).

    What an identity may do is not asked here: see `KeyRing.allowed`. A session token
    (`x-amz-security-token`) is tolerated and means nothing. Raises `S3Error`: `AccessDenied`
    (anonymous, expired, headers not signed), `AuthorizationHeaderMalformed`,
    `AuthorizationQueryParametersError`, `InvalidAccessKeyId`, `InvalidArgument`,
    `InvalidRequest`, `RequestTimeTooSkewed`, `SignatureDoesNotMatch`.
    """
    names = {name for name, _ in request.query}
    kinds = [
        verify
        for verify, there in (
            (verify_header, "authorization" in request.headers),
            (verify_presigned, not V4_ARGUMENTS.isdisjoint(names)),
            (verify_presigned_v2, not V2_ARGUMENTS.isdisjoint(names)),
        )
        if there
    ]
    if not kinds:
        raise S3Error("AccessDenied", "Access Denied")
    if len(kinds) > 1:
        raise S3Error(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
            "Signature query string parameter or the Authorization header should be specified",
        )
    return kinds[0](request, keys, now)
