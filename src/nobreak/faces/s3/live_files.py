"""The files behind the S3 front, read again when they change or on SIGHUP: keys, certificate.

A bad edit is told to the operator, and the old ones stay.
"""

from collections.abc import Callable

from nobreak.engine.watching import FileWatch
from nobreak.errors import SettingsError
from nobreak.faces.s3.keyfile import load_keys
from nobreak.faces.s3.keyring import KeyPair, KeyRing
from nobreak.faces.s3.tls import Certificate
from nobreak.reporting.events import EventKind, Reporter
from nobreak.settings import Settings


def read_keys(settings: Settings) -> KeyRing:
    """The pair of the settings and those of the file. Raises `SettingsError`."""
    s3 = settings.s3
    own = [KeyPair(s3.access_key, s3.secret_key)] if s3.access_key else []
    if s3.keys_file is None:
        return KeyRing(own)
    return load_keys(s3.keys_file, settings.reporting.lang, own)


async def follow_keys(
    watch: FileWatch,
    settings: Settings,
    running: KeyRing,
    apply: Callable[[KeyRing], None],
    reporter: Reporter,
) -> None:
    """Read the keys again whenever `watch` says so; `running`: those in force."""
    async for asked in watch.changes():
        try:
            read = read_keys(settings)
        except SettingsError as error:
            reporter.emit(EventKind.S3_KEYS_REJECTED, reason=str(error))
            continue
        if asked or read != running:
            apply(read)
            running = read
            reporter.emit(EventKind.S3_KEYS_RELOADED, count=len(read))


async def follow_certificate(
    watch: FileWatch, certificate: Certificate, reporter: Reporter
) -> None:
    """Load the certificate again whenever `watch` says so."""
    async for asked in watch.changes():
        try:
            changed = certificate.load()
        except SettingsError as error:
            reporter.emit(EventKind.S3_CERTIFICATE_REJECTED, reason=str(error))
            continue
        if asked or changed:
            until = f"{certificate.until:%Y-%m-%d}"
            reporter.emit(EventKind.S3_CERTIFICATE_RELOADED, until=until)
