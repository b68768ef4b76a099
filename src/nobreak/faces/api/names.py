"""Between keys and paths of URLs. A key is kept exactly: `a//b`, `x/`, `../y` are ordinary."""

from urllib.parse import quote, unquote_to_bytes

from fastapi import Request
from starlette.convertors import Convertor, register_url_convertor

from nobreak.errors import InvalidRequestError

UPLOAD_PATH = "/api/upload"
FILES_PATH = "/files/"
FILE_ROUTE = "/files/{key:object_key}"
IN_A_PATH = "/!$&'()*+,;=:@"
"""What may stand in a path as it is, beside letters, digits and `-._~` (RFC 3986, 3.3)."""


class KeyConvertor(Convertor[str]):
    """The rest of the path, newlines included, which Starlette's own `path` stops at."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("object_key", KeyConvertor())


def key_of(request: Request) -> str:
    """The key that a request to `FILE_ROUTE` names, from the path as it was sent.

    Raises `InvalidRequestError` when its bytes are not UTF-8.
    """
    path, matched = request.scope["path"], request.path_params["key"]
    raw: bytes = request.scope.get("raw_path") or quote(path).encode()
    try:
        sent = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError("the key is not valid UTF-8") from error
    before = path.removesuffix(matched)
    if not sent.startswith(before):  # some servers keep the root path out of the raw one
        before = before.removeprefix(request.scope.get("root_path", ""))
    return sent.removeprefix(before)


def url_beside_upload(request: Request, key: str) -> str:
    """The path of an object, for an answer to `UPLOAD_PATH`, wherever the router is mounted."""
    before: str = request.scope["path"].removesuffix(UPLOAD_PATH)
    return quote(before) + FILES_PATH + quoted(key)


def url_of_same(request: Request, key: str) -> str:
    """The path of the object that a request to `FILE_ROUTE` names."""
    before: str = request.scope["path"].removesuffix(request.path_params["key"])
    return quote(before) + quoted(key)


def quoted(key: str) -> str:
    """A key as part of a path that no client takes for `.` or `..` and resolves."""
    steps = {".", ".."} & set(key.split("/"))
    return quote(key, safe="" if steps else IN_A_PATH)
