"""The settings: one table, read from the environment and `.env` into typed dataclasses."""

from nobreak.settings.addresses import Address
from nobreak.settings.load import load_settings, spoken_language
from nobreak.settings.model import (
    ApiSettings,
    ExternalKind,
    ExternalSettings,
    HealthSettings,
    LocalSettings,
    LogFormat,
    Probe,
    ReportingSettings,
    S3Settings,
    Settings,
    UnknownSetting,
    WriteSettings,
)

__all__ = [
    "Address",
    "ApiSettings",
    "ExternalKind",
    "ExternalSettings",
    "HealthSettings",
    "LocalSettings",
    "LogFormat",
    "Probe",
    "ReportingSettings",
    "S3Settings",
    "Settings",
    "UnknownSetting",
    "WriteSettings",
    "load_settings",
    "spoken_language",
]
