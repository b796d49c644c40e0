"""The configuration: settings by flag, environment variable and file."""

from audit.config.file import CONFIG_VARIABLE, ConfigFile, chosen_file
from audit.config.login import Login, login_file, read_login
from audit.config.profiles import PROFILE_VARIABLE, Profile, known_profiles, profile_of
from audit.config.settings import (
    CheckSettings,
    CsvDialect,
    EngineName,
    EntityName,
    FormatName,
    LogFormat,
    LogSettings,
    NotifySettings,
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
from audit.config.sources import FLAGS, keys, load, variables

__all__ = [
    "CONFIG_VARIABLE",
    "FLAGS",
    "PROFILE_VARIABLE",
    "CheckSettings",
    "ConfigFile",
    "CsvDialect",
    "EngineName",
    "EntityName",
    "FormatName",
    "LogFormat",
    "LogSettings",
    "Login",
    "NotifySettings",
    "OutputSettings",
    "PaceSettings",
    "Profile",
    "RetrySettings",
    "RunSettings",
    "ScopeSettings",
    "Settings",
    "SignSettings",
    "WebexSettings",
    "chosen_file",
    "keys",
    "known_profiles",
    "load",
    "login_file",
    "profile_of",
    "read_login",
    "seconds_of",
    "variables",
]
