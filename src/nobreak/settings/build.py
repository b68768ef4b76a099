"""From parsed values to `Settings`: defaults that depend on other settings, and what must agree."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from nobreak.errors import SettingsError
from nobreak.lang import Text
from nobreak.settings.addresses import StoreUrl, bracketed
from nobreak.settings.model import (
    ApiSettings,
    ExternalKind,
    ExternalSettings,
    HealthSettings,
    LocalSettings,
    Probe,
    ReportingSettings,
    S3Settings,
    Settings,
    UnknownSetting,
    WriteSettings,
)
from nobreak.settings.row import Section
from nobreak.settings.table_external import HEALTH
from nobreak.settings.table_here import API, LOCAL, REPORTING, WRITES

SYSTEM_DATA_DIR = Path("/var/lib/nobreak")
Values = Mapping[str, Any]


def build(
    values: Values,
    *,
    env_file: Path,
    unknown: tuple[UnknownSetting, ...],
    environ: Mapping[str, str],
) -> Settings:
    """All settings from the values by variable (None: not set). Raises `SettingsError`."""
    external = _external(values)
    local = _fields(LOCAL, values)
    return Settings(
        health=health_settings(values, external),
        external=external,
        use_external=values["USE_EXTERNAL_STORAGE"],
        writes=WriteSettings(**_fields(WRITES, values)),
        local=LocalSettings(
            **{**local, "data_dir": local["data_dir"] or default_data_dir(environ)}
        ),
        s3=_s3(values, external),
        api=ApiSettings(**_given(_fields(API, values))),
        reporting=ReportingSettings(**_fields(REPORTING, values)),
        env_file=env_file,
        unknown=unknown,
        values=values,
    )


def health_settings(values: Values, external: ExternalSettings) -> HealthSettings:
    """The monitor's settings for this external store. Raises `SettingsError`."""
    if values["HEALTH_HOLD_DOWN"] > values["HEALTH_HOLD_DOWN_MAX"]:
        most = f"HEALTH_HOLD_DOWN_MAX={values['HEALTH_HOLD_DOWN_MAX']:g}"
        _refuse(values, "HEALTH_HOLD_DOWN", Text(f"passa de {most}", f"exceeds {most}"))
    asked = values["HEALTH_CHECK_URL"]
    own = external.url + ("/health" if external.kind is ExternalKind.UPLOAD else "")
    automatic = Probe.S3 if external.kind is ExternalKind.S3 and not asked else Probe.HTTP
    probes = tuple(
        dict.fromkeys(automatic if it is Probe.AUTO else it for it in values["HEALTH_PROBE"])
    )
    if Probe.S3 in probes and external.kind is not ExternalKind.S3:
        _refuse(
            values,
            "HEALTH_PROBE",
            Text(
                "`s3` exige um storage externo s3+http", "`s3` requires an s3+http external store"
            ),
        )
    fields = _fields(HEALTH, values)
    # The form-upload server can't delete: canaries would pile up there.
    canary = Probe.AUTO in values["HEALTH_PROBE"] and external.kind is not ExternalKind.UPLOAD
    resolved = {"check_url": asked or own, "probes": probes, "canary_in_doubt": canary}
    return HealthSettings(**{**fields, **resolved})


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """`/var/lib/nobreak` where we may write, else our place under the XDG state directory."""
    system = SYSTEM_DATA_DIR
    nearest = system if system.exists() else system.parent
    if os.access(nearest, os.W_OK | os.X_OK):
        return system
    state = Path(environ.get("XDG_STATE_HOME", ""))
    home = Path(environ.get("HOME") or Path.home())
    return (state if state.is_absolute() else home / ".local" / "state") / "nobreak"


def _external(values: Values) -> ExternalSettings:
    place = _store(values)
    access_key, secret_key = _pair(values, "EXTERNAL_STORAGE")
    kind = ExternalKind(place.kind)
    if kind is ExternalKind.S3 and not access_key:
        _refuse(
            values,
            "EXTERNAL_STORAGE_ACCESS_KEY",
            Text("obrigatório para s3+http", "required for s3+http"),
        )
    return ExternalSettings(
        kind=kind,
        url=place.url,
        host=place.host,
        port=place.port,
        access_key=access_key,
        secret_key=secret_key,
        region=values["EXTERNAL_STORAGE_REGION"],
    )


def _store(values: Values) -> StoreUrl:
    """Where the external store is. A URL and a host that are both given must agree."""
    url: StoreUrl | None = values["EXTERNAL_STORAGE_URL"]
    host, port = values["EXTERNAL_STORAGE_HOST"], values["EXTERNAL_STORAGE_PORT"]
    if url is None and host is None and port is None:
        _refuse(values, "EXTERNAL_STORAGE_URL", _NO_STORE)
    if url is None:
        if host is None or port is None:
            missing = "EXTERNAL_STORAGE_HOST" if host is None else "EXTERNAL_STORAGE_PORT"
            _refuse(values, missing, Text("host e porta vão juntos", "host and port go together"))
        return StoreUrl("upload", f"http://{bracketed(host)}:{port}", host, port)
    for name, own in (("EXTERNAL_STORAGE_HOST", url.host), ("EXTERNAL_STORAGE_PORT", url.port)):
        if values[name] not in {None, own}:
            other = f"EXTERNAL_STORAGE_URL ({own})"
            _refuse(values, name, Text(f"contradiz {other}", f"contradicts {other}"))
    return url


_NO_STORE = Text(
    "nenhum storage externo configurado; dê esta variável, ou EXTERNAL_STORAGE_HOST e _PORT",
    "no external store is configured; set this, or EXTERNAL_STORAGE_HOST and _PORT",
)


def _s3(values: Values, external: ExternalSettings) -> S3Settings:
    access_key, secret_key = _pair(values, "NOBREAK")
    _together(values, "NOBREAK_S3_TLS_CERT", "NOBREAK_S3_TLS_KEY")
    own = S3Settings(
        listen=values["NOBREAK_S3_LISTEN"],
        access_key=access_key,
        secret_key=secret_key,
        keys_file=values["NOBREAK_S3_KEYS_FILE"],
        domain=values["NOBREAK_S3_DOMAIN"] or "",
        tls_cert=values["NOBREAK_S3_TLS_CERT"],
        tls_key=values["NOBREAK_S3_TLS_KEY"],
    )
    if access_key:
        return own
    return replace(own, access_key=external.access_key, secret_key=external.secret_key)


def _pair(values: Values, prefix: str) -> tuple[str, str]:
    """A pair of keys, both empty when neither is given."""
    names = (f"{prefix}_ACCESS_KEY", f"{prefix}_SECRET_KEY")
    _together(values, *names)
    access_key, secret_key = (values[name] or "" for name in names)
    return access_key, secret_key


def _together(values: Values, *names: str) -> None:
    """Of two settings both must be given, or neither."""
    for name, other in (names, names[::-1]):
        if values[name] is None and values[other] is not None:
            _refuse(values, name, Text(f"falta, pois há {other}", f"missing beside {other}"))


def _fields(section: Section, values: Values) -> dict[str, Any]:
    return {row.field: values[row.name] for row in section.rows}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """The same fields, with empty text where nothing was given."""
    return {name: "" if value is None else value for name, value in fields.items()}


def _refuse(values: Values, name: str, reason: Text) -> NoReturn:
    value = values[name]
    shown = "" if value is None else f"{value:g}" if isinstance(value, float) else value
    if isinstance(shown, tuple):
        shown = ",".join(shown)
    raise SettingsError(f'{name}="{shown}": {reason.within(values["NOBREAK_LANG"])}')
