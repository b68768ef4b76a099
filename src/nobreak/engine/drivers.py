"""Which driver the settings ask for."""

from nobreak.settings import ExternalKind, ExternalSettings
from nobreak.stores.external.base import ExternalStore
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_multipart import Register
from nobreak.stores.external.upload import UploadStore
from nobreak.stores.external.webdav import WebDavStore


def open_external(
    settings: ExternalSettings, timeouts: Timeouts, register: Register | None = None
) -> ExternalStore:
    """A driver for the external store. It connects with its first request.

    `register`: where it notes what it opens there and might not live to close.
    """
    match settings.kind:
        case ExternalKind.S3:
            return S3Store(
                settings.url,
                access_key=settings.access_key,
                secret_key=settings.secret_key,
                region=settings.region,
                timeouts=timeouts,
                register=register,
            )
        case ExternalKind.DAV:
            return WebDavStore(
                settings.url,
                username=settings.access_key,
                password=settings.secret_key,
                timeouts=timeouts,
            )
        case ExternalKind.UPLOAD:
            return UploadStore(settings.url, timeouts=timeouts)
