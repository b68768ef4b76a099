"""The settings as the rest of nobreak reads them: typed, checked, never changed in place.

Times are seconds, sizes are bytes. Where a setting has a default, it stands in
`nobreak.settings.table`, and only there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from nobreak.errors import SettingsError
from nobreak.lang import Lang, Text
from nobreak.settings.addresses import Address
from nobreak.words import OnConflict, WritePolicy


class Probe(StrEnum):
    """How a check looks at the external store."""

    AUTO = "auto"
    HTTP = "http"
    TCP = "tcp"
    S3 = "s3"
    DEEP = "deep"


class ExternalKind(StrEnum):
    """Which driver speaks to the external store."""

    S3 = "s3"
    DAV = "dav"
    UPLOAD = "upload"


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """The monitor. `probes` never holds `AUTO`, and `check_url` is never empty: both are resolved.

    `check_url` is what the HTTP probe asks for. `canary_in_doubt`: while there is any doubt, or
    the server is away, a check also writes, reads and deletes an object.
    """

    interval: float
    timeout: float
    max_failures: int
    min_successes: int
    fast_interval: float
    probes: tuple[Probe, ...]
    canary_in_doubt: bool
    check_url: str
    hold_down: float
    hold_down_max: float
    flap_window: float


@dataclass(frozen=True, slots=True)
class ExternalSettings:
    """The external store. `url` begins with `http`, without a slash at its end."""

    kind: ExternalKind
    url: str
    host: str
    port: int
    access_key: str
    secret_key: str = field(repr=False)
    region: str


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """How writes go out. `bucket` serves the faces that know no buckets.

    `settle`: how long an attempt of unknown outcome is feared (I4). `upload_expires`: how long
    an unfinished multipart upload may go without a new part; 0: for good. `drain_rate`: bytes per
    second that the drain may send; 0: any.
    """

    bucket: str
    policy: WritePolicy
    divert_after: float
    settle: float
    drain_concurrency: int
    drain_rate: int
    upload_expires: float
    on_conflict: OnConflict


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """The disk of this machine. `max_bytes` 0: no limit; `cache_bytes` 0: no cache."""

    data_dir: Path
    max_bytes: int
    min_free_bytes: int
    cache_bytes: int = 0


@dataclass(frozen=True, slots=True)
class S3Settings:
    """The S3 face, and the pair that its clients sign with (empty: none was given anywhere).

    `keys_file`: further pairs. `domain` empty: no bucket is named by a host. `tls_cert` and
    `tls_key`: both, or neither.
    """

    listen: Address
    access_key: str
    secret_key: str = field(repr=False)
    keys_file: Path | None = None
    domain: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """The HTTP face. `token` empty: none. `public_files`: GET /files needs no token."""

    listen: Address
    token: str = field(repr=False)
    public_files: bool


@dataclass(frozen=True, slots=True)
class ReportingSettings:
    """Log and language. `log_max_bytes` 0: never rotate."""

    log_file: Path
    log_format: LogFormat
    log_max_bytes: int
    log_backups: int
    lang: Lang


@dataclass(frozen=True, slots=True)
class UnknownSetting:
    """A variable that looks like one of ours; `nearest` is the likely one, empty if none is."""

    name: str
    nearest: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. `env_file` is the file that was read, whether or not it was there.

    `values` holds each setting as it was parsed, by variable; it tells what an edit changed.
    """

    health: HealthSettings
    external: ExternalSettings
    use_external: bool
    writes: WriteSettings
    local: LocalSettings
    s3: S3Settings
    api: ApiSettings
    reporting: ReportingSettings
    env_file: Path
    unknown: tuple[UnknownSetting, ...]
    values: Mapping[str, Any] = field(repr=False, compare=False)

    def check_api_exposure(self) -> None:
        """Refuse an API beyond loopback without a token. Raises `SettingsError`.

        For those who are about to listen; an embedded store has no listener of its own.
        """
        if self.api.listen.loopback or self.api.token:
            return
        reason = Text(
            "além de loopback exige NOBREAK_API_TOKEN",
            "a bind beyond loopback requires NOBREAK_API_TOKEN",
        )
        line = f'NOBREAK_API_LISTEN="{self.api.listen}": {reason.within(self.reporting.lang)}'
        raise SettingsError(line)

    def check_s3_listen(self) -> None:
        """Refuse to listen where the external store is: nobreak would serve itself.

        The seed's server and our S3 face share the default port 9000. Raises `SettingsError`.
        """
        here, there = self.s3.listen, self.external
        same_host = here.host == there.host or (
            here.loopback and Address(there.host, there.port).loopback
        )
        if here.port != there.port or not same_host:
            return
        reason = Text("é o endereço do storage externo", "is the external store's own address")
        line = f'NOBREAK_S3_LISTEN="{here}": {reason.within(self.reporting.lang)}'
        raise SettingsError(line)
