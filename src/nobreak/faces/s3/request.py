"""An S3 request as it came in, apart from the server that received it."""

from collections.abc import Mapping
from dataclasses import dataclass

from nobreak.errors import NobreakError


@dataclass(frozen=True, slots=True)
class S3Request:
    """The head of a request.

    `raw_path` and `raw_query`: exactly as sent, percent-encoded, without `?`. `query`: decoded
    pairs in the order sent, "" for a name without a value. `headers`: names in lower case, values
    of a repeated header joined with ",". `bucket` and `key`: decoded exactly; None where the
    request names none.
    """

    method: str
    raw_path: str
    raw_query: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    bucket: str | None
    key: str | None

    def argument(self, name: str) -> str | None:
        """The first value of a query argument; None when it isn't there."""
        return next((value for each, value in self.query if each == name), None)


class S3Error(NobreakError):
    """An answer that says no, with S3's code, such as `NoSuchKey`.

    The HTTP status follows from the code (`errors.STATUS`). `extra`: further elements of the XML.
    """

    def __init__(
        self, code: str, message: str = "", *, extra: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message
        self.extra = dict(extra or {})
