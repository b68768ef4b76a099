"""What botocore makes of our answers: the parser that every Python client of S3 uses."""

from functools import cache

import botocore.session
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser


@cache
def _model():
    return botocore.session.get_session().get_service_model("s3")


def parsed(operation, body, *, status=200, headers=None):
    """The answer to an operation, as a client sees it, without the metadata of the answer."""
    response = {"body": body, "headers": HeadersDict(headers or {}), "status_code": status}
    shape = _model().operation_model(operation).output_shape
    found = create_parser(_model().metadata["protocol"]).parse(response, shape)
    found.pop("ResponseMetadata", None)
    return found
