"""The configuration: settings by flag, environment variable and file."""

from audit.config.settings import (
    CheckSettings,
    CsvDialect,
    EngineName,
    EntityName,
    FormatName,
    LogFormat,
    LogSettings,
    OutputSettings,
    PaceSettings,
    RetrySettings,
    RunSettings,
    ScopeSettings,
    Settings,
    SignSettings,
    WebexSettings,
    seconds_of,
)
from audit.config.sources import CONFIG_VARIABLE, FLAGS, keys, load

__all__ = [
    "CONFIG_VARIABLE",
    "FLAGS",
    "CheckSettings",
    "CsvDialect",
    "EngineName",
    "EntityName",
    "FormatName",
    "LogFormat",
    "LogSettings",
    "OutputSettings",
    "PaceSettings",
    "RetrySettings",
    "RunSettings",
    "ScopeSettings",
    "Settings",
    "SignSettings",
    "WebexSettings",
    "keys",
    "load",
    "seconds_of",
]
