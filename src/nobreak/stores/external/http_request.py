"""A request to an HTTP server, as it goes over the wire (RFC 9112)."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

RequestBody = bytes | AsyncIterator[bytes]
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of which nobody expects to hear how long their body is."""

_TARGET = re.compile(r"[\x21-\x7e]+")


@dataclass(slots=True, eq=False)
class Request:
    """`head`: with its empty line. `body` comes after it; None: there is none.

    `length`: that of the body in bytes; None for one that goes out in chunks. `changes`: the
    server's state, so that a failure leaves it in doubt. `sent`: all of it has gone out.
    """

    method: str
    path: str
    head: bytes
    body: RequestBody | None
    length: int | None
    changes: bool
    sent: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent twice without anybody noticing."""
        return not self.changes and self.body is None


def make_request(
    method: str,
    target: str,
    host: str,
    headers: Mapping[str, str],
    body: RequestBody | None,
    *,
    changes: bool,
) -> Request:
    """A request with the headers that frame it.

    `target` goes out exactly as it is. Raises `ValueError` for one, or for a header, that HTTP
    can't carry.
    """
    if not _TARGET.fullmatch(target):
        raise ValueError("the target of a request holds a character that can't be in it")
    lines = [f"{method} {target} HTTP/1.1"]
    named_host, stated = False, None
    for name, value in headers.items():
        lines.append(f"{name}: {value}")
        lowered = name.lower()
        if lowered == "content-length":
            stated = value
        elif lowered == "host":
            named_host = True
    if not named_host:
        lines.append(f"host: {host}")
    length = None if stated is None else int(stated)
    if isinstance(body, AsyncIterator):
        if stated is None:
            lines.append("transfer-encoding: chunked")
    else:
        length = len(body) if body else 0
        if stated is None and (body is not None or method not in BODILESS):
            lines.append(f"content-length: {length}")
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\r") != breaks or text.count("\n") != breaks or "\0" in text:
        raise ValueError("a header of a request holds a line break or a NUL")
    head = f"{text}\r\n\r\n".encode("utf-8", "surrogateescape")
    return Request(method, target.partition("?")[0], head, body, length, changes)
