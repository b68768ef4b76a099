"""The files behind the S3 front: keys that anybody can read, a certificate that soon expires."""

import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nobreak.errors import SettingsError
from nobreak.faces.cli.doctor.finding import Finding, bad, good, worrying
from nobreak.faces.cli.texts import said
from nobreak.faces.s3.live_files import read_keys
from nobreak.faces.s3.tls import Certificate
from nobreak.settings import Settings

SOON = timedelta(days=21)
"""Certificates are renewed about a month before they expire: three weeks say that nobody does."""
_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look_at_s3_files(settings: Settings) -> Iterator[Finding]:
    """The file of keys and the certificate, where there are any."""
    s3 = settings.s3
    if s3.keys_file is not None:
        yield from _look_at_keys(settings, s3.keys_file)
    if s3.tls_cert is not None and s3.tls_key is not None:
        yield from _look_at_certificate(settings, s3.tls_cert, s3.tls_key)


def _look_at_keys(settings: Settings, path: Path) -> Iterator[Finding]:
    subject = said("Chaves S3", "S3 keys")
    try:
        keys = read_keys(settings)
    except SettingsError as error:
        yield bad("s3_keys", subject, str(error), said("corrija o arquivo", "correct the file"))
        return
    yield good("s3_keys", subject, said(f"{len(keys)} pares", f"{len(keys)} pairs"))
    yield from _look_at_mode(path, subject)


def _look_at_certificate(settings: Settings, cert: Path, key: Path) -> Iterator[Finding]:
    subject = said("Certificado S3", "S3 certificate")
    try:
        certificate = Certificate(cert, key, settings.reporting.lang)
    except SettingsError as error:
        yield bad("s3_certificate", subject, str(error), said("corrija-o", "correct it"))
        return
    until, now = certificate.until, datetime.now(UTC)
    found = said(f"válido até {until:%Y-%m-%d}", f"valid until {until:%Y-%m-%d}")
    advice = said("renove o certificado", "renew the certificate")
    if until < now:
        found = said(f"expirou em {until:%Y-%m-%d}", f"expired on {until:%Y-%m-%d}")
        yield bad("s3_certificate", subject, found, advice)
    elif until < now + SOON:
        yield worrying("s3_certificate", subject, found, advice)
    else:
        yield good("s3_certificate", subject, found)
    yield from _look_at_mode(key, subject)


def _look_at_mode(path: Path, subject: str) -> Iterator[Finding]:
    if path.stat().st_mode & _FOR_OTHERS:
        found = said(f"outros usuários têm acesso a {path}", f"other users have access to {path}")
        yield worrying("secret_mode", subject, found, f"chmod 600 {path}")
