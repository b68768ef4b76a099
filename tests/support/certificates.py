"""Certificates of this machine's own, made anew for each run of the tests: none lies in the repository."""

import atexit
import shutil
import tempfile
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

LONG_AGO, FAR_OFF = datetime(2020, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)
EXPIRED = datetime(2020, 2, 1, tzinfo=UTC)


def make() -> Path:
    """A folder with `first`, `second` and `expired` (`.crt`, `.key`), and `locked.key` with a password."""
    folder = Path(tempfile.mkdtemp(prefix="nobreak-test-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, until in (("first", FAR_OFF), ("second", FAR_OFF), ("expired", EXPIRED)):
        key = ec.generate_private_key(ec.SECP256R1())
        (folder / f"{name}.crt").write_bytes(_certificate(key, until))
        (folder / f"{name}.key").write_bytes(_pem(key, serialization.NoEncryption()))
    locked = serialization.BestAvailableEncryption(b"password")
    (folder / "locked.key").write_bytes(_pem(ec.generate_private_key(ec.SECP256R1()), locked))
    return folder


def _certificate(key: ec.EllipticCurvePrivateKey, until: datetime) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.DNSName("*.s3.localhost")]
    addresses = [x509.IPAddress(ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(LONG_AGO)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([*names, *addresses]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.PEM)


def _pem(
    key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption
) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, encryption)
