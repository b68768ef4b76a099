"""S3's error codes: the HTTP status of each, and what it says unless there is more to say."""

from types import MappingProxyType

_REQUESTS = {
    "BadDigest": (400, "The body does not match the checksum that came with it."),
    "BadRequest": (400, "The request can't be understood."),
    "EntityTooLarge": (400, "The body is larger than an object may be."),
    "EntityTooSmall": (400, "A part other than the last is smaller than 5 MiB."),
    "IllegalLocationConstraintException": (400, "The bucket can't be in that region."),
    "IncompleteBody": (400, "The body does not have the length that was announced."),
    "InvalidArgument": (400, "An argument is not valid."),
    "InvalidBucketName": (400, "No bucket can have this name."),
    "InvalidChunkSizeError": (400, "A chunk of the body has a size that is not allowed."),
    "InvalidDigest": (400, "The checksum that came with the body is not one."),
    "InvalidLocationConstraint": (400, "There is no such region."),
    "InvalidPart": (400, "A part is not there, or its ETag is another one."),
    "InvalidPartOrder": (400, "The parts are not in ascending order."),
    "InvalidRequest": (400, "The request is not valid."),
    "InvalidTag": (400, "A tag is not valid."),
    "InvalidURI": (400, "The address can't be decoded."),
    "KeyTooLongError": (400, "The key is longer than 1,024 bytes."),
    "MalformedPOSTRequest": (400, "The body is not the form that it should be."),
    "MalformedTrailerError": (400, "The trailer of the body can't be understood."),
    "MalformedXML": (400, "The XML can't be read, or is not what belongs here."),
    "MaxMessageLengthExceeded": (400, "The request is too large."),
    "MetadataTooLarge": (400, "The metadata has more than 2,048 bytes."),
    "RequestHeaderSectionTooLarge": (400, "The headers are too large."),
    "RequestTimeout": (400, "The body did not arrive in time."),
    "UnexpectedContent": (400, "This request takes no body."),
    "MissingContentLength": (411, "The length of the body has to be announced."),
    "MethodNotAllowed": (405, "This method is not allowed here."),
    "PreconditionFailed": (412, "A condition of the request does not hold."),
    "InvalidPartNumber": (416, "The object has no part of this number."),
    "InvalidRange": (416, "The range lies outside of the object."),
    "NotImplemented": (501, "This is not supported here."),
}
_SIGNATURES = {
    "AccessDenied": (403, "Access denied."),
    "AuthorizationHeaderMalformed": (400, "The Authorization header can't be understood."),
    "AuthorizationQueryParametersError": (400, "The signature in the query is malformed."),
    "CredentialsNotSupported": (400, "This kind of credentials is not supported here."),
    "ExpiredToken": (400, "The token has expired."),
    "InvalidAccessKeyId": (403, "There is no such access key."),
    "InvalidSecurity": (403, "The credentials are not valid."),
    "InvalidToken": (400, "The token is not valid."),
    "MissingAuthenticationToken": (403, "The request is not signed."),
    "MissingSecurityHeader": (400, "A header that signing needs is missing."),
    "RequestExpired": (400, "The request has expired."),
    "RequestTimeTooSkewed": (403, "The clocks differ by more than 15 minutes."),
    "SignatureDoesNotMatch": (403, "The signature is not the one of this request and key."),
    "XAmzContentSHA256Mismatch": (400, "The body does not have the SHA-256 that was signed."),
}
_RESOURCES = {
    "NoSuchBucket": (404, "The bucket does not exist."),
    "NoSuchKey": (404, "The object does not exist."),
    "NoSuchTagSet": (404, "There are no tags."),
    "NoSuchUpload": (404, "The upload does not exist: it was completed, aborted or never begun."),
    "NoSuchVersion": (404, "The version does not exist."),
    "BucketAlreadyExists": (409, "The bucket exists and belongs to someone else."),
    "BucketAlreadyOwnedByYou": (409, "The bucket exists and is yours."),
    "BucketNotEmpty": (409, "The bucket is not empty."),
    "ConditionalRequestConflict": (409, "Another write came between; try again."),
    "InvalidBucketState": (409, "The bucket's state does not allow this."),
    "OperationAborted": (409, "Another change of this resource is under way; try again."),
}
_FAILURES = {
    "InternalError": (500, "Internal error."),
    "ServiceUnavailable": (503, "The service is not available now; try again."),
    "SlowDown": (503, "The external storage is away, and only it can answer this; try again."),
    "InsufficientStorage": (507, "There is no room on the local disk for this write."),
}

CODES = MappingProxyType({**_REQUESTS, **_SIGNATURES, **_RESOURCES, **_FAILURES})
"""Code → status and message."""
