"""The kinds of settings that name a place on the network."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from nobreak.lang import Text
from nobreak.settings.kinds import Kind

MAX_PORT = 65_535
STORE_SCHEMES = ("s3+http", "s3+https", "dav+http", "dav+https", "upload+http", "upload+https")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LISTEN = re.compile(r"(\[(?P<six>[^\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_IN_A_URL = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a face listens. Port 0 means any free port."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than localhost may be anything."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """An `EXTERNAL_STORAGE_URL` taken apart.

    `kind` is `s3`, `dav` or `upload`; `url` begins with `http` and ends without a slash.
    """

    kind: str
    url: str
    host: str
    port: int


def bracketed(host: str) -> str:
    """A host as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def host() -> Kind:
    """A host name or an IP address, IPv6 with or without brackets."""
    return Kind(_host, Text("um nome de host ou IP", "a host name or IP address"))


def listen() -> Kind:
    """`host:port`, with IPv6 in brackets."""

    def parse(text: str) -> Address:
        match = _LISTEN.fullmatch(text)
        if match is None or int(match["port"]) > MAX_PORT:
            raise ValueError(text)
        six = match["six"]
        name = str(ipaddress.IPv6Address(six)) if six else _host(match["host"])
        return Address(name, int(match["port"]))

    return Kind(
        parse, Text("`host:porta`, IPv6 em `[colchetes]`", "`host:port`, IPv6 in `[brackets]`")
    )


def http_url() -> Kind:
    """An address to look at, without a user or password in it."""

    def parse(text: str) -> str:
        _taken_apart(text, ("http", "https"))
        return text

    return Kind(
        parse,
        Text(
            "`http://` ou `https://`, sem usuário nem senha",
            "`http://` or `https://`, without user or password",
        ),
    )


def store_url() -> Kind:
    """Where the external store is, and of which kind."""

    def parse(text: str) -> StoreUrl:
        parts = _taken_apart(text, STORE_SCHEMES)
        kind, scheme = parts.scheme.split("+")
        place = parts.path.rstrip("/")
        if "?" in text or "#" in text or (kind == "s3" and place):
            raise ValueError(text)
        port = _DEFAULT_PORTS[scheme] if parts.port is None else parts.port
        name = parts.hostname or ""
        written = bracketed(name) if parts.port is None else f"{bracketed(name)}:{port}"
        return StoreUrl(kind, f"{scheme}://{written}{place}", name, port)

    shapes = "`s3+http://host:9000`, `dav+http://host/path`, `upload+http://host:9000` (http/https)"
    return Kind(
        parse,
        Text(f"{shapes}, sem usuário nem senha", f"{shapes}, without user or password"),
    )


def _taken_apart(text: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of a URL that has one of `schemes`, a host, and no user."""
    parts = urlsplit(text)
    usable = parts.scheme in schemes and parts.hostname and parts.port != 0
    if not usable or parts.username is not None or not _IN_A_URL.fullmatch(text):
        raise ValueError(text)
    _host(parts.hostname or "")
    return parts


def _host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare:
        return str(ipaddress.IPv6Address(bare))
    if not _NAME.fullmatch(bare):
        raise ValueError(text)
    return bare.lower()
