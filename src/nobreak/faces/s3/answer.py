"""What the S3 face answers, apart from the server that sends it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

REDIRECT = 300
XML = "application/xml"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and a body: whole, or in chunks as they come.

    `close` releases what stands behind the chunks; it is called in all cases.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | AsyncIterator[bytes] = b""
    close: Callable[[], Awaitable[None]] | None = None

    @property
    def succeeded(self) -> bool:
        """Whether it says that what was asked for was done."""
        return self.status < REDIRECT


def xml_answer(body: bytes, status: int = 200) -> Answer:
    """An answer in XML."""
    return Answer(status, {"content-type": XML}, body)
