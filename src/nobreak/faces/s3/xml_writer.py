"""XML as S3 writes it, and always well-formed: what XML 1.0 can't hold never gets in."""

import re

from nobreak.faces.s3.request import S3Error

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_IMPOSSIBLE = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\ud800-\\udfff\\ufffe\\uffff]")
_SPECIAL = re.compile("[&<>\\r]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def node(name: str, *parts: str) -> str:
    """An element of elements."""
    return f"<{name}>{''.join(parts)}</{name}>"


def leaf(name: str, value: str | int) -> str:
    """An element of text. Raises what `text` raises."""
    return f"<{name}>{text(str(value))}</{name}>"


def echo(name: str, value: str) -> str:
    """An element of text that the client sent or knows: what can't be written is replaced."""
    return leaf(name, _IMPOSSIBLE.sub("\N{REPLACEMENT CHARACTER}", value))


def text(value: str) -> str:
    """Text for an element.

    Raises `S3Error` when XML 1.0 can't hold it. AWS writes a reference that no parser takes, so
    clients can't read it there either; they ask for keys with `encoding-type=url`. Source:
    "ListObjects" in the Amazon S3 API reference.
    """
    if _IMPOSSIBLE.search(value):
        message = "A name can't be written in XML 1.0; ask with encoding-type=url."
        raise S3Error("InvalidArgument", message, extra={"ArgumentName": "encoding-type"})
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], value)


def optional(name: str, value: str | None) -> str:
    """An element of text, or nothing where there is none."""
    return "" if value is None else leaf(name, value)


def flag(name: str, *, value: bool) -> str:
    """An element that says true or false."""
    return f"<{name}>{'true' if value else 'false'}</{name}>"


def document(name: str, *parts: str, namespace: str = NAMESPACE) -> bytes:
    """A whole answer."""
    attribute = f' xmlns="{namespace}"' if namespace else ""
    return f"{_DECLARATION}<{name}{attribute}>{''.join(parts)}</{name}>".encode()
