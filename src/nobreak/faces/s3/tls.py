"""HTTPS by certificate files, which are renewed while nobreak runs."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

from nobreak.errors import SettingsError
from nobreak.lang import Lang, Text
from nobreak.printable import printable

CERT, KEY = "NOBREAK_S3_TLS_CERT", "NOBREAK_S3_TLS_KEY"
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL: an expired certificate is looked at, too."""


class Certificate:
    """A certificate and its key: `context` serves with the ones that were loaded last."""

    def __init__(self, cert: Path, key: Path, lang: Lang) -> None:
        """Load both. Raises `SettingsError`: one line with the file and what is wrong."""
        self.paths = (cert, key)
        self.until = datetime.min.replace(tzinfo=UTC)
        """When the certificate expires."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.set_alpn_protocols(["http/1.1"])
        self._lang = lang
        self._loaded: tuple[bytes, bytes] | None = None
        self.load()

    def load(self) -> bool:
        """Read both files; whether they are others than before. Raises `SettingsError`.

        New connections get the new certificate; those that are open go on.
        """
        cert, key = self.paths
        content = self._content(CERT, cert), self._content(KEY, key)
        if content == self._loaded:
            return False
        # Tried apart first: a pair that doesn't fit would leave the running one in pieces.
        until = self._tried(cert, key)
        self.context.load_cert_chain(cert, key, password=_no_password)
        self.until, self._loaded = until, content
        return True

    def _content(self, name: str, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            what = Text(f"não pode ser lido ({reason})", f"can't be read ({reason})")
            raise self._refused(name, path, what) from None

    def _tried(self, cert: Path, key: Path) -> datetime:
        client, server = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            client.load_verify_locations(cafile=cert)
        except ssl.SSLError:
            what = Text("não é um certificado PEM", "not a certificate in PEM")
            raise self._refused(CERT, cert, what) from None
        try:
            server.load_cert_chain(cert, key, password=_no_password)
        except (ssl.SSLError, ValueError):
            what = Text(
                "não é a chave PEM, sem senha, deste certificado",
                "not the certificate's key in PEM without a password",
            )
            raise self._refused(KEY, key, what) from None
        return _expiry(client, server)

    def _refused(self, name: str, path: Path, what: Text) -> SettingsError:
        return SettingsError(f'{name}="{printable(str(path))}": {what.within(self._lang)}')


def _expiry(client: ssl.SSLContext, server: ssl.SSLContext) -> datetime:
    """When the server's certificate expires, learnt as a client learns it: by a handshake."""
    client.check_hostname = False
    client.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(8):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    found = asking.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)


def _no_password() -> str:
    """A key with a password would be asked for on the terminal."""
    raise ValueError
